import json

import numpy as np
import pytest
import xarray as xr

from compare.study import store
from compare.study.comparison import compare_with_theory

from ..conftest import asked

CONFIG = json.dumps({"name": "x", "title": "X", "seeds": 1, "settings": []})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def groups(networks, roles):
    theory, comparison, _ = compare_with_theory(networks, asked(roles))
    return {"theory": theory, "empirical": networks, "comparison": comparison}


@pytest.mark.slow
def test_study_file_round_trips(tmp_path, groups):
    path = tmp_path / "results" / "study.nc"
    store.write(path, groups, config=CONFIG, provenance="{}")
    tree = store.read(path)
    for name, group in groups.items():
        xr.testing.assert_equal(tree[name].to_dataset(), group)
        assert tree[name]["run"].values.tolist() == groups["empirical"]["run"].values.tolist()
    assert tree["empirical"]["weight_norm"].dtype == np.float64
    assert tree["theory"]["weight_norm"].attrs["units"] == "1"
    assert tree.attrs["schema_version"] == "2"
    provenance = store.provenance("cpu", ["float32", "float64", "float32"])
    assert provenance["precision"] == "float32, float64 arithmetic, float64 records"
    assert json.loads(tree.attrs["provenance"]) == {}
    assert provenance.keys() >= {"created", "version", "git_commit", "command", "packages"}
    assert names(path.parent) == ["study.nc"]


def test_failed_write_keeps_the_older_file(tmp_path, groups, monkeypatch):
    path = tmp_path / "study.nc"
    path.write_text("older")

    def full_disk(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", full_disk)
    with pytest.raises(OSError, match="No space left"):
        store.write(path, groups, config="{}", provenance="{}")
    assert path.read_text() == "older"
    assert names(tmp_path) == ["study.nc"]


@pytest.mark.slow
def test_unreadable_files_are_refused(tmp_path, groups):
    with pytest.raises(ValueError, match="no such file"):
        store.read(tmp_path / "none.nc")
    text = tmp_path / "text.nc"
    text.write_text("not netCDF")
    with pytest.raises(ValueError, match="not a readable netCDF file"):
        store.read(text)
    whole = tmp_path / "whole.nc"
    store.write(whole, groups, config=CONFIG, provenance="{}")
    whole.write_bytes(whole.read_bytes()[:2000])
    with pytest.raises(ValueError, match="not a readable netCDF file"):
        store.read(whole)
    partial = tmp_path / "partial.nc"
    bare = {**groups, "comparison": groups["comparison"].drop_vars("period")}
    store.write(partial, bare, config=CONFIG, provenance="{}")
    with pytest.raises(ValueError, match="it lacks comparison/period"):
        store.read(partial)
    other = tmp_path / "other.nc"
    xr.Dataset({"a": 1}).to_netcdf(other, engine="h5netcdf")
    with pytest.raises(ValueError, match="not a study file"):
        store.read(other)
