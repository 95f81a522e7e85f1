"""The command ``sawtooth``: one file a command, each with its options and what it does.

A command's file imports nothing heavy before it runs, so that ``--help`` answers at once.
"""
