import json

import numpy as np
import pytest
import xarray as xr

from compare import report
from compare.cli import main
from compare.measure import over_seeds
from compare.predict import scores
from compare.study import store, thin

pytestmark = pytest.mark.slow

SMALL = 1_500_000


@pytest.fixture(scope="module")
def small(study, tmp_path_factory):
    """The thinned copy of a drawn study of 4 settings and 12 seeds, read back."""
    path = tmp_path_factory.mktemp("thinned") / "small.nc"
    kept = thin.write(path, study, most_bytes=SMALL)
    assert 0 < path.stat().st_size <= SMALL
    tree = store.read(path)
    assert tree.attrs["thinned"] == kept
    return tree


def test_steps_are_left_out_evenly_and_no_more_of_them_than_need_be(study, small):
    steps = small["empirical"]["step"].values
    every = int(steps[1])
    assert every in (2, 5, 10)
    assert (np.diff(steps) == every).all()
    assert small["theory"]["step"].values.tolist() == steps.tolist()
    less = thin.thin(study, {2: 1, 5: 2, 10: 5}[every])
    assert less["empirical"].sizes["step"] > len(steps)


def test_one_run_of_each_setting_keeps_its_trajectory_to_four_digits(study, small):
    first = over_seeds.by_setting(study["comparison"].to_dataset())["first_run"].values
    for group in ("empirical", "theory"):
        whole, kept = study[group].to_dataset(), small[group].to_dataset()
        whole = whole.sel(step=kept["step"])
        for name in ("weight_norm", "effective_lr", "train_loss"):
            assert kept[name].dtype == np.float32
            error = np.abs(kept[name] / whole[name] - 1).sel(run=first).values
            assert 1e-6 < np.nanmax(error) < 2**-13
            known = np.isfinite(kept[name]).any("step")
            assert known.sel(run=first).all()
            assert int(known.sum()) == 4
    assert small["empirical"]["n_steps"].equals(study["empirical"]["n_steps"])


def test_what_was_measured_stays_as_it_is(study, small):
    for group in ("comparison", "calibration"):
        xr.testing.assert_identical(small[group].to_dataset(), study[group].to_dataset())


def test_the_report_says_the_same_numbers_and_draws_the_same_figures(study, small):
    said = []
    for tree in (study, small):
        networks, comparison = (tree[name].to_dataset() for name in ("empirical", "comparison"))
        said.append(scores.of_study(networks, comparison, over_seeds.by_setting(comparison)))
    assert said[0] == said[1]
    assert said[0]["coverage"] > 50
    assert list(report.draw(small)) == list(report.draw(study))
    assert small.attrs["thinned"] in report.render(small)


def test_a_thinned_study_is_not_measured_again(small, tmp_path):
    with pytest.raises(ValueError, match="was thinned"):
        thin.write(tmp_path / "again.nc", small)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_made_small_enough_is_refused(study, tmp_path):
    with pytest.raises(ValueError, match="at most 1000 are allowed"):
        thin.write(tmp_path / "tiny.nc", study, most_bytes=1000)
    assert list(tmp_path.iterdir()) == []


def test_rounding_is_to_the_nearest_and_leaves_what_is_not_finite(study):
    values = xr.DataArray([1.0, 1 + 2**-13 + 2**-20, 1 + 2**-14 - 2**-20, np.nan, np.inf, -3.3])
    rounded = thin._short(values).values
    assert rounded[:3].tolist() == [1.0, 1 + 2**-13, 1.0]
    assert np.isnan(rounded[3])
    assert rounded[4] == np.inf
    assert rounded[5] == pytest.approx(-3.3, rel=2**-14)


def test_the_command_writes_a_copy_and_never_over_a_file(study, tmp_path, capsys):
    whole, out = tmp_path / "study.nc", tmp_path / "small.nc"
    groups = {name: group.to_dataset() for name, group in study.children.items()}
    store.write(whole, groups, config=study.attrs["config"], provenance="{}")
    arguments = ["thin", str(whole), "--out", str(out), "--megabytes", "0.5"]
    assert main.main(arguments) == 0
    assert "one run of each setting" in capsys.readouterr().out
    assert out.stat().st_size <= 500_000 < whole.stat().st_size
    assert json.loads(store.read(out).attrs["config"])["name"] == "drawn"
    assert main.main(arguments) == 2
    assert "exists" in capsys.readouterr().err
    assert main.main([*arguments[:4], "--megabytes", "0"]) == 2
