"""What a study of networks takes, said before it starts."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from theory import validate

if TYPE_CHECKING:
    from compare.study.design import Study

COMPRESSED = 0.9  # bytes of a file for each of the series in it, at most about
THEORY = 1.5  # files hold those of theory too, simulated and compressed less well
EMPTY = 150e3  # bytes of a file with nothing in its series


@dataclass(frozen=True)
class Cost:
    """What training and all that follows it takes.

    Attributes:
        n_runs: networks.
        n_steps: optimizer steps of all of them together.
        memory: bytes of the process at its peak, about; None on a GPU, which has its own, and
            where workers share the networks.
        series: bytes on the disk while the networks are trained, beside their weights.
        file: bytes of the file in the end, about.
    """

    n_runs: int
    n_steps: int
    memory: float | None
    series: float
    file: float

    def __str__(self) -> str:
        memory = "" if self.memory is None else f"{self.memory / 1e6:.3g} MB of memory, "
        networks = "one network" if self.n_runs == 1 else f"{self.n_runs} networks"
        return (
            f"{networks}, {self.n_steps:.3g} steps in all: about {memory}"
            f"{self.series / 1e6:.3g} MB on disk while they train and a file of "
            f"{self.file / 1e6:.3g} MB"
        )

    def check(self, out: Path, *, resumed: bool) -> None:
        """Refuse what does not fit.

        Args:
            out: the file to make, in a folder that exists.
            resumed: whether the series have their place on the disk already.

        Raises:
            ValueError: if memory cannot hold it.
            OSError: if the disk cannot.
        """
        if self.memory is not None:
            validate.fits_in_memory("this study", self.memory)
        needed = self.file + (0 if resumed else self.series)
        if (free := shutil.disk_usage(out.parent).free) < needed:
            raise OSError(f"{out} needs {needed / 1e6:.3g} MB, the disk has {free / 1e6:.3g} MB")


def of(study: Study, *, compared: bool, shared: bool = False) -> Cost:
    """What it takes to train a study, and to compare it with theory or not.

    Where workers share the networks, on other machines maybe, no memory is asked for.
    """
    from compare.study.parts.train_part import settings_of
    from empirical.training import memory, train

    jobs = [train.Job(*job) for job in study.jobs]
    here = not shared and train.choose_device(study.device).type == "cpu"
    series, evaluated = memory.recorded(study.jobs, eval_every=study.eval_every)
    return Cost(
        n_runs=len(study.runs),
        n_steps=sum(run.n_steps for run in study.runs),
        memory=train.needed(jobs, settings_of(study), compared=compared) if here else None,
        series=series,
        file=EMPTY + COMPRESSED * (series * (1 + THEORY * compared) + evaluated),
    )
