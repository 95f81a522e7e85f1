"""The command ``sawtooth``: one file a command, each with its options and what it does.

A command's file imports nothing heavy before it runs, so that ``--help`` answers at once.

main       picks the command, and turns a user's mistake into one sentence
parsing    exit codes and a parser whose errors are one line
run        a study from theory and training to its report
forecast   a planned run, from cheap pilots
train      networks over a grid of settings
predict    closed forms, or a calibrated model, for one setting
diagnose   which mechanism makes the loss spike
toys/      toy dynamics over a grid of settings, the norm for given gradients
report     the report of a saved file, or of two studies
files/     a small copy of a study; a study of its shards
bench      the side-by-side benchmarks
"""
