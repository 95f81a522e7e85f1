import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from compare.published import figure as published_figures
from compare.published import tables as published_tables
from compare.published import values
from compare.study.design import Setting, Study
from empirical.training.recipe import Recipe
from theory import trajectory
from theory.trajectory import RunSpec

RECIPE = Recipe(model="convnet-32", data="cifar10", keep_last_batch=True)
RATES = (0.001, 0.01, 0.03, 1.0)


def config(recipe=RECIPE, rates=RATES, decay=1e-3, momentum=0.0):
    settings = tuple(Setting(rate, decay, recipe, momentum) for rate in rates)
    return json.loads(Study("x", "x", settings, steps=391391).to_json())


def settings(rates=RATES, decay=1e-3):
    """Settings that measured what was published, but for a period 10 % longer."""
    n, nan = len(rates), np.nan
    names = [trajectory.setting_id(rate, decay) for rate in rates]
    period = [1.1 * 391 * {0.01: 213, 0.03: 64}.get(rate, nan) for rate in rates]
    numbers = {
        "n_jumps": [4.0] * n,
        "first_jump": [7e4] * n,
        "period": period,
        "effective_lr_before_jump": [1e-3] * n,
        "effective_lr_after_jump": [2e-4] * n,
        "equilibrium_norm": [33.0] * n,
        "decay_rate_ratio": [1.0] * n,
    }
    columns = {k: ("setting", v) for k, v in numbers.items()}
    columns |= {f"{k}_sem": ("setting", 0.01 * np.array(v)) for k, v in numbers.items()}
    columns |= {f"predicted_{k}": ("setting", np.array(v)) for k, v in numbers.items()}
    columns["learning_rate"] = ("setting", list(rates))
    columns["weight_decay"] = ("setting", [decay] * n)
    columns["intrinsic_lr"] = ("setting", decay * np.array(rates))
    columns |= {k: ("setting", ["periodic"] * n) for k in ("regime", "predicted_regime")}
    columns["variant"] = ("setting", [""] * n)
    return xr.Dataset(columns, {"setting": names})


def test_a_study_of_the_published_setting_gets_the_published_values():
    known = values.periods(settings(), config())
    assert known["setting"].values.tolist() == settings()["setting"].values.tolist()
    assert known["published_period"].values[1:3].tolist() == [213 * 391, 64 * 391]
    assert known["published_n_jumps"].values.tolist() == [0, 4, 15, 0]
    assert float(known["published_equilibrium_norm"][3]) == 33.2
    assert known["published_regime"].values.tolist()[::3] == ["convergence", "equilibrium"]
    assert float(known["published_first_jump"][1]) == 190 * 391
    before = known["published_effective_lr_before_jump"].values[1]
    assert before == pytest.approx(np.sqrt(2.3e-4 * 3.2e-3))


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "convnet-8"},
        {"model": "resnet18-32"},
        {"data": "cifar100"},
        {"data": "folder:data/cifar100"},
        {"data": "folder:cifar10/other"},
        {"batch_size": 100},
        {"augment": True},
        {"train_per_class": 100},
        {"trained": "all"},
        {"schedule": "cosine"},
    ],
)
def test_another_recipe_does_not_match(changes):
    known = values.periods(settings(), config(replace(RECIPE, **changes)))
    assert known.sizes["setting"] == 0
    assert published_figures.draw(settings(), config(replace(RECIPE, **changes))) == {}


@pytest.mark.parametrize("data", ["folder:data/cifar10", "folder:CIFAR-10/", "cifar10"])
def test_a_folder_of_cifar10_matches(data):
    recipe = replace(RECIPE, data=data, model="convnet")
    assert values.periods(settings(), config(recipe)).sizes["setting"] == 4


def test_other_numbers_do_not_match():
    other = settings(decay=2e-3)
    assert values.periods(other, config(decay=2e-3)).sizes["setting"] == 0
    assert values.periods(settings(), config(momentum=0.9)).sizes["setting"] == 0
    one = values.periods(settings((0.01, 0.02)), config(rates=(0.01, 0.02)))
    assert one["setting"].values.tolist() == ["lr0.01-wd0.001"]


def at_fixed_elr(rates):
    """The part of a comparison that says at which elr a run was held."""
    runs = [RunSpec(rate, 0.0, 0, 400).id for rate in rates]
    return xr.Dataset({"fixed_effective_lr": ("run", list(rates))}, {"run": runs})


def test_runs_on_the_sphere_match_by_their_fixed_elr():
    rates = (1e-4, 1.01e-3, 3e-3)
    recipe = replace(RECIPE, fixed_norm=True, initial_norm=1.0)
    known = values.on_sphere(at_fixed_elr(rates), config(recipe, rates, 0.0))
    assert known["published_regime"].values.tolist() == ["convergence", "equilibrium"]
    assert known["published_effective_grad_norm"].values.tolist() == [0.8, 50]
    free = at_fixed_elr(rates) * np.nan
    assert values.on_sphere(free, config(RECIPE, rates, 0.0)).sizes["run"] == 0


def test_tables_hold_measured_published_and_theory_side_by_side():
    first, sphere = published_tables.tables(at_fixed_elr(()), settings(), config())
    assert sphere.rows == []
    rows = {(row[0], row[1]): row[2:] for row in first.rows}
    period = rows["η = 0.03, λ = 0.001", "mean period [steps]"]
    assert period == ["27526 ± 275", "25024 (13685 … 44965)", "27526"]
    assert rows["η = 1, λ = 0.001", "equilibrium norm"][1] == "33.2"
    elr = rows["η = 1, λ = 0.001", "effective lr at rest"]  # 1 / 33^2
    assert elr == ["9.2 × 10⁻⁴", "9.1 × 10⁻⁴", "9.2 × 10⁻⁴"]
    slope = rows["η = 0.01, λ = 0.001", "phase-A decay rate over ηλ"]
    assert slope == ["1.000 ± 0.010", "1.00 (0.990 … 1.02)", "1.00"]
    assert ("η = 1, λ = 0.001", "phase-A decay rate over ηλ") not in rows
    assert ("η = 1, λ = 0.001", "mean period [steps]") not in rows


def test_test_errors_of_periods_stand_beside_the_published_ones():
    runs = ["lr0.01-wd0.001-seed0", "lr0.01-wd0.001-seed1"]
    errors = [[0.25, 0.2, np.nan], [0.23, np.nan, np.nan]]
    comparison = xr.Dataset(
        {
            "minimum_test_error": (("run", "cycle"), errors),
            "fixed_effective_lr": ("run", [np.nan] * 2),
        },
        {"run": runs},
    )
    first, _ = published_tables.tables(comparison, settings(), config())
    row = next(r for r in first.rows if r[0].startswith("η = 0.01,") and "test error" in r[1])
    assert row[2:4] == ["0.240, 0.200", "0.245, 0.212, 0.174, 0.170"]


def test_the_figure_shows_the_settings_with_a_published_period():
    drawn = published_figures.draw(settings(), config())
    assert list(drawn) == ["published"]
    assert "#009e73" in drawn["published"].lower()
