from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from compare.calibration.laws import network_size
from compare.calibration.laws.network_size import NetworkSize
from empirical.training import train
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec


def test_features_are_weights_over_what_they_have_to_fit_and_the_depth():
    capacity = np.log(8192 / 14370 / 0.5)
    for layers, depth in ((2, 0.0), (3, np.log(1.5)), (18, np.log(1.5))):
        found = NetworkSize(n_weights=8192, n_layers=layers, n_examples=1437, n_classes=10)
        measures = [capacity, depth]
        np.testing.assert_allclose(found.measures, measures, rtol=1e-12)
        expected = [capacity, 0.5 * 14370 / 8192, depth]
        np.testing.assert_allclose(network_size.features(found.measures), expected, rtol=1e-12)


@pytest.mark.parametrize("name", network_size.VARIABLES)
def test_sizes_are_positive(name):
    with pytest.raises(ValueError, match=f"{name} must be a positive"):
        NetworkSize(**{**dict.fromkeys(network_size.VARIABLES, 1), name: 0})


def test_training_records_how_large_its_networks_are():
    recipe = Recipe(model="mlp-16-8", train_per_class=12, batch_size=60)
    job = train.Job(recipe, (RunSpec(0.5, 1e-2, 0, 3), RunSpec(0.5, 2e-2, 0, 2)))
    networks = train.train([job], train.Settings(eval_every=2))
    size = NetworkSize(64 * 16 + 16 * 8, 2, 120, 10, n_kernels=0)
    for run in range(2):
        assert network_size.recorded(networks.isel(run=run)) == size
    assert NetworkSize(**train.network_size(recipe)) == size


def test_convolution_kernels_are_counted():
    recipe = Recipe(model="convnet-2", train_per_class=12, batch_size=60)
    networks = train.train([train.Job(recipe, (RunSpec(0.5, 1e-2, 0, 2),))], train.Settings())
    found = network_size.recorded(networks.isel(run=0))
    assert (found.n_kernels, found.n_layers) == (4, 4)
    older = network_size.recorded(networks.isel(run=0).drop_vars("n_kernels"))
    unknown = network_size.recorded(networks.isel(run=0).assign(n_kernels=np.nan))
    assert older == unknown == replace(found, n_kernels=network_size.NOT_KNOWN)


@pytest.mark.parametrize("change", [{"n_layers": np.nan}, {"n_weights": 0}])
def test_a_size_that_is_not_there_is_unknown(change):
    whole = xr.Dataset(dict.fromkeys(network_size.VARIABLES, 5.0))
    assert network_size.recorded(whole) == NetworkSize(5, 5, 5, 5)
    assert network_size.recorded(whole.assign(change)) is None
    assert network_size.recorded(whole.drop_vars("n_classes")) is None
