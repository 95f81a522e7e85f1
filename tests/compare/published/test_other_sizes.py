import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from compare.published import other_sizes
from compare.study.design import Setting, Study
from empirical.training.recipe import Recipe

SMALL = Recipe(model="convnet-8", data="folder:x", batch_size=50, train_per_class=25)
RATES = {0.005: "convergence", 0.2: "periodic", 0.8: "periodic", 20.0: "equilibrium"}


def config(*settings):
    return json.loads(Study("x", "x", settings, steps=1000).to_json())


def measured(settings, **columns):
    """A Dataset along ``setting`` with the columns that a table asks for."""
    names = [one.id for one in settings]
    known = {
        "learning_rate": [one.learning_rate for one in settings],
        "intrinsic_lr": [one.learning_rate * one.weight_decay for one in settings],
        "weight_decay": [one.weight_decay for one in settings],
        "variant": [one.variant for one in settings],
        "first_run": [f"{name}-seed0" for name in names],
    }
    values = {name: ("setting", column) for name, column in (known | columns).items()}
    return xr.Dataset(values, {"setting": names})


def networks(settings, n_steps):
    runs = [f"{one.id}-seed0" for one in settings]
    return xr.Dataset({"n_steps": ("run", n_steps)}, {"run": runs})


@pytest.fixture
def main_figure():
    """Four rates of the published kind, in small; theory 10 % above in the periods."""
    settings = [Setting(rate, 0.01, SMALL) for rate in reversed(RATES)]
    regimes = list(reversed(RATES.values()))
    nan, period = np.nan, np.array([np.nan, 100.0, 350.0, np.nan])
    made = measured(
        settings,
        regime=regimes,
        predicted_regime=["equilibrium", "periodic", "equilibrium", "convergence"],
        n_jumps=[40.0, 12.0, 11.0, 0.0],
        predicted_n_jumps=[35.0, 12.5, 10.0, 0.0],
        period=period,
        predicted_period=1.1 * period,
        decay_rate_ratio=[nan, 0.98, 1.0, nan],
        effective_lr_before_jump=[nan, 0.4, 0.8, nan],
        effective_lr_after_jump=[nan, 0.2, 0.2, nan],
        predicted_effective_lr_before_jump=[nan, 0.4, 0.4, nan],
        predicted_effective_lr_after_jump=[nan, 0.2, 0.2, nan],
        equilibrium_norm=[9.7, 5.0, 5.0, nan],
        predicted_equilibrium_norm=[10.0, 5.0, 5.0, nan],
    )
    return settings, made


def rows_of(table):
    return {row[0]: row[1:] for row in table.rows}


def test_what_is_free_of_size_stands_beside_the_published_figure(main_figure):
    settings, made = main_figure
    errors = [[np.nan] * 3] * 2 + [[0.7, 0.6, np.nan], [np.nan] * 3]
    runs = made["first_run"].values
    comparison = xr.Dataset({"minimum_test_error": (("run", "cycle"), errors)}, {"run": runs})
    (first,) = other_sizes.tables(
        networks(settings, [1000] * 4), comparison, made, config(*settings)
    )
    rows = rows_of(first)
    assert rows["regimes, by rising ηλ"] == [
        "convergence, 2 × periodic, equilibrium",
        "convergence, 2 × periodic, equilibrium",
        "convergence, equilibrium, periodic, equilibrium",
    ]
    assert rows["jumps in a run, by rising ηλ"] == [
        "0, 11, 12, –",
        "0, 4, 15, – in 1000 epochs",
        "0, 10, 12.5, –",
    ]
    # 213 and 64 epochs of 391 steps at 1e-5 and 3e-5
    assert rows["mean period times ηλ"] == ["0.700 … 0.800", "0.751 … 0.833", "0.770 … 0.880"]
    assert rows["decay rate of the norm in phase A, over ηλ"] == [
        "0.980 … 1.00",
        "0.990 … 1.02",
        "1",
    ]
    drops = rows["ln of elr before over after a jump"]
    assert drops[0] == "0.693 … 1.39"  # ln 2 and ln 4
    assert drops[1] == "1.26 … 1.33"
    assert drops[2] == "0.693"
    error = rows["test error, minimum of the first and last period"]
    assert error[:2] == ["0.700 → 0.600 (slowest setting)", "0.245 → 0.170"]
    assert rows["equilibrium norm over theory's, from g"] == ["0.970", "–", "1"]


