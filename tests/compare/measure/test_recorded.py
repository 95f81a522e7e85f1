"""Several recordings in one Dataset: each run by what is known of itself."""

import numpy as np
import pytest
import xarray as xr

import sawtooth
from compare.measure.channels import Channels
from compare.measure.recorded import check_laws
from compare.predict.optimizer_equilibrium import predict_equilibrium
from theory.trajectory import recorded_with

MINE, TORCHS = "lab.Mine", "torch.optim.Muon"
DTYPES, SHAPES, EPS = ("float32", "bfloat16"), ("64x64", "16x1024"), (1e-5, 1e-3)


@pytest.fixture
def joined():
    """Two runs that break the norm law, each as its own monitor described it."""
    found = sawtooth.simulate("isotropic", 0.1, 0.1, seeds=2, n_steps=400)
    found["weight_norm"][:, 100:] *= 1.001
    found["effective_lr"][:, 100:] /= 1.001**2
    along = {
        "optimizer": (MINE, TORCHS),
        "optimizer_settings": ("{}", "{}"),
        "n_weights": (4096, 16384),
        "weights_dtype": DTYPES,
        "normalisation_eps": EPS,
        "largest_matrix": SHAPES,
    }
    found = found.assign({name: ("run", list(values)) for name, values in along.items()})
    first = {name: along[name][0] for name in ("weights_dtype", "normalisation_eps")}
    return found.assign_attrs(**first, largest_matrix=SHAPES[0])  # as joining leaves them


def test_a_run_is_explained_by_its_own_optimizer_and_number_format(joined):
    said = check_laws(joined)["reason_norm_law_residual"].values
    assert said[0].startswith(f"the class {MINE} may do more in a step")
    assert said[1].startswith("the weights are stored in bfloat16")
    alone = check_laws(joined.isel(run=[1]))["reason_norm_law_residual"].values
    assert alone[0] == said[1]


def test_an_attribute_is_of_no_run_where_there_are_several(joined):
    older = joined.drop_vars(["weights_dtype", "normalisation_eps", "largest_matrix"])
    first, second = older["run"].values
    assert recorded_with(older, second, "weights_dtype") is None
    assert recorded_with(older.isel(run=[0]), first, "weights_dtype") == "float32"
    assert "bfloat16" not in check_laws(older)["reason_norm_law_residual"].values[1]


def test_channels_and_matrices_are_those_of_the_run(joined):
    first, second = joined["run"].values
    dims = ("run", "channel_step", "channel")
    norms = np.full((2, 3, 1), 0.02)  # squared between the two epsilons
    known = joined.assign(channel_weight_norm=(dims, norms), channel_angular_update=(dims, norms))
    known = known.assign_coords(
        channel_step=[0, 1, 2], channel=["a[0]"], channel_layer=("channel", ["a"])
    )
    collapsed = [Channels.of(known, run).collapsed.tolist() for run in (first, second)]
    assert collapsed == [[False], [True]]

    still = known.assign(optimizer=("run", [TORCHS, TORCHS]))
    of_second = [
        predict_equilibrium(still.assign(largest_matrix=("run", [SHAPES[0], shape])), second).norm
        for shape in SHAPES
    ]
    assert predict_equilibrium(still, second).norm == of_second[1] != of_second[0]


def test_a_recording_of_an_earlier_version_may_be_joined_to_a_new_one(joined):
    names = ["weights_dtype", "normalisation_eps", "largest_matrix"]
    new, old = joined.isel(run=[0]), joined.isel(run=[1]).drop_vars(names)
    for parts in ([new, old], [old, new]):
        both = xr.concat(parts, "run", join="outer", combine_attrs="override", data_vars="all")
        assert np.isfinite(check_laws(both)["norm_law_residual"]).all()
        known = [recorded_with(both, run, "largest_matrix") for run in both["run"].values]
        assert sorted(known, key=str) == [SHAPES[0], None]


def test_a_shape_that_is_none_is_refused(joined):
    with pytest.raises(ValueError, match="largest_matrix must be like 64x64, got 'big'"):
        check_laws(joined.assign(largest_matrix=("run", ["64x64", "big"])))
