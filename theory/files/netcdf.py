"""Datasets as netCDF files, in parts where they are large."""

import itertools
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from io import IOBase
from pathlib import Path
from typing import Any

import h5netcdf
import xarray as xr

from theory.files.replacing import WholeFile
from theory.files.sealed import replacing_sealed

LARGE = 2**28  # bytes from which a Dataset is written in parts
PART = 2**26  # bytes of a variable that are in memory at once then
CHUNK = 2**16  # numbers that are compressed together then, one run's as far as possible


def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write a Dataset to a netCDF file, its series compressed.

    A large one along ``step`` is written in parts, so that what it reads only where it is used is
    never in memory as a whole.

    Raises:
        OSError: if it cannot be written; an older file stays.
    """
    with replacing_sealed(path) as file:
        if dataset.nbytes > LARGE and "step" in dataset.dims:
            _write_in_parts(file, dataset)
        else:
            dump(dataset, file, encoding=compressed(dataset))


def dump(data: xr.Dataset | xr.DataTree, file: IOBase, **options: Any) -> None:
    """Write into an open file.

    Where Dask has a client, xarray would lock the file in all its processes, and send it there.
    """
    dask = sys.modules.get("dask")
    with dask.config.set(scheduler="synchronous") if dask else nullcontext():
        data.to_netcdf(file, engine="h5netcdf", **options)


def compressed(dataset: xr.Dataset, level: int = 1) -> dict[Any, dict[str, Any]]:
    """Encoding that compresses the series of a Dataset, at a level from 1 (fast) to 9 (small)."""
    return {
        variable: {"zlib": True, "complevel": level, "shuffle": True}
        for variable, values in dataset.variables.items()
        if values.dtype.kind == "f" and values.ndim > 1
    }


def _write_in_parts(file: WholeFile, dataset: xr.Dataset) -> None:
    """Write the first step with all that does not lie along steps, then the others."""
    chunk = {"step": min(CHUNK, dataset.sizes["step"])}
    chunk["run"] = min(CHUNK // chunk["step"], dataset.sizes.get("run", 1))
    series = {n: v for n, v in dataset.variables.items() if "step" in v.dims}
    encoding = compressed(dataset)
    for name, values in series.items():
        shape = [chunk.get(str(dim), dataset.sizes[dim]) for dim in values.dims]
        encoding.setdefault(name, {})["chunksizes"] = tuple(shape)
    first = dataset.isel(step=slice(0, 1))
    dump(first, file, encoding=encoding, unlimited_dims=["step"])
    with h5netcdf.File(file, "a") as held:
        held.resize_dimension("step", dataset.sizes["step"])
        for name, values in series.items():
            for part in _parts(values, chunk):
                if file.failure is None:
                    held.variables[str(name)][part] = values[part].values


def _parts(values: xr.Variable, chunk: dict[str, int]) -> Iterator[tuple[slice, ...]]:
    """Parts of a variable of whole chunks, as many as may be in memory at once."""
    each = values.dtype.itemsize * values.size // max(values.sizes.get("run", 1), 1)
    each = each * chunk["step"] // values.sizes["step"]  # bytes of one run in a part
    n_runs = max(PART // each // chunk["run"], 1) * chunk["run"]
    every = {"step": chunk["step"], "run": n_runs}
    ranges: list[list[slice]] = [
        [slice(at, at + every[str(dim)]) for at in range(0, size, every[str(dim)])]
        if str(dim) in every
        else [slice(None)]
        for dim, size in values.sizes.items()
    ]
    yield from itertools.product(*ranges)
