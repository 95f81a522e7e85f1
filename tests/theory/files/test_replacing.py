"""Files on disks that are full: one reason with the path, the older file, nothing else."""

import errno
import resource

import h5netcdf
import numpy as np
import pytest
import xarray as xr

from theory import files

SERIES = xr.Dataset({"norm": (("run", "step"), np.random.default_rng(0).normal(size=(20, 500)))})
WHOLE = 78_000  # about the bytes of its file


@pytest.fixture
def disk():
    """Limit the size of files, as a full disk does, until the end of the test."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 1, 1000, 3000, 6000, 10_000, 40_000, WHOLE - 4000])
def test_a_full_disk_is_one_reason_and_the_older_file_stays(tmp_path, disk, size):
    path = tmp_path / "x.nc"
    path.write_text("older")
    disk(size)
    with pytest.raises(OSError, match="File too large") as said:
        files.write_dataset(path, SERIES)
    assert (said.value.errno, said.value.filename) == (errno.EFBIG, str(path))
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_what_fits_is_whole(tmp_path, disk):
    path = tmp_path / "new" / "x.nc"
    disk(2 * WHOLE)
    files.write_dataset(path, SERIES)
    assert WHOLE - 4000 < path.stat().st_size < 2 * WHOLE
    xr.testing.assert_identical(xr.load_dataset(path, engine="h5netcdf"), SERIES)
    assert list(path.parent.iterdir()) == [path]


def test_folders_that_were_made_go_again_with_the_error(tmp_path, disk):
    disk(1000)
    with pytest.raises(OSError):
        files.write_dataset(tmp_path / "a" / "b" / "x.nc", SERIES)
    assert list(tmp_path.iterdir()) == []


def test_of_two_writers_at_once_the_last_wins_whole(tmp_path):
    path = tmp_path / "x.txt"
    with files.replacing(path) as first:
        first.write(b"first")
        with files.replacing(path) as second:
            second.write(b"second, longer")
        assert path.read_text() == "second, longer"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    target, link = tmp_path / "target.txt", tmp_path / "link.txt"
    target.write_text("older")
    link.symlink_to(target.name)
    files.write_text(link, "newer")
    assert link.is_symlink()
    assert target.read_text() == "newer"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("file/x.nc", "Not a directory"), ("n" * 300, "File name too long")],
)
def test_a_place_where_nothing_can_be_is_named(tmp_path, name, reason):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=reason) as said:
        files.write_text(tmp_path / name, "text")
    assert said.value.filename == str(tmp_path / name)
    assert (tmp_path / "file").read_text() == "mine"


def test_text_that_utf_8_cannot_hold_is_escaped(tmp_path):
    files.write_text(tmp_path / "x.txt", "caf\udce9 é")
    assert (tmp_path / "x.txt").read_text(encoding="utf-8") == "caf\\udce9 é"


def test_a_file_can_be_appended_to_while_it_is_written(tmp_path):
    path = tmp_path / "x.nc"
    with files.replacing(path) as file:
        SERIES.to_netcdf(file, engine="h5netcdf", unlimited_dims=["run"])
        with h5netcdf.File(file, "a") as held:
            held.resize_dimension("run", 21)
            held.variables["norm"][20:21] = np.ones((1, 500))
    found = xr.load_dataset(path, engine="h5netcdf")["norm"].values
    np.testing.assert_array_equal(found, np.vstack([SERIES["norm"], np.ones((1, 500))]))
