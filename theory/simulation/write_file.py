"""Write a simulation to a netCDF file block by block, so that memory does not grow with it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import h5netcdf
import xarray as xr

from theory import validate
from theory.files import WholeFile, dump, new_file, replacing_sealed
from theory.simulation import grid as simulate
from theory.simulation.grid import Grid
from theory.toy_losses.losses import ToyLoss


def write(
    loss: ToyLoss,
    grid: Grid,
    path: Path,
    *,
    say: Callable[[str], object] = print,
    progress: Callable[[int], object] = lambda _: None,
) -> Path:
    """Simulate a grid into a new file, saying first what it will take.

    The file appears under its name only when it is complete.

    Args:
        loss: the toy loss.
        grid: settings and how to run them.
        path: the file to make.
        say: is given the sentence about its cost.
        progress: is given the number of runs done after each block.

    Raises:
        FileExistsError: if the file exists.
        BlockingIOError: if another process is making it.
        ValueError: if memory cannot hold one block of it.
        OSError: if the disk has no room for it.
    """
    with new_file(path):
        needed = simulate.cost(grid, dimension=loss.dimension)
        validate.fits_in_memory("this simulation", needed.memory)
        say(str(needed))
        if (free := shutil.disk_usage(path.parent).free) < needed.disk:
            raise OSError(
                f"{path} needs {needed.disk / 1e6:.3g} MB, the disk has {free / 1e6:.3g} MB"
            )
        done = 0
        with replacing_sealed(path) as file:
            for dataset in simulate.blocks(loss, grid):
                append(dataset, file, start=done)
                file.settle()
                done += dataset.sizes["run"]
                del dataset  # before the next block is simulated
                progress(done)
    return path


def append(dataset: xr.Dataset, file: WholeFile, *, start: int) -> None:
    """Add runs to a file whose first ``start`` runs are there; with 0, make the file."""
    if start == 0:
        dump(dataset, file, unlimited_dims=["run"])
        return
    with h5netcdf.File(file, "a") as held:
        stop = start + dataset.sizes["run"]
        held.resize_dimension("run", stop)
        for name, variable in dataset.variables.items():
            if "run" in variable.dims:
                held.variables[str(name)][start:stop] = variable.values
