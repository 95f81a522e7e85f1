"""Watch the scale-invariant weights of any network in anybody's training loop.

monitor       hooks into the optimizer, records every step
first_batch   what the network saw first, to find the invariant weights with
update_rule   which optimizer moves which weights, and how
step_sums     norms, products and angles of one step
step_log      the records, kept on the device for a while
to_dataset    records as a Dataset of the schema
"""

from empirical.monitor.monitor import Monitor

__all__ = ["Monitor"]
