"""Where commands may write: never over something else, one at a time, and in a sentence if not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compare.cli.main import main
from compare.report.html import output, theme
from theory import files

SOLVE = ["simulate", "norm", "--lr", "0.1", "--wd", "0.1", "--grad-norm", "2", "--steps", "50"]
TOYS = ["simulate", "isotropic", "--lr", "0.1", "--wd", "0.1", "--steps", "50"]
TRAIN = ["train", "--model", "mlp-8-8", "--lr", "0.5", "--wd", "0.1", "--steps", "5"]
THIN = ["thin", "results/reference/width/study.nc"]
PREDICT = ["predict", "--lr", "1", "--wd", "0.1", "--grad-norm", "1"]
NEW = (SOLVE, TOYS, TRAIN, THIN)  # commands that make a new file
STUDY = 'name = "a"\ntitle = "t"\n[[settings]]\nlearning_rate = 1\nweight_decay = 0.1\nsteps = 5\n'


def refused(capsys, *arguments):
    """The one sentence with which a command is refused."""
    assert main([str(one) for one in arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert len(said) < 700
    return said


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """A small saved file."""
    path = tmp_path_factory.mktemp("solved") / "norm.nc"
    assert main([*SOLVE, "--out", str(path)]) == 0
    return path


@pytest.fixture
def mine(tmp_path, solved):
    """A folder with files of the user's, and links to them."""
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "page.html").write_text("<!doctype html><title>My notes</title>")
    shutil.copy(solved, tmp_path / "norm.nc")
    (tmp_path / "soft.html").symlink_to("norm.nc")
    (tmp_path / "hard.html").hardlink_to(tmp_path / "norm.nc")
    (tmp_path / "nowhere").symlink_to("gone/x.nc")
    (tmp_path / "folder").mkdir()
    return tmp_path


def held(folder):
    """Everything in a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize(
    "name", ["norm.nc", "study.toml", "page.html", "soft.html", "hard.html", "nowhere", "folder"]
)
def test_a_report_replaces_nothing_but_a_report(mine, capsys, name):
    before = held(mine)
    said = refused(capsys, "report", mine / "norm.nc", "--out", mine / name)
    assert str(mine / name) in said
    assert held(mine) == before
    assert not (mine / "gone").exists()


def test_a_report_replaces_a_report_of_any_age(mine):
    out = mine / "new" / "x.html"
    command = ["report", str(mine / "norm.nc"), "--out", str(out)]
    assert main(command) == 0
    new = out.read_text()
    older = new.replace('<meta name="generator" content="Sawtooth">\n', "")
    assert older != new
    for text in (new, older):
        out.write_text(text)
        assert main(command) == 0
        assert out.read_text() == new


def test_a_figure_replaces_nothing_but_a_figure(tmp_path):
    paths = [tmp_path / "figures" / name for name in ("a.svg", "b.svg")]
    for text in ("<svg>1</svg>", "<svg>2</svg>"):
        output.write_figures(dict.fromkeys(paths, theme.with_dark(text)))
    assert "<svg>2" in paths[0].read_text()
    paths[1].write_text("<svg>mine</svg>")
    with pytest.raises(FileExistsError, match=r"b\.svg is there and is no figure"):
        output.write_figures(dict.fromkeys(paths, theme.with_dark("<svg>3</svg>")))
    assert [path.read_text()[:6] for path in paths] == ["<svg>2", "<svg>m"]


@pytest.mark.parametrize("command", NEW, ids=lambda words: words[1])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("norm.nc", "exists already"),
        ("folder", "exists already"),
        ("nowhere", "leads nowhere"),
        ("norm.nc/x.nc", "Not a directory"),
        ("n" * 300, "File name too long"),
        ("n" * 20_000, "File name too long"),
    ],
)
def test_a_new_file_is_refused_before_the_work(mine, capsys, command, name, reason):
    before = held(mine)
    assert reason in refused(capsys, *command, "--out", mine / name)
    assert held(mine) == before
    assert not (mine / "gone").exists()


@pytest.mark.parametrize("command", [*NEW, ["report", "x.nc"], ["run", "x.toml"]])
def test_an_empty_path_is_refused(command, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--out", ""])
    assert "a path must not be empty" in capsys.readouterr().err


@pytest.mark.parametrize("command", NEW, ids=lambda words: words[1])
def test_a_file_that_another_process_makes_is_refused(tmp_path, capsys, command):
    with files.locked(tmp_path / "x.nc"):
        said = refused(capsys, *command, "--out", tmp_path / "x.nc")
    assert f"another process is writing {tmp_path / 'x.nc'}" in said
    assert list(tmp_path.iterdir()) == []


def test_a_results_folder_has_one_writer(mine, capsys):
    out = mine / "results"
    with files.locked(out / "study.nc"):
        said = refused(capsys, "run", mine / "study.toml", "--out", out)
    assert "another process is writing" in said
    assert not out.exists()
    for name, reason in (("nowhere", "leads nowhere"), ("study.toml", "is a file")):
        assert reason in refused(capsys, "run", mine / "study.toml", "--out", mine / name)


def test_a_page_of_somebody_else_in_the_folder_is_noticed_before_the_work(mine, capsys):
    (mine / "folder" / "report.html").write_text("mine")
    command = ["run", mine / "study.toml", "--out", mine / "folder", "--overwrite"]
    assert "report.html is there and is no report" in refused(capsys, *command)
    assert held(mine / "folder") == {"report.html": b"mine"}


def test_an_answer_that_cannot_be_written_is_refused():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "compare.cli.main", *PREDICT],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
    assert done.returncode == 2
    assert done.stderr == "sawtooth: standard output: No space left on device\n"


def test_long_values_and_control_characters_are_not_echoed(capsys):
    said = refused(capsys, "run", "x\x1b[2J\n" + "y" * 20_000 + "/none.toml")
    assert "x\\x1b[2J y" in said
    with pytest.raises(SystemExit):
        main(["predict", "--lr", "1" * 20_000 + "x"])
    assert len(capsys.readouterr().err) < 700


def test_neither_a_home_nor_more_than_ascii_is_needed(solved, tmp_path):
    out = tmp_path / "Δ.html"
    done = subprocess.run(
        [sys.executable, "-m", "compare.cli.main", "report", str(solved), "--out", str(out)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
        env={"PYTHONIOENCODING": "ascii", "HOME": str(solved / "home"), "PATH": ""},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"report: {tmp_path}/\\u0394.html\n"