def test_a_recipe_of_another_kind_is_not_compared(main_figure):
    settings, made = main_figure
    for change in ({"augment": True}, {"schedule": "cosine"}, {"trained": "all"}):
        others = [replace(one, recipe=replace(SMALL, **change)) for one in settings]
        assert (
            other_sizes.tables(networks(settings, [1000] * 4), xr.Dataset(), made, config(*others))
            == []
        )


def test_regimes_on_the_sphere_stand_beside_where_they_were_published():
    recipe = replace(SMALL, fixed_norm=True, initial_norm=2.0)
    settings = [Setting(rate, 0.0, recipe) for rate in (1e-3, 4e-3, 0.04, 4.0)]
    made = measured(
        settings,
        regime=["convergence", "convergence", "equilibrium", "divergence"],
        late_train_loss=[0.1, 0.01, 1.0, 2.3],
        late_effective_grad_norm=[3.0, 1.0, 20.0, np.nan],
        fixed_effective_lr=np.array([1e-3, 4e-3, 0.04, 4.0]) / 4,
    )
    (sphere,) = other_sizes.tables(xr.Dataset(), xr.Dataset(), made, config(*settings))
    rows = rows_of(sphere)
    assert rows["convergence"] == [
        "2.5 × 10⁻⁴ … 1.0 × 10⁻³",
        "1.0 × 10⁻⁵ … 5.0 × 10⁻⁴",
        "0.0100 … 0.100",
        "1.8 × 10⁻⁴ … 7.0 × 10⁻³",
        "1.00 … 3.00",
        "0.160 … 7.50",
    ]
    assert rows["equilibrium"][::2] == ["0.0100", "1.00", "20.0"]
    assert rows["divergence"] == ["1.00", "0.0500", "2.30", "–", "–", "–"]


def test_one_change_at_a_time_stands_beside_what_was_published_of_it():
    settings = [
        Setting(0.4, 0.01, SMALL, variant="plain"),
        Setting(0.04, 0.01, SMALL, momentum=0.9, variant="momentum"),
        Setting(0.4, 0.01, replace(SMALL, trained="all"), variant="all weights"),
        Setting(0.4, 0.01, replace(SMALL, model="convnet-1"), variant="narrow"),
        Setting(0.04, 0.01, replace(SMALL, trained="all"), momentum=0.9, variant="together"),
        Setting(0.4, 0.01, SMALL, momentum=0.9, variant="momentum, same rate"),
    ]
    made = measured(
        settings,
        regime=["periodic"] * 3 + ["equilibrium"] + ["periodic"] * 2,
        n_jumps=[10.0, 5.0, 15.0, 0.0, 3.0, 20.0],
    )
    (changes,) = other_sizes.tables(  # at one eta lam, so no main figure
        networks(settings, [1000, 2000, 1000, 1000, 1000, 1000]),
        xr.Dataset(),
        made,
        config(*settings),
    )
    rows = rows_of(changes)
    assert list(rows) == ["momentum", "all weights", "narrow", "momentum, same rate"]
    assert rows["momentum"] == ["periodic", "0.100", "0.250", "–"]
    assert rows["momentum, same rate"] == ["periodic", "1.00", "2.00", other_sizes.MOMENTUM]
    assert rows["all weights"] == ["periodic", "1.00", "1.50", other_sizes.ALL_WEIGHTS]
    assert rows["narrow"] == ["equilibrium", "1.00", "–", other_sizes.NARROW]
    made["n_jumps"][0] = 0.0  # nothing to be compared with
    (changes,) = other_sizes.tables(
        networks(settings, [1000] * 6), xr.Dataset(), made, config(*settings)
    )
    assert rows_of(changes)["momentum"][2] == "–"


def test_the_widest_network_is_the_plain_one():
    """The others are the narrow ones, in whatever order; seeds of a setting count together."""
    models = ("convnet-1", "convnet-4", "convnet")
    settings = [Setting(0.4, 0.01, replace(SMALL, model=m), variant=m) for m in models]
    made = measured(
        settings, regime=["equilibrium", "periodic", "periodic"], n_jumps=[9.0, 3.0, 6.0]
    )
    runs = [f"{one.id}-seed{seed}" for one in settings for seed in (0, 1)]
    lengths = xr.Dataset({"n_steps": ("run", [500, 500, 400, 600, 500, 500])}, {"run": runs})
    (changes,) = other_sizes.tables(lengths, xr.Dataset(), made, config(*settings))
    assert rows_of(changes) == {
        "convnet-1": ["equilibrium", "1.00", "–", other_sizes.NARROW],
        "convnet-4": ["periodic", "1.00", "0.500", "–"],  # wide enough
    }
    assert "from “convnet”" in changes.caption
