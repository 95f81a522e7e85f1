"""Series on disk: what is read is what was written, and damage to it is told."""

import resource

import numpy as np
import pytest
import xarray as xr

from theory.trajectory import series_file
from theory.trajectory.series_file import SeriesFile

NAMES = ("weight_norm", "train_loss")
RNG = np.random.default_rng(0)
VALUES = dict(zip(NAMES, RNG.random((2, 30, 3)), strict=True))  # of 30 steps of 3 runs


def written(path=None, stop=30):
    file = SeriesFile(NAMES, 3, 30, path=path)
    for start in range(0, stop, 7):
        part = {name: values[start : min(start + 7, stop)] for name, values in VALUES.items()}
        file.write(np.array([2, 0, 1]), start, {n: v[:, [2, 0, 1]] for n, v in part.items()})
    return file


def taken_up(path, state):
    file = SeriesFile(NAMES, 3, 30, path=path, resume=True)
    file.restore(state)
    return file


@pytest.mark.parametrize("in_memory", [0, 2**20])
def test_what_was_written_is_read_until_the_end_of_each_run(monkeypatch, in_memory):
    monkeypatch.setattr(series_file, "IN_MEMORY", in_memory)
    file = written()
    file.end([30, 4, 25])
    read = xr.Dataset({n: (("run", "step"), v) for n, v in file.variables(28).items()})
    for name, values in VALUES.items():
        expected = values.T[:, :28].copy()
        expected[1, 4:] = expected[2, 25:] = np.nan
        np.testing.assert_array_equal(read[name].values, expected)
        some = read[name].isel(run=[2, 0]).isel(step=slice(3, 27, 2)).values
        np.testing.assert_array_equal(some, expected[[2, 0], 3:27:2])


def test_what_a_checkpoint_does_not_know_of_is_written_again(tmp_path):
    file = written(tmp_path / "c.series0", stop=14)
    state = file.state([14, 9, 14])
    file.write(np.array([0]), 14, {name: np.full((10, 1), 7.0) for name in NAMES})
    again = taken_up(tmp_path / "c.series0", state)
    again.write(np.arange(3), 14, {name: values[14:] for name, values in VALUES.items()})
    whole = written(tmp_path / "whole")
    np.testing.assert_array_equal(again.numbers(), whole.numbers())
    assert again.state([30, 20, 30]) == whole.state([30, 20, 30])


def test_a_file_that_is_not_that_of_the_checkpoint_is_refused(tmp_path):
    path = tmp_path / "c.series0"
    state = written(path).state([30, 9, 30])
    bits = bytearray(path.read_bytes())
    beyond, within = bytearray(bits), bytearray(bits)
    beyond[8 * (30 + 9) + 1] ^= 1  # the tenth step of the second run
    within[8 * (30 + 8) + 1] ^= 1
    path.write_bytes(beyond)
    taken_up(path, state)
    path.write_bytes(within)
    with pytest.raises(ValueError, match=r"c.series0 is damaged or of another checkpoint"):
        taken_up(path, state)
    path.write_bytes(bits[:-8])
    with pytest.raises(ValueError, match=r"c.series0 has 1432 bytes, not 1440"):
        taken_up(path, state)
    path.unlink()
    with pytest.raises(ValueError, match=r"c.series0 is missing"):
        taken_up(path, state)


def test_a_full_disk_is_known_before_anything_is_written(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"c.series0"):
            SeriesFile(NAMES, 100, 100_000, path=tmp_path / "c.series0")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_series_go_with_their_checkpoint_and_nothing_else_does(tmp_path):
    checkpoint = tmp_path / "c.pt"
    for name in ("c.pt", "c.pt.series0", "c.pt.series12", "d.pt.series0"):
        (tmp_path / name).touch()
    series_file.remove_checkpoint(checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["d.pt.series0"]
