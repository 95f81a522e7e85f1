"""Two studies side by side."""

import re
import subprocess
import sys
from dataclasses import replace

import pytest

from compare.cli.main import main
from compare.measure import over_seeds
from compare.predict import scores
from compare.report.tables import cells as tables
from compare.report.tables import pair
from compare.report.tables.cells import score
from compare.study import store
from theory.cycle_models.log_line import LogLine
from theory.vocabulary import VARIABLES

from ...kick_model import TRUE_MODEL
from ..accessible import problems
from ..conftest import networks_from, roles_of, study_of

pytestmark = pytest.mark.slow

SLOWER = replace(TRUE_MODEL, kick=LogLine(1.1, -0.06))


@pytest.fixture(scope="module")
def files(study, tmp_path_factory):
    """Two study files; B has larger kicks, other settings and fewer runs."""
    folder = tmp_path_factory.mktemp("pair")
    networks = networks_from(SLOWER, [1.5e-3, 3e-3, 6e-3], seeds=6)
    other = study_of(networks, roles_of(networks, [1.5e-3, 6e-3]), name="other", title="Other")
    paths = folder / "a.nc", folder / "b.nc"
    for path, tree in zip(paths, (study, other), strict=True):
        tree.to_netcdf(path, engine="h5netcdf")
    return paths


@pytest.fixture(scope="module")
def html(files):
    out = files[0].with_name("compare.html")
    assert main(["report", "--compare", *map(str, files)]) == 0
    return out.read_text()


def rows(html, caption):
    """Cells of the table with a caption, by the name of their row."""
    table = re.search(rf">{caption}</caption>(.*?)</table>", html, re.S)[1]
    found = re.findall(r"<tr>(.*?)</tr>", table.split("</thead>")[1], re.S)
    cells = [
        [re.sub("<[^>]*>", "", one) for one in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in found
    ]
    return {row[0]: row[1:] for row in cells}


def test_the_page_is_for_everybody_and_whole(html):
    assert problems(html) == []
    assert html.count("data:image/svg+xml;base64,") == 1
    assert len(html.encode()) < 3e6
    assert "Drawn &lt;b&gt;study&lt;/b&gt; and Other" in html


def test_differences_of_what_was_asked_for(html):
    found = rows(html, "Where the study files differ")
    assert found["settings"] == ["4", "3"]
    assert found["weight decay"] == ["0.002, 0.004, 0.008, 0.016", "0.003, 0.006, 0.012"]
    assert "learning rate" not in found and "seeds" not in found


def test_numbers_of_both_beside_the_perfect_ones(html, study):
    found = rows(html, "Key metrics")
    assert found["runs"] == ["48", "18", "–"]
    comparison = study["comparison"].to_dataset()
    scored = scores.of_study(
        study["empirical"].to_dataset(), comparison, over_seeds.by_setting(comparison)
    )
    for name in ("model_error", "coverage"):
        metric = VARIABLES[name]
        assert found[metric.long_name][0] == score(name, scored[name])
        assert found[metric.long_name][2] == score(name, metric.perfect)
    assert rows(html, "Runs in each regime")["periodic"] == ["48", "18"]


def test_parameters_and_their_difference(html, files):
    first, second = map(pair.Told.read, files)
    a, b = (one.model["log_kick.level"] for one in (first, second))
    assert b > a  # B was made with larger kicks
    errors = [one.errors["log_kick.level"] for one in (first, second)]
    for path, value, error in zip(files, (a, b), errors, strict=True):
        held = store.read(path)["calibration"].to_dataset().sel(parameter="log_kick.level")
        assert (value, error) == (float(held["value"]), float(held["standard_error"]))
    expected = [tables.number(a, errors[0]), tables.number(b, errors[1]), tables.number(b - a)]
    found = rows(html, "Kick model")["log kick, level"]
    assert a < 0 < b  # a quotient of the two says nothing
    assert found[:4] == [*expected, "–"]
    assert found[4] == tables.number((b - a) / (errors[0] ** 2 + errors[1] ** 2) ** 0.5)


def test_laws_of_both_are_judged(html):
    found = rows(html, "Laws, at the run that is farthest off")
    residual = found[VARIABLES["norm_law_residual"].label]
    assert residual[1] == residual[3] == "✓ holds"
    assert residual[-1] == VARIABLES["norm_law_residual"].reason


def test_the_same_study_twice_does_not_differ(files, tmp_path, capsys):
    out = tmp_path / "same.html"
    assert main(["report", "--compare", *2 * [str(files[0])], "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"report: {out}\n"
    assert "They do not differ in what was asked for." in out.read_text()
    assert {cells[2] for cells in rows(out.read_text(), "Kick model").values()} == {"0"}


def test_files_that_cannot_be_compared_get_one_sentence(files, study, tmp_path, capsys):
    toys = study.copy()
    toys.attrs["config"] = '{"kind": "toys", "name": "t", "title": "T"}'
    toys.to_netcdf(tmp_path / "toys.nc", engine="h5netcdf")
    study["empirical"].to_dataset().to_netcdf(tmp_path / "bare.nc", engine="h5netcdf")
    (tmp_path / "text.nc").write_text("text")
    for name, sentence in (
        ("none.nc", "none.nc: no such file"),
        ("text.nc", "text.nc is not a readable netCDF file"),
        ("bare.nc", "bare.nc is not a study file of schema version"),
        ("toys.nc", "toys.nc is a study of toys; --compare takes studies of networks"),
    ):
        out = tmp_path / "out.html"
        pages = ["--compare", str(files[0]), str(tmp_path / name), "--out", str(out)]
        assert main(["report", *pages]) == 2
        said = capsys.readouterr().err
        assert sentence in said and said.count("\n") == 1
        assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "one of the arguments FILE.nc --compare is required"),
        (["a.nc", "--compare", "a.nc", "b.nc"], "--compare: not allowed with argument FILE.nc"),
        (["--compare", "a.nc"], "--compare: expected 2 arguments"),
    ],
)
def test_usage_is_said_in_one_line(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["report", *arguments])
    assert stop.value.code == 2
    assert sentence in capsys.readouterr().err


def test_figures_are_not_written_for_a_pair(files, capsys):
    assert main(["report", "--compare", *map(str, files), "--figures", "x"]) == 2
    assert "--figures does not go with --compare" in capsys.readouterr().err


def test_comparing_needs_no_torch(files, tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from compare.cli.main import main\n"
        f"sys.exit(main(['report', '--compare', {str(files[0])!r}, {str(files[1])!r}, "
        f"'--out', {str(tmp_path / 'x.html')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
