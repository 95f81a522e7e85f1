"""When the next jump of a run comes.

normal_law     a quantity that scatters about a linear law, learnt value by value
known_cycles   where jumps begin and how fast decay leads there, from cycles that were seen
outlook        probability of a jump within any number of steps, and what would put it off
from_run       the outlook from the end of a run's records
"""

from theory.cycle_models.next_jump.from_run import look_ahead
from theory.cycle_models.next_jump.known_cycles import KnownCycles
from theory.cycle_models.next_jump.outlook import Outlook

__all__ = ["KnownCycles", "Outlook", "look_ahead"]
