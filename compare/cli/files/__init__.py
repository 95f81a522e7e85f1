"""Commands on results that are there.

thin     a small copy of a study
merge    a study of its shards
"""
