"""What a run recorded, read out of a Dataset of the schema."""

from __future__ import annotations

import numpy as np
import xarray as xr

from theory.arrays import FloatArray


def record_every(dataset: xr.Dataset) -> int:
    """Optimizer steps from one record to the next; 1 where there is only one."""
    steps = dataset["step"].values
    return int(steps[1] - steps[0]) if len(steps) > 1 else 1


def recorded(dataset: xr.Dataset, run: str, name: str) -> FloatArray:
    """One quantity of one run over the steps it recorded before its end, (n_records,)."""
    known = dataset["step"].values < int(dataset["n_steps"].sel(run=run))
    return np.asarray(dataset[name].sel(run=run).values[known])
