"""Datasets and trees as netCDF files."""

from pathlib import Path
from typing import Any

import xarray as xr

from theory.files.sealed import replacing_sealed


def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write a Dataset to a netCDF file, its series compressed.

    Raises:
        OSError: if it cannot be written; an older file stays.
    """
    with replacing_sealed(path) as file:
        dataset.to_netcdf(file, engine="h5netcdf", encoding=compressed(dataset))


def compressed(dataset: xr.Dataset, level: int = 1) -> dict[Any, dict[str, Any]]:
    """Encoding that compresses the series of a Dataset, at a level from 1 (fast) to 9 (small)."""
    return {
        variable: {"zlib": True, "complevel": level, "shuffle": True}
        for variable, values in dataset.variables.items()
        if values.dtype.kind == "f" and values.ndim > 1
    }
