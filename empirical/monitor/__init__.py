"""Watch the scale-invariant weights of any network in anybody's training loop.

monitor       hooks into the optimizer, records every step
first_batch   what the network saw first, to find the invariant weights with
optimizer     the optimizer that makes the steps, its name and settings
update_rule   how it moves the weights
followed      which weights one rate and one decay move
step_sums     norms, products and angles of one step
step_log      the records, kept on the device for a while
channels      norms and angles of each output channel, now and then
sharding      sums over the processes that share the weights
sink          numbers for a logger of the user's
to_dataset    records as a Dataset of the schema
"""

from empirical.monitor.monitor import Monitor

__all__ = ["Monitor"]
