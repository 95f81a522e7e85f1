"""Run every benchmark: ``make bench``."""

import norm_ode
import toys
import training

for benchmark in (training, toys, norm_ode):
    benchmark.main()
    print(flush=True)
