"""Controls on real networks: what theory says must happen, and must not."""

import numpy as np
import pytest
import xarray as xr

from compare.measure import over_seeds
from compare.report.pages.study_figures import of_controls
from compare.report.saved_study import SavedStudy
from compare.study import toml_file
from compare.study.comparison import compare_with_theory
from empirical.training import train

pytestmark = pytest.mark.slow

CONTROLS = """
name = "small"
title = "Controls"
model = "mlp-32-32"
steps = 900
eval_every = 50
seeds = 2

[[settings]]
variant = "decay"
learning_rate = 0.5
weight_decay = 8e-3
expect = "periodic"

[[settings]]
variant = "no decay"
learning_rate = 0.5
weight_decay = 0
expect = "no jumps"

[[settings]]
variant = "clipped"
learning_rate = 0.5
weight_decay = 8e-3
clip = 1.0
expect = "no jumps"

[[settings]]
variant = "no batch norm"
learning_rate = 0.05
weight_decay = 8e-3
normalised = false
expect = "no jumps"
"""

TWINS = """
name = "small"
title = "Twins"
model = "mlp-32-32"
precision = "float64"
norm_eps = 1e-20
steps = 400
eval_every = 20
seeds = 1

[[settings]]
variant = "reference"
learning_rate = 0.5
weight_decay = 1.6e-2
initial_norm = 4.0

[[settings]]
variant = "scaled"
learning_rate = 4.5
weight_decay = 1.7777777777777779e-3
initial_norm = 12.0
twin_of = "reference"

[[settings]]
variant = "growing"
learning_rate = 0.5
weight_decay = 1.6e-2
initial_norm = 4.0
schedule = "growing"
twin_of = "reference"

[[settings]]
variant = "another decay"
learning_rate = 0.5
weight_decay = 1.7e-2
initial_norm = 4.0
twin_of = "reference"
"""

SPHERE = """
name = "small"
title = "Sphere"
model = "mlp-32-32"
fixed_norm = true
initial_norm = 1.0
steps = 1000
seeds = 2
eval_every = 500
[[settings]]
learning_rate = 1e-3
weight_decay = 0
expect = "convergence"
[[settings]]
learning_rate = 0.08
weight_decay = 0
expect = "equilibrium"
[[settings]]
learning_rate = 3.0
weight_decay = 0
expect = "divergence"
"""


def compared(tmp_path, text):
    """Networks and comparison of a study of one kind of network each."""
    path = tmp_path / "small.toml"
    path.write_text(text)
    study = toml_file.read(path)
    jobs = [train.Job(*job) for job in study.jobs]
    networks = train.train(jobs, train.Settings(eval_every=study.eval_every))
    networks = networks.sel(run=[run.id for run in study.runs])
    _, comparison, _ = compare_with_theory(networks, study)
    return networks, comparison


def drawn_of(networks, comparison, settings):
    """Figures of a study that is not in a file."""
    none = xr.Dataset()
    asked = {"settings": []}
    return of_controls(SavedStudy(asked, {}, networks, none, comparison, settings, none))


def test_periods_need_decay_and_normalisation_and_free_gradients(tmp_path):
    networks, comparison = compared(tmp_path, CONTROLS)
    jumps = comparison["n_jumps"].values.reshape(4, 2)
    assert (jumps[0] >= 3).all()
    assert (jumps[1:] == 0).all()
    assert over_seeds.as_expected(comparison).all()
    residual = comparison["norm_law_residual"].values
    assert (residual[:6] < 3e-5).all()
    assert np.isnan(residual[6:]).all()
    assert "unnormalised" in str(comparison["reason_norm_law_residual"].values[-1])
    settings = over_seeds.by_setting(comparison)
    assert set(drawn_of(networks, comparison, settings)) == {"settings"}


