"""What was recorded, asked of the Dataset itself: ``import sawtooth.accessor``, ``ds.sawtooth``."""

import xarray as xr

from compare.measure import phases, recorded
from theory.trajectory import read_runs
from theory.vocabulary.attributes import describe

PERIODS = ("regime", "n_jumps", "first_jump", "period", "period_std", "reason_period")


@xr.register_dataset_accessor("sawtooth")  # type: ignore[no-untyped-call]
class SawtoothAccessor:
    """Jumps, periods and laws of a recorded Dataset.

        >>> import sawtooth.accessor
        >>> toy = sawtooth.simulate("isotropic", 0.1, 0.1, n_steps=2000)
        >>> toy.sawtooth.periods()["n_jumps"].item()
        12.0
        >>> toy.sawtooth.jumps()["cycle_onset"].sizes["cycle"]
        13

    Args:
        dataset: trajectories of the schema on (``run``, ``step``).
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def jumps(self) -> xr.Dataset:
        """Steps at which each rise of the effective lr begins (landing) and ends (onset).

        Returns:
            ``cycle_landing``, ``cycle_turn`` and ``cycle_onset`` on (``run``, ``cycle``), steps.
        """
        found = phases.measure(read_runs(self._dataset))
        return describe(found[list(phases.BORDERS)], "measured")

    def periods(self) -> xr.Dataset:
        """Regime, number of jumps, first jump and mean period (steps) of every run."""
        return recorded.observe(self._dataset)[list(PERIODS)]

    def laws(self) -> xr.Dataset:
        """Residuals of the exact laws of every run, see ``sawtooth.check_laws``."""
        return recorded.check_laws(self._dataset)
