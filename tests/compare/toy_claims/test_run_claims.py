import json
from pathlib import Path

import numpy as np
import pytest

from compare.cli.main import main
from compare.report.figures.toys import draw
from compare.study import design, store, toml_file
from compare.study.design import ToyStudy
from compare.toy_claims import isotropic, run_claims
from compare.toy_claims.claim import Claim, table, worst

from ..accessible import problems

pytestmark = pytest.mark.slow

SMALL = ToyStudy("small", "Small toys", size=0.2, cycles=8)
TOML = 'name = "small"\ntitle = "Small"\nkind = "toys"\nsize = 0.05\ncycles = 6\n'
# claims that do not hold as they were stated; the report says what holds instead
REFUTED = {
    "share of single cycles within 1.3–1.5, as stated",
    "logistic: exponent of T against ηλ, as in networks",
}


@pytest.mark.parametrize("claim", run_claims.claims())
def test_claims_hold_within_their_tolerance_and_refuted_ones_do_not(claim):
    finding = claim(SMALL)
    assert finding.name == claim.__name__
    for one in finding.claims:
        assert one.passes == (one.name not in REFUTED), one
    for variable in finding.data.variables.values():
        assert variable.attrs["source"] in ("simulation", "prediction")
        assert variable.attrs["long_name"]


def test_cycle_limit_does_not_depend_on_the_smallness_it_starts_from():
    limit = isotropic.singular_periods(1000)
    assert limit.mean() == pytest.approx(1.455, abs=0.01)
    assert 1.29 < limit.min() < 1.31
    assert 1.60 < limit.max() < 1.65


def test_errors_are_relative_except_where_nothing_is_predicted():
    assert Claim("a", 1.1, 1.0, 0.05).relative_error == pytest.approx(0.1)
    assert not Claim("a", 1.1, 1.0, 0.05).passes
    assert Claim("a", 2.0, 0.0, 0.05).relative_error == 2
    assert not Claim("a", float("nan"), 1.0, 0.05).passes
    assert worst("a", [1.0, np.nan, 2.0], [1.0, 1.0, 1.0], 0.1).measured != 1


def written(tmp_path, text):
    path = tmp_path / "small.toml"
    path.write_text(text)
    return path


def test_study_runs_end_to_end_and_is_reported_again(tmp_path, capsys):
    path, out = written(tmp_path, TOML), tmp_path / "out"
    assert main(["run", str(path), "--out", str(out)]) == 0
    tree = store.read(out / "study.nc")
    claims = tree["comparison"].to_dataset()
    assert {"measured", "predicted", "relative_error", "tolerance", "unit"} <= set(claims)
    assert not tree["empirical"].data_vars
    assert "underflow_safe" in tree["theory"].data_vars
    report = (out / "report.html").read_text()
    assert report.count('src="data:image/svg+xml;base64,') == len(draw.FIGURES)
    assert problems(report) == []
    assert "http" not in report.replace("http://www.w3.org", "")
    for name in claims["claim"].values:
        assert str(name) in report.replace("&#39;", "'")

    (out / "report.html").unlink()
    figures = tmp_path / "figures"
    arguments = ["report", str(out / "study.nc"), "--figures", str(figures)]
    assert main(arguments) == 0
    assert (out / "report.html").read_text() == report
    assert len(list(figures.glob("*.svg"))) == len(draw.FIGURES)

    stamp = (out / "study.nc").stat().st_mtime_ns
    capsys.readouterr()
    assert main(["run", str(path), "--out", str(out)]) == 2
    assert "use --resume to go on, --overwrite to start again" in capsys.readouterr().err
    assert main(["run", str(path), "--out", str(out), "--resume"]) == 0
    assert (out / "study.nc").stat().st_mtime_ns == stamp
    changed = ["run", str(path), "--out", str(out), "--resume", "--cycles", "7"]
    assert main(changed) == 2
    assert "cycles is 6.0 there, 7.0 here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("size =", "siez =", "unknown key siez; did you mean size?"),
        ('kind = "toys"', 'kind = "toy"', "kind must be one of networks, toys, got 'toy'"),
        ("size = 0.05", "size = 0", "size must be a positive finite number, got 0.0"),
        ("size = 0.05", "size = 2", "size must be at most 1, got 2.0"),
        ("size = 0.05", 'size = "a"', "size must be of type float, got 'a'"),
        ("cycles = 6", "cycles = 2", "cycles must be from 6 to 1000, got 2.0"),
        ("cycles = 6", "cycles = nan", "cycles must be from 6 to 1000, got nan"),
        ('name = "small"', 'name = "../up"', "name must consist of letters"),
        ('title = "Small"', "", "missing key title"),
        ("cycles = 6", "seeds = 6", "unknown key seeds"),
        ('kind = "toys"', 'kind = ["toys"]', "kind must be one of networks, toys"),
    ],
)
def test_bad_values_are_named(tmp_path, old, new, sentence):
    assert old in TOML
    with pytest.raises(ValueError, match=r".*") as refusal:
        toml_file.read(written(tmp_path, TOML.replace(old, new)))
    assert sentence in str(refusal.value)


def test_flags_of_networks_are_refused(tmp_path, capsys):
    path = written(tmp_path, TOML)
    assert main(["run", str(path), "--seeds", "3", "--out", str(tmp_path / "out")]) == 2
    assert "a study of toys has no seeds, got 3" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_networks_are_the_default_kind():
    path = Path(__file__).parents[3] / "studies" / "digits.toml"
    assert isinstance(toml_file.read(path), design.Study)
    assert "kind" not in json.loads(toml_file.read(path).to_json())


def test_table_keeps_every_claim():
    finding = isotropic.fixed_point(SMALL)
    assert table([finding]).sizes["claim"] == len(finding.claims)
