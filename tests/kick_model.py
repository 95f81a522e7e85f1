"""A kick model for tests, close to that of the digits network."""

from theory.cycle_models.kick_model import KickModel
from theory.cycle_models.log_line import LogLine

LR = 0.5
TRUE_MODEL = KickModel(
    kick=LogLine(0.85, -0.06),
    onset=LogLine(-2.7, 0.02),
    landing=LogLine(-2.72, 0.178),
    recovery=0.0,
    variation=LogLine(0.3, 0.0),
    growth=LogLine(1.72, 1.05),
    growth_scatter=0.4,
    growth_error=0.05,
    sensitivity=1.3,
    kick_scatter=0.2,
    initial_norm=6.5,
    first_kick=0.6,
    first_reach=LogLine(-2.6, 0.0),
    first_variation=0.3,
    loss_at_unit_gradient=0.02,
    loss_exponent=1.1,
)
