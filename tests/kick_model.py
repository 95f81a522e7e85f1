"""A kick model for tests, close to that of the digits network."""

from theory.reduced import KickModel, LogLine

LR = 0.5
TRUE_MODEL = KickModel(
    kick=LogLine(0.85, -0.06),
    onset=LogLine(-2.7, 0.02),
    kick_time=2.5,
    period_variation=0.3,
    sensitivity=1.3,
    kick_scatter=0.2,
    initial_norm=6.5,
    first_kick=0.6,
    first_onset=-3.2,
    loss_at_unit_gradient=0.02,
    loss_exponent=1.1,
)
