"""Run every benchmark: ``make bench``."""

import monitor
import norm_ode
import toys
import training

for benchmark in (training, monitor, toys, norm_ode):
    benchmark.main()
    print(flush=True)
