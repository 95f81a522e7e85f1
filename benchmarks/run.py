"""Run every benchmark: ``make bench``."""

import training

for benchmark in (training,):
    benchmark.main()
    print()
