"""The log of a run as series, from whatever wrote it.

signals   a log as series
rows      one row for each step, gaps closed
columns   the columns of a log by their meaning
read_log  CSV and netCDF files as columns
ending    where a run diverges, and the log before it
"""
