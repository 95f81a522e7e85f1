import errno
import fcntl
import subprocess
import sys

import pytest

from theory import files

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    path, lock = tmp_path / "x.nc", tmp_path / ".x.nc.lock"
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE)
    try:
        assert first.stdout.readline() == b"held\n"
        with (
            pytest.raises(BlockingIOError, match=r"another process is writing .*x\.nc"),
            files.locked(path),
        ):
            pytest.fail("both hold the lock")
    finally:
        first.kill()
        first.communicate()
    assert [files.is_lock(left) for left in tmp_path.iterdir()] == [True]
    with files.locked(path):
        assert names(tmp_path) == [".x.nc.lock"]
    assert names(tmp_path) == []


def test_other_names_in_a_folder_have_locks_of_their_own(tmp_path):
    with files.locked(tmp_path / "new" / "a"), files.locked(tmp_path / "new" / "b"):
        assert names(tmp_path / "new") == [".a.lock", ".b.lock"]
        with pytest.raises(BlockingIOError), files.locked(tmp_path / "new" / "a"):
            pytest.fail("held twice")
    assert names(tmp_path) == []


def test_what_a_killed_process_left_of_the_file_is_removed(tmp_path):
    for name in ("x.nc", *(f"{name}.1a2b3c4d.partial" for name in ("x.nc", "y.nc", "z.pt"))):
        (tmp_path / name).write_text("")
    with files.locked(tmp_path / "x.nc", beside=["z.pt"]):
        assert names(tmp_path) == [".x.nc.lock", "x.nc", "y.nc.1a2b3c4d.partial"]


def test_where_there_are_no_locks_nobody_is_kept_out(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    with files.locked(tmp_path / "x"), files.locked(tmp_path / "x"):
        pass
    assert names(tmp_path) == []
