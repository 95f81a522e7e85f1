"""What is measured of output channels, of records made by hand."""

import numpy as np
import pytest
import xarray as xr

from compare.measure.channels import Channels

EPS = 1e-6
NAMES = ("conv[0]", "conv[1]", "conv[2]", "last[0]", "last[1]")


def made(norm=None, angle=None, eps=EPS):
    """Five channels of two layers at ten records: steady, jumping, collapsing, two more."""
    n = 10
    steady = np.full(n, 1.0)
    jumping = np.array([1.0, 2.0, 1.8, 1.6, 1.4, 2.8, 2.6, 2.4, 2.2, 2.0])
    falling = 0.9 * 0.4 ** np.arange(n)
    norm = np.stack([steady, jumping, falling, 3 * steady, 4 * steady], axis=1)
    angle = np.tile([0.01, 0.02, 0.0, 0.03, 1.5e-4], (n, 1))
    dims = ("run", "channel_step", "channel")
    return xr.Dataset(
        {
            "channel_weight_norm": (dims, norm[None]),
            "channel_angular_update": (dims, angle[None]),
        },
        {
            "run": ["a"],
            "channel_step": 50 * np.arange(n),
            "channel": list(NAMES),
            "channel_layer": ("channel", ["conv"] * 3 + ["last"] * 2),
        },
        {"normalisation_eps": eps},
    )


def test_each_channel_has_its_numbers():
    found = Channels.of(made(), "a")
    assert found.names == NAMES
    assert found.layer_names == ["conv", "last"]
    assert found.median_norm[[0, 1, 3]] == pytest.approx([1.0, 2.0, 3.0])
    assert found.median_angle == pytest.approx([0.01, 0.02, 0.0, 0.03, 1.5e-4])
    assert found.share[3:] == pytest.approx([9 / 25, 16 / 25])


def test_a_jump_is_a_growth_after_a_decay_and_no_transient():
    found = Channels.of(made(), "a")
    assert found.jumped.tolist() == [False, True, False, False, False]
    assert found.n_jumps[1] == 1
    # the growth by 100 % at the start is a transient, that by 100 % at record 5 the jump
    assert found.largest_jump_at[1] == 5
    assert found.largest_jump[1] == pytest.approx(1.0)
    assert np.isnan(found.largest_jump[[0, 2, 3, 4]]).all()


def test_collapsed_is_a_squared_norm_below_epsilon():
    squares = (0.9 * 0.4**9) ** 2
    assert Channels.of(made(eps=1.01 * squares), "a").collapsed.tolist() == [0, 0, 1, 0, 0]
    assert not Channels.of(made(eps=0.99 * squares), "a").collapsed.any()
    unknown = made()
    del unknown.attrs["normalisation_eps"]
    assert not Channels.of(unknown, "a").collapsed.any()


def test_frozen_is_told_beside_the_median_channel_at_any_scale():
    for scale in (1.0, 1e-5):
        found = made()
        found["channel_angular_update"] *= scale
        assert Channels.of(found, "a").frozen.tolist() == [0, 0, 1, 0, 0]
    found["channel_angular_update"][:, :, 4] *= 0.5  # 0.75 % of the median
    assert Channels.of(found, "a").frozen.tolist() == [0, 0, 1, 0, 1]


def test_flags_do_not_feel_the_scale_of_the_weights():
    large = made(eps=EPS * 100**2)
    large["channel_weight_norm"] *= 100
    one, other = Channels.of(made(), "a"), Channels.of(large, "a")
    for name in ("collapsed", "frozen", "jumped", "share", "largest_jump"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), err_msg=name)


def test_what_was_not_recorded_is_none_and_one_record_is_enough():
    assert Channels.of(made().drop_vars("channel_weight_norm"), "a") is None
    broken = made()
    broken["channel_weight_norm"][0, 1:, 0] = np.nan  # the run diverged
    one = Channels.of(broken, "a")
    assert one.steps.tolist() == [0]
    assert not one.jumped.any()
    assert np.isnan(one.largest_jump).all()
    broken["channel_weight_norm"][0, 0, 0] = np.inf
    assert Channels.of(broken, "a") is None
