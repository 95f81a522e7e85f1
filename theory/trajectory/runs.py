"""A training run as the numbers that distinguish it from the others of its study."""

from dataclasses import dataclass

from theory import validate


@dataclass(frozen=True)
class RunSpec:
    """One training run: what distinguishes it from the other runs of its study.

    Attributes:
        learning_rate: eta, above 0.
        weight_decay: lam, 0 or more; ``eta lam < 1``.
        seed: seeds initialisation and data order.
        n_steps: number of optimizer steps.
        momentum: heavy-ball coefficient, from 0 to below 1.
        variant: what else distinguishes the run, in a word or two; "" for nothing.

    Raises:
        ValueError: if a value is out of range.
    """

    learning_rate: float
    weight_decay: float
    seed: int
    n_steps: int
    momentum: float = 0.0
    variant: str = ""

    def __post_init__(self) -> None:
        validate.setting(self.learning_rate, self.weight_decay)
        validate.fraction("momentum", self.momentum)
        validate.at_least("seed", self.seed, 0)
        validate.at_least("n_steps", self.n_steps, 1)

    @property
    def id(self) -> str:
        """Readable and unique name, the value of the ``run`` coordinate."""
        setting = setting_id(
            self.learning_rate, self.weight_decay, momentum=self.momentum, variant=self.variant
        )
        return f"{setting}-seed{self.seed}"

    @property
    def intrinsic_lr(self) -> float:
        """``eta lam``."""
        return self.learning_rate * self.weight_decay


def setting_id(
    learning_rate: float, weight_decay: float, *, momentum: float = 0.0, variant: str = ""
) -> str:
    """Name of a setting, e.g. ``lr0.5-wd0.001``; different for different numbers."""
    rate, decay, heavy = (
        repr(float(x)).removesuffix(".0") for x in (learning_rate, weight_decay, momentum)
    )
    prefix = variant.replace(" ", "-") + "-" if variant else ""
    return f"{prefix}lr{rate}-wd{decay}" + (f"-m{heavy}" if momentum else "")


def setting_of(run: str) -> str:
    """Id of the setting that a run belongs to: its own without the seed."""
    return str(run).rpartition("-seed")[0]
