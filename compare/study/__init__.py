"""A study: the unit of work a user runs.

design          settings, seeds and lengths, refused where they cannot be run
toml_file       studies as TOML files, read strictly
run_study       train, compare, write, report; shards and their merging
results_folder  what lies in it, and when nothing may be written there
cost            memory and disk that a study takes
train_networks  here or by workers, from the start or from what is there
parts/          training in parts: executors, clusters, job arrays
comparison      theory, networks and their comparison on the same runs
store           one netCDF file per study
layout          what that file must hold
thin            a small copy of it
"""
