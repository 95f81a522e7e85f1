"""A study file small enough to keep: its measurements whole, its trajectories thinned.

What a report says in numbers stands in ``/comparison`` and ``/calibration``, which stay as they
are. Trajectories are there to be drawn: those of one run of each setting stay, at every k-th step
and to four digits.
"""

from io import BytesIO
from itertools import count
from pathlib import Path

import numpy as np
import xarray as xr

from compare.measure import over_seeds
from compare.study import store
from theory import files

MOST_BYTES = 2_000_000
KEPT_BITS = 13  # of 23 in the mantissa of a float32: four decimal digits
FEWEST_RECORDS = 100  # of the longest run; with fewer there is nothing left to look at
# Large, and drawn by no figure; what follows from them is in the comparison.
LEFT_OUT = ("direction_sketch", "test_probability", "test_label")


def write(path: Path, study: xr.DataTree, *, most_bytes: int = MOST_BYTES) -> str:
    """Write a study with as many steps of its trajectories as fit into so many bytes.

    Args:
        path: the file; an older one is replaced.
        study: what ``compare.study.store.read`` returns.
        most_bytes: largest size of the file.

    Returns:
        What was kept, in words.

    Raises:
        ValueError: for a study of toys, one that is thinned already, or if it cannot be made
            small enough.
        OSError: if it cannot be written; an older file stays.
    """
    if store.is_toys(study):
        raise ValueError("a study of toys cannot be thinned")
    store.check_whole(study)
    n_steps = study["empirical"].sizes["step"]
    for every in _strides(n_steps):
        steps = f"every {every} steps" if every > 1 else "every step"
        kept = f"one run of each setting, {steps}, four digits"
        tried = BytesIO()
        store.dump(
            tried,
            thin(study, every),
            config=study.attrs["config"],
            provenance=study.attrs["provenance"],
            thinned=kept,
            level=9,
        )
        size = tried.getbuffer().nbytes + files.SEAL_SIZE
        if size <= most_bytes:
            with files.replacing_sealed(path) as file:
                file.write(tried.getbuffer())
            return kept
    raise ValueError(
        f"{path} would have {size} bytes with {FEWEST_RECORDS} records a run, "
        f"at most {most_bytes} are allowed"
    )


def thin(study: xr.DataTree, every: int) -> dict[str, xr.Dataset]:
    """The groups of a study with every ``every``-th step of one run of each setting."""
    groups = {name: group.to_dataset() for name, group in study.children.items()}
    first = over_seeds.by_setting(groups["comparison"])["first_run"].values
    for name in ("theory", "empirical"):
        group = groups[name].drop_vars(LEFT_OUT, errors="ignore")
        group = group.isel(step=slice(None, None, every)) if "step" in group.dims else group
        shown = group["run"].isin(first)
        for variable, values in group.data_vars.items():
            if values.ndim > 1:
                group[variable] = _short(values).where(shown)
        groups[name] = group
    return groups


def _strides(n_steps: int) -> list[int]:
    """1, 2, 5, 10, 20, ... as long as enough records are left of so many steps."""
    numbers = (digit * 10**power for power in count() for digit in (1, 2, 5))
    strides = [next(numbers)]
    while (following := next(numbers)) * FEWEST_RECORDS <= n_steps:
        strides.append(following)
    return strides


def _short(values: xr.DataArray) -> xr.DataArray:
    """Values as float32 with trailing bits of zero, which compress well."""
    bits = np.ascontiguousarray(values.values, dtype=np.float32).view(np.uint32)
    dropped = np.uint32(23 - KEPT_BITS)
    finite = np.isfinite(values.values)
    half = np.uint32(1) << (dropped - np.uint32(1))
    rounded = np.where(finite, (bits + half) >> dropped << dropped, bits)
    return values.copy(data=rounded.view(np.float32))
