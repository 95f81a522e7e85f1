import numpy as np
import xarray as xr

from compare.measure import edge_of_stability


def networks(elr, sharpness, every):
    steps = np.arange(len(elr))
    return xr.Dataset(
        {
            "effective_lr": (("run", "step"), elr[None]),
            "spherical_sharpness": (("run", "eval_step"), sharpness[None]),
            "probe_loss": (("run", "eval_step"), np.ones((1, len(sharpness)))),
        },
        {"run": ["a"], "step": steps, "eval_step": steps[::every]},
    )


def first_jump(step):
    return xr.DataArray([float(step)], {"run": ["a"]}, ["run"])


def test_is_the_geometric_mean_over_the_last_stretch_before_the_jump():
    elr = np.exp(0.02 * np.arange(60))
    sharpness = np.full(30, 7.0) / elr[::2]
    sharpness[18:25] = np.array([1.0, 4.0, 1.0, 4.0, 1.0, 4.0, 2.0]) / elr[36:50:2]
    data = networks(elr, sharpness, 2)
    data["probe_loss"][0, 24] = 3.0
    found = edge_of_stability.before_first_jump(data, first_jump(50))
    # of those from 40 to 48, within 0.2 of the last one, the loss has trebled at 48
    expected = (1.0 * 4.0 * 1.0 * 4.0) ** (1 / 4)
    np.testing.assert_allclose(found["stability_before_jump"].values, [expected], rtol=1e-12)


def test_is_unknown_without_a_jump_or_a_sharpness():
    elr = np.exp(0.01 * np.arange(20))
    data = networks(elr, np.ones(10), 2)
    assert np.isnan(
        edge_of_stability.before_first_jump(data, first_jump(np.nan))["stability_before_jump"]
    )
    empty = edge_of_stability.before_first_jump(
        data.drop_vars("spherical_sharpness"), first_jump(10)
    )
    assert not empty.data_vars
