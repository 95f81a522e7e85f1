import numpy as np
import pytest
import xarray as xr

from compare.predict import sphere_equilibrium
from compare.published import values as published
from compare.report.tables import scores
from compare.study.design import Setting, Study
from empirical.training.recipe import Recipe
from theory import laws

ELR = np.array([1e-3, 2e-3, 4e-3, 8e-3])
P = 25.0 / ELR  # so that elr sqrt(p) is 5 sqrt(elr)
FREE, FIXED = Recipe(), Recipe(fixed_norm=True, initial_norm=2.0, sharpness_examples=10)


def networks(decays):
    """Runs at fixed norm 2 with g alternating about sqrt(p), and some with decay."""
    spread = np.tile([0.9, 1.1], 100)
    g = np.concatenate([np.sqrt(P)[:, None] * spread, np.ones((len(decays), 200))])
    elr = np.concatenate([ELR, np.full(len(decays), 1e-3)])
    runs = [f"s{i}" for i in range(4)] + [f"d{i}" for i in range(len(decays))]
    return xr.Dataset(
        {
            "effective_grad_norm": (("run", "step"), g),
            "effective_lr": (("run", "step"), np.repeat(elr[:, None], 200, axis=1)),
            "n_steps": ("run", [200] * len(runs)),
        },
        {
            "run": runs,
            "step": np.arange(200),
            "learning_rate": ("run", [*ELR, *np.full(len(decays), 0.5)]),
            "intrinsic_lr": ("run", [0.0] * 4 + list(decays)),
        },
    )


def predicted(decays, regimes=("equilibrium",) * 4):
    made = networks(decays)
    regime = xr.DataArray([*regimes, *["equilibrium"] * len(decays)], {"run": made["run"]}, ["run"])
    spheres = {f"d{i}": ("s0", "s1", "s2", "s3") for i in range(len(decays))}
    return sphere_equilibrium.predict(made, regime, spheres).isel(run=slice(4, None))


def test_the_norm_law_rests_at_the_predicted_norm():
    """Law 2 iterated with g = sqrt(p(phi)), phi = elr/a; the mean of 0.9^2 and 1.1^2 is 1.01."""
    decays = np.array([0.03, 0.06])
    found = predicted(decays)
    norm = np.full(2, 20.0)
    for _ in range(5000):
        phi = 0.5 / norm**2 / (1 - decays)
        norm = laws.next_weight_norm(norm, np.sqrt(25 * 1.01 / phi), 0.5, decays / 0.5)
    np.testing.assert_allclose(found["sphere_equilibrium_norm"], norm, rtol=1e-9)


def test_decay_slower_than_any_settled_run_allows_no_rest():
    found = predicted([1e-3, 0.012, 0.5])
    assert np.isnan(found["sphere_equilibrium_norm"].values).tolist() == [True, True, True]
    assert (found["sphere_regime_border_low"] == 0).all()  # no run at a lower elr converged
    border = found["sphere_regime_border_high"].values[0]
    assert 1 / (1 - border) ** 2 - 1 == pytest.approx(25 * 1.01 * 1e-3)
    assert 0.012 < border < 0.013


def test_runs_that_converge_or_diverge_say_nothing_about_rest():
    """The border lies between the elr that converges and the one that settles, at its g."""
    found = predicted([0.03], ("convergence", "equilibrium", "equilibrium", "divergence"))
    assert np.isfinite(found["sphere_equilibrium_norm"].values).all()
    high = float(found["sphere_regime_border_high"][0])
    assert 1 / (1 - high) ** 2 - 1 == pytest.approx(25 * 1.01 * 2e-3)
    low = float(found["sphere_regime_border_low"][0])
    assert 1 / (1 - low) ** 2 - 1 == pytest.approx(25 * 1.01 * 2e-3 / 4)  # half the elr
    one = predicted([0.03], ("convergence", "equilibrium", "convergence", "divergence"))
    assert all(np.isnan(values).all() for values in one.data_vars.values())


def test_a_study_pairs_runs_of_the_same_loss():
    settings = (
        Setting(1e-3, 0.0, FIXED, variant="a"),
        Setting(2e-3, 0.0, FIXED, variant="b"),
        Setting(2e-3, 0.0, Recipe(fixed_norm=True, model="mlp-8-8"), variant="other network"),
        Setting(2e-3, 0.0, Recipe(fixed_norm=True, schedule="rising"), variant="rising"),
        Setting(0.5, 1e-2, FREE),
        Setting(0.5, 1e-2, FREE, momentum=0.9, variant="momentum"),
        Setting(0.5, 1e-2, Recipe(augment=True), variant="augmented"),
    )
    paired = Study("x", "x", settings, seeds=2, steps=5).at_fixed_norm
    names = {key.removesuffix("-seed0"): value for key, value in paired.items() if "seed0" in key}
    assert list(names) == ["lr0.5-wd0.01", "augmented-lr0.5-wd0.01"]
    assert [run[0] for run in names["lr0.5-wd0.01"]] == ["a", "a", "b", "b"]
    assert names["augmented-lr0.5-wd0.01"] == ()
    assert not sphere_equilibrium.predict(xr.Dataset(), xr.DataArray(), {"x": ()}).data_vars


def test_the_table_sets_them_beside_the_published_equilibrium():
    rates = np.array([0.5, 0.9, 3.0])
    settings = xr.Dataset(
        {
            "learning_rate": ("setting", rates),
            "weight_decay": ("setting", [0.01] * 3),
            "intrinsic_lr": ("setting", 0.01 * rates),
            "variant": ("setting", ["slow", "border", "fast"]),
            "regime": ("setting", ["periodic", "equilibrium", "equilibrium"]),
            "equilibrium_norm": ("setting", [9.0, 9.0, 10.0]),
            "sphere_equilibrium_norm": ("setting", [np.nan, np.nan, 10 / np.sqrt(1.1)]),
            "sphere_regime_border_low": ("setting", [0.008] * 3),
            "sphere_regime_border_high": ("setting", [0.01] * 3),
        },
        {"setting": ["slow", "border", "fast"]},
    )
    table = scores.equilibrium_table(settings)
    assert table.caption.endswith("rest begins at ηλ = 8.0 × 10⁻³ … 0.0100")
    slow, border, fast, known = table.rows
    assert slow[2:] == ["periodic", "no rest", "–", "–", "–"]
    assert border[2:] == ["equilibrium", "at the border", "0.0111", "–", "–"]
    assert fast[2:] == ["equilibrium", "equilibrium", "0.0300", "0.0330", "+10.0 %"]
    theory = published.PREDICTED_EQUILIBRIUM_ELR / published.PERIODS[1.0].elr - 1
    assert known[-1].value == pytest.approx(theory)
