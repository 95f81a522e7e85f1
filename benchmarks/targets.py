"""What is asked of the benchmarks, as data: one ratio a line, and how a value stands to it."""

from __future__ import annotations

from dataclasses import dataclass

Found = float | str  # a ratio, or why there is none
ARITHMETIC = ("float32", "tf32", "bf16")  # in which a GPU is measured


@dataclass(frozen=True)
class Target:
    """A bound on a ratio of two times measured in turn.

    Attributes:
        benchmark: the module that yields it.
        what: its name there.
        asked: the bound.
        goal: the bound that one would like, None where none is set.
        at_least: whether the bounds are lower ones.
        unit: of the few that are no ratios.
    """

    benchmark: str
    what: str
    asked: float
    goal: float | None = None
    at_least: bool = False
    unit: str = ""

    def met(self, value: float) -> bool:
        return value >= self.asked if self.at_least else value <= self.asked

    def bound(self, value: float | None) -> str:
        """A bound as text; empty for None."""
        sign = ">=" if self.at_least else "<="
        return "" if value is None else f"{sign} {self.text(value)}"

    def text(self, value: float) -> str:
        """A value as text, small ratios as fractions."""
        if not self.unit and 0 < value < 0.2:
            return f"1/{1 / value:.0f}"
        return f"{value:.2f} {self.unit}".rstrip()


def on_gpu(arithmetic: str) -> str:
    return f"ConvNet c=32 on a GPU, {arithmetic}: steps/s over the plain loop"


TARGETS = [
    Target("training", "16 digits MLPs: runs/s together over one by one", 2.0, 3.0, at_least=True),
    Target("training", "16 digits MLPs: recording over not", 1.10, 1.05),
    Target("training", "ConvNet c=8: recording over not", 1.10, 1.05),
    Target("training", "4 ConvNets c=32: recording over not", 1.10, 1.05),
    *[Target("training", on_gpu(name), 3.0, at_least=True) for name in ARITHMETIC],
    Target("monitor", "digits MLP: monitored over plain loop", 1.15),
    Target("monitor", "ConvNet c=32: monitored over plain loop", 1.05),
    Target("monitor", "ResNet-18: search for invariant weights", 2.0, unit="s"),
    Target("toys", "d=2: Numba over C", 1.25, 0.9),
    Target("toys", "d=2: Numba over JAX", 0.6),
    Target("toys", "d=2: safe over plain", 1.3, 1.05),
    Target("toys", "d=10: Numba over C", 1.35, 1.05),
    Target("toys", "d=10: Numba over JAX", 0.7),
    Target("toys", "d=10: safe over plain", 1.3, 1.05),
    Target("toys", "d=1000: Numba over C", 1.1, 1.0),
    Target("toys", "d=1000: Numba over JAX", 0.3),
    Target("toys", "d=1000: safe over plain", 1.3, 1.05),
    Target("toys", "noise d=2: Numba over C", 1.1, 1.0),
    Target("toys", "noise d=2: Numba over JAX", 1 / 6),
    Target("norm_ode", "norm ODE, constant g: ours over diffrax", 1 / 20),
    Target("norm_ode", "norm ODE, g(t): ours over diffrax", 1 / 20),
    Target("norm_ode", "norm ODE, g(t, rho): ours over diffrax", 1 / 20),
]
BY_NAME = {target.what: target for target in TARGETS}
