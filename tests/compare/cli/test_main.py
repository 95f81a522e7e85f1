import json
from pathlib import Path

import numpy as np
import pytest

from compare.cli.main import main

PREDICT = ["predict", "--lr", "0.01", "--wd", "1e-3", "--grad-norm", "50"]


def test_predict_gives_the_exact_discrete_equilibrium(capsys):
    assert main([*PREDICT, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    norm = (0.01 * 50**2 / (1e-3 * (2 - 1e-5))) ** 0.25
    assert answer["equilibrium_norm"] == pytest.approx(norm, rel=1e-12)
    assert answer["equilibrium_effective_lr"] == pytest.approx(0.01 / norm**2, rel=1e-12)
    assert answer["angular_update"] == pytest.approx(np.arccos(1 - 1e-5), rel=1e-6)
    assert answer["relaxation_steps"] == pytest.approx(25_000, rel=1e-12)
    assert answer["intrinsic_lr"] == pytest.approx(1e-5)


def test_predict_speaks_in_lines(capsys):
    assert main([*PREDICT, "--rho0", "12.65"]) == 0
    said, meaning = capsys.readouterr().out.split("\n\n")
    lines = dict(line.split(maxsplit=1) for line in said.splitlines())
    assert meaning == (
        "If training settles, the weight norm comes to rest near 10.57, where each step turns the "
        "weights by 0.26 degrees; small deviations fade within about 25000 steps.\n"
    )
    assert lines["equilibrium_norm"] == "10.57"
    assert lines["relaxation_steps"] == "25000 steps"
    assert lines["settling_steps"].endswith("steps to within 1 % of the equilibrium norm")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["--lr", "0"], "learning_rate must be a positive finite number, got 0.0"),
        (["--lr", "nan"], "learning_rate must be a positive finite number, got nan"),
        (["--wd", "-1"], "weight_decay must be a positive finite number, got -1.0"),
        (["--wd", "0"], "weight_decay must be a positive finite number, got 0.0"),
        (["--wd", "100"], "learning_rate * weight_decay must be below 1"),
        (["--grad-norm", "inf"], "grad-norm must be a positive finite number, got inf"),
        (["--rho0", "-3"], "initial_norm must be a positive finite number, got -3.0"),
    ],
)
def test_bad_numbers_get_one_sentence_and_exit_2(changes, sentence, capsys):
    assert main([*PREDICT, *changes]) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


def test_what_is_quoted_at_length_is_shortened(capsys):
    with pytest.raises(SystemExit):
        main([*PREDICT, "--lr", "x" * 9999])
    assert "xxx [...] xxx" in (said := capsys.readouterr().err)
    assert len(said) < 650
    assert main(["diagnose", "y" * 9999]) == 2
    assert len(capsys.readouterr().err) < 600


def test_a_run_has_at_least_one_step(capsys):
    assert main(["run", "studies/digits.toml", "--steps", "0"]) == 2
    assert "steps must be >= 1, got 0" in capsys.readouterr().err


def test_the_command_alone_prints_its_help(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    assert all(f"    {name} " in said for name in ("run", "train", "predict", "simulate", "report"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["predict", "--lr", "x", "--wd", "1", "--grad-norm", "1"], "invalid float value: 'x'"),
        (["predict", "--lr", "1"], "required: --wd"),
        (["fly"], "invalid choice: 'fly'"),
        (["run", "x.toml", "--steps", "5", "--cycles", "3"], "not allowed with argument --steps"),
        ([*PREDICT, "--optimizer", "sgdd"], "invalid choice: 'sgdd'"),
    ],
)
def test_usage_errors_are_one_line(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "none.toml"], "cannot read study none.toml: No such file or directory"),
        (["report", "none.nc"], "cannot read none.nc: no such file"),
        (["report", "empty"], "cannot read empty: it is a folder"),
        (["report", "full"], "cannot read full: it is a folder; give full/study.nc"),
        (["diagnose", "full"], "cannot read full: it is a folder; give full/study.nc"),
        (["predict", "--lr=1", "--wd=1e-2", "--from=full"], "it is a folder; give full/study.nc"),
    ],
)
def test_missing_files_are_named(arguments, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/study.nc").write_bytes(b"")
    assert main(arguments) == 2
    assert sentence in capsys.readouterr().err


def test_unknown_model_and_source_write_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = 'name = "a"\ntitle = "t"\n{}\n[[settings]]\nlearning_rate = 1\nweight_decay = 0.1\n'
    for line, sentence in (
        ('model = "vgg"', "with widths from 1 to 16384, got 'vgg'"),
        (
            'data = "cats"',
            "data must be digits, cifar10, cifar100, folder:PATH or fake[:N], got 'cats'",
        ),
        ('device = "tpu"', "device must be auto, cpu or cuda, got 'tpu'"),
        ("batch_size = 5000", "batch_size must be in 1 .. 1437, got 5000"),
    ):
        (tmp_path / "a.toml").write_text(text.format(line))
        assert main(["run", "a.toml"]) == 2
        assert sentence in capsys.readouterr().err
        assert not (tmp_path / "results").exists()


def test_results_folder_that_is_a_file_is_refused(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = 'name = "a"\ntitle = "t"\n[[settings]]\nlearning_rate = 1\nweight_decay = 0.1\n'
    (tmp_path / "a.toml").write_text(text)
    (tmp_path / "out").write_text("")
    assert main(["run", "a.toml", "--out", "out"]) == 2
    assert "out is a file, not a results folder" in capsys.readouterr().err