def test_twins_take_the_same_path(tmp_path):
    networks, comparison = compared(tmp_path, TWINS)
    assert float(comparison["n_jumps"][0]) >= 1
    error = comparison["direction_error"].values
    assert np.isnan(error[0]).all()
    assert error[1:3, 1].max() < 1e-13
    before = networks["eval_step"].values < float(comparison["first_jump"][0])
    assert error[1:3, before].max() < 1e-6
    assert error[3, 1] > 1e-6  # other eta lam: another path
    assert error[3, before].max() > 1e-3
    settings = over_seeds.by_setting(comparison)
    assert "twins" in drawn_of(networks, comparison, settings)
    together = comparison.assign(direction_error=0 * comparison["direction_error"])
    assert "twins" not in drawn_of(networks, together, settings)  # no logarithm of 0


def test_three_regimes_on_the_sphere(tmp_path):
    networks, comparison = compared(tmp_path, SPHERE)
    assert over_seeds.as_expected(comparison).all(), comparison["regime"].values
    norm = networks["weight_norm"].values
    np.testing.assert_allclose(norm, 1, rtol=1e-6)
    settings = over_seeds.by_setting(comparison)
    named = settings.assign(variant=("setting", [f"at {i}" for i in range(3)]))
    drawn = drawn_of(networks, comparison, named)
    assert set(drawn) == {"sphere"}  # no panel of an elr that is fixed


def test_full_batch_descent_destabilises_at_the_edge_of_stability(tmp_path):
    text = """
name = "small"
title = "Full batch"
model = "mlp-32-32"
batch_size = 1437
full_batch = true
sharpness_examples = 1437
steps = 520
eval_every = 9
seeds = 2
[[settings]]
learning_rate = 0.5
weight_decay = 4e-3
"""
    networks, comparison = compared(tmp_path, text)
    assert (comparison["n_jumps"] >= 1).all()
    product = comparison["stability_before_jump"].values
    # it hovers around 2 while descent bounces, by 10 % or so at a decay this fast
    assert product.mean() == pytest.approx(2, rel=0.2)
    onset = int(comparison["first_jump"][0])
    early = networks.isel(run=0).sel(eval_step=slice(54, onset // 2))
    elr = early["effective_lr"].sel(step=early["eval_step"]).values
    assert (elr * early["spherical_sharpness"].values).max() < 1.5


@pytest.mark.parametrize("model", ["convnet-4", "resnet18-2"])
def test_exact_laws_hold_on_convolutional_networks(tmp_path, model):
    text = f"""
name = "small"
title = "Laws"
model = "{model}"
data = "fake:200"
batch_size = 50
augment = true
steps = 15
seeds = 1
[[settings]]
learning_rate = 0.1
weight_decay = 0.05
[[settings]]
learning_rate = 0.02
weight_decay = 0.05
momentum = 0.9
[[settings]]
learning_rate = 0.1
weight_decay = 0.05
schedule = "cosine"
variant = "cosine"
[[settings]]
learning_rate = 0.1
weight_decay = 0.05
clip = 2.0
variant = "clip"
"""
    _, comparison = compared(tmp_path, text)
    assert (comparison["norm_law_residual"] < 3e-6).all()
    assert (comparison["elr_law_residual"] < 3e-6).all()
    assert (comparison["angle_law_residual"] < 1e-3).all()


def test_reports_of_controls_name_every_setting(tmp_path, monkeypatch):
    from compare.cli.main import main

    monkeypatch.chdir(tmp_path)
    text = TWINS.replace("steps = 400", "steps = 60").replace('precision = "float64"', "")
    (tmp_path / "small.toml").write_text(text)
    assert main(["run", "small.toml"]) == 0
    html = (tmp_path / "results/small/report.html").read_text()
    for words in ("scaled", "growing", "another decay", "distance of directions"):
        assert words in html


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('twin_of = "reference"', 'twin_of = "nobody"'), "twin_of must be the variant of one"),
        (("seeds = 1", 'seeds = 1\nexpect = "x"'), "unknown key expect"),
        (("initial_norm = 4.0", 'expect = "chaos"'), "expect must be one of convergence"),
    ],
)
def test_bad_controls_are_refused(tmp_path, change, said):
    path = tmp_path / "small.toml"
    path.write_text(TWINS.replace(*change, 1))
    with pytest.raises(ValueError, match=said):
        toml_file.read(path)
