"""Files that are written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import xarray as xr


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A neighbouring file to write, renamed over ``path`` at the end or removed on an error.

    Makes the folder if need be.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write a Dataset to a netCDF file, its series compressed.

    Raises:
        OSError: if it cannot be written; an older file stays.
    """
    with replacing(path) as partial:
        dataset.to_netcdf(partial, engine="h5netcdf", encoding=compressed(dataset))


def compressed(dataset: xr.Dataset, level: int = 1) -> dict[Any, dict[str, Any]]:
    """Encoding that compresses the series of a Dataset, at a level from 1 (fast) to 9 (small)."""
    return {
        variable: {"zlib": True, "complevel": level, "shuffle": True}
        for variable, values in dataset.variables.items()
        if values.dtype.kind == "f" and values.ndim > 1
    }
