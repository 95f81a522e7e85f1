import numpy as np
import pytest
import xarray as xr

from theory.files import check_seal, netcdf, write_dataset

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("chunk", "part"), [(8, 100), (4, 10), (1000, 600)])
def test_a_large_dataset_is_the_same_when_it_is_written_in_parts(
    tmp_path, monkeypatch, chunk, part
):
    dataset = xr.Dataset(
        {
            "weight_norm": (("run", "step"), RNG.random((5, 29)), {"units": "1"}),
            "layer_norm": (("run", "eval_step", "layer"), RNG.random((5, 3, 2))),
            "n_steps": ("run", np.arange(5)),
        },
        {
            "run": list("abcde"),
            "step": np.arange(29),
            "epoch": ("step", np.arange(29) / 7),
            "learning_rate": ("run", RNG.random(5)),
        },
        {"config": "{}"},
    )
    write_dataset(tmp_path / "whole.nc", dataset)
    for name, value in (("LARGE", 0), ("CHUNK", chunk), ("PART", part)):
        monkeypatch.setattr(netcdf, name, value)
    write_dataset(tmp_path / "parts.nc", dataset)
    check_seal(tmp_path / "parts.nc")
    with (
        xr.open_dataset(tmp_path / "parts.nc") as parts,
        xr.open_dataset(tmp_path / "whole.nc") as whole,
    ):
        xr.testing.assert_identical(parts, whole)
        assert parts["weight_norm"].encoding["complevel"] == 1
