"""A forecast: pilots are trained, and what they say of the planned run is drawn from it."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from compare.calibration.at_rest import Rest
from compare.calibration.beginning import Beginning
from compare.calibration.calibrate import Calibration
from compare.calibration.laws.regularised import Laws
from compare.forecast import advice, caution, fan
from compare.forecast.pilots import Pilot
from compare.forecast.planned_run import PlannedRun
from compare.predict import outlook
from compare.predict.outlook import Network
from theory.arrays import FloatArray, IntArray

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
POINTS = 400
FAN_DRAWS = 500
SAMPLES = 3
BINS = 60
SEED_OF_REST = 0


@dataclass(frozen=True)
class Forecast:
    """What is known of a planned run.

    Attributes:
        run: the planned run.
        laws: of its network.
        beginning: how its runs begin.
        pilots: what was trained for it.
        diverged: probability that the run stops being finite.
        rest: whether its network does not jump at all, however slow the decay.
        jumped: whether any pilot did.
    """

    run: PlannedRun
    laws: Laws
    beginning: Beginning
    pilots: tuple[Pilot, ...]
    diverged: float = 0.0
    rest: Rest = field(default_factory=Rest)
    jumped: bool = True

    @classmethod
    def of(
        cls,
        run: PlannedRun,
        calibration: Calibration,
        pilots: list[Pilot],
        *,
        diverged: float,
        jumped: bool,
    ) -> "Forecast":
        """The forecast that a calibration on pilots makes."""
        known = calibration.laws, calibration.beginning
        return cls(run, *known, tuple(pilots), diverged, calibration.rest, jumped)

    @property
    def start(self) -> float:
        """``ln(elr)`` at initialisation."""
        return self.beginning.log_elr

    @property
    def network(self) -> Network:
        """The network as it may be at the planned setting, always the same draws."""
        return outlook.networks(self.laws, self.run.decay, self.start, n_steps=self.run.n_steps)

    @cached_property
    def borders(self) -> dict[str, float | None]:
        """What would avoid the first jump, or bring the norm to rest."""
        return advice.advice(self.run, self.laws, self.beginning, self.rest.probability)

    def values(self) -> dict[str, Any]:
        """The forecast in numbers, by the names of docs/data.md; None where nothing is said."""
        run = self.run
        lrs = [run.learning_rate * run.weight_decay_for(one.decay) for one in self.pilots]
        return {
            "learning_rate": run.learning_rate,
            "weight_decay": run.weight_decay,
            "momentum": run.momentum,
            "intrinsic_lr": run.intrinsic_lr,
            "steps": run.n_steps,
            **self.summary_of(self.network, run),
            "pilot_steps": sum(one.total for one in self.pilots),
            "pilot_intrinsic_lr": lrs,
            "extrapolation": min(lrs) / run.intrinsic_lr,
            "rest_probability": self.rest.probability,
            "caution": caution.sentences(run, self.rest.probability, jumped=self.jumped),
        }

    def summary_of(self, network: Network, run: PlannedRun) -> dict[str, Any]:
        """What will happen to the planned run, or to one like it."""
        resting = self.rest.probability
        said = outlook.summary(
            network, run.learning_rate, run.n_steps, diverged=self.diverged, resting=resting
        )
        if said["regime"] == "equilibrium" and resting:
            log_elr, _ = self.rest.at(run.decay)
            said["equilibrium_norm"] = math.sqrt(run.learning_rate / math.exp(log_elr))
        return said

    def dataset(self) -> xr.Dataset:
        """The fan of paths and the distribution of jumps, for the file and its page.

        Returns:
            ``effective_lr`` and ``weight_norm`` along ``quantile`` and ``planned_step``, some
            paths as ``sample_effective_lr`` (``sample``, ``planned_step``); along ``bin`` (from
            ``bin_step``, its left end) the expected number of jumps, ``jump_density``, and the
            probability that the first falls into it, ``first_jump_density``. The values are the
            attribute ``forecast``.
        """
        run = self.run
        network = outlook.networks(
            self.laws, run.decay, self.start, n_steps=run.n_steps, n_draws=FAN_DRAWS
        )
        steps = np.unique(np.linspace(0, run.n_steps - 1, POINTS).astype(int))
        times, log_elr = self._paths(network, steps)
        elr = np.exp(np.quantile(log_elr, QUANTILES, axis=0))
        edges = np.linspace(0, run.n_steps, BINS + 1)
        seen = np.isfinite(times)
        jumps = np.histogram(times[seen], edges)[0] / FAN_DRAWS
        jumps = jumps + _undrawn(network, times, edges)
        first = np.histogram(times[seen[:, 0], 0], edges)[0] / FAN_DRAWS
        return xr.Dataset(
            {
                "effective_lr": (("quantile", "planned_step"), elr),
                "weight_norm": (
                    ("quantile", "planned_step"),
                    np.sqrt(run.learning_rate / elr[::-1]),
                ),
                "sample_effective_lr": (("sample", "planned_step"), np.exp(log_elr[:SAMPLES])),
                "bin_step": ("bin", edges[:-1]),
                "jump_density": ("bin", jumps),
                "first_jump_density": ("bin", first),
            },
            {"quantile": list(QUANTILES), "planned_step": steps},
        )

    def _paths(self, network: Network, steps: IntArray) -> tuple[FloatArray, FloatArray]:
        """Jumps of each draw, infinite where there is none, and its ``ln(elr)`` at some steps.

        Those that come to rest are the last ones, the first where most do: they are drawn.
        """
        run, n_draws = self.run, len(network.period)
        times = outlook.jump_times(network, run.n_steps)
        log_elr = fan.paths(network, times, self.start, steps)
        resting = round(self.rest.probability * n_draws)
        rests = slice(resting) if 2 * resting >= n_draws else slice(n_draws - resting, None)
        middle, spread = self.rest.at(run.decay)
        levels = middle + spread * np.random.default_rng(SEED_OF_REST).standard_normal(resting)
        times[rests] = np.inf
        log_elr[rests] = fan.coming_to_rest(levels, run.decay, self.start, steps)
        return times, log_elr


def _undrawn(network: Network, times: FloatArray, edges: FloatArray) -> FloatArray:
    """Expected number of jumps in each bin that come after the last that were drawn, (n_bins,)."""
    begins = edges[-1] - outlook.undrawn_steps(times, edges[-1])
    after = np.clip(edges[1:] - np.maximum(edges[:-1], begins[:, None]), 0.0, None)
    return np.asarray((after / network.period[:, None]).mean(axis=0))
