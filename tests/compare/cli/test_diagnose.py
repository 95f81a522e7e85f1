"""``sawtooth diagnose``: exit codes, JSON, and what the options supply."""

import csv
import json

import pytest

from compare.cli.main import main

from ..diagnose import made_logs


@pytest.fixture
def log(tmp_path):
    columns = made_logs.sawtooth()
    path = tmp_path / "log.csv"
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["step", "loss", "weight_norm"])
        table.writerows(zip(*(columns[name] for name in ("step", "loss", "weight_norm"))))  # noqa: B905
    return path


def test_options_supply_what_the_log_lacks(log, capsys):
    assert main(["diagnose", str(log)]) == 0
    assert capsys.readouterr().out.startswith("not sure\n")
    assert main(["diagnose", str(log), "--lr", "0.5", "--wd", "0.01"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("sawtooth (sure)\n") and "What would end it: " in said


def test_json_holds_every_finding(log, capsys):
    assert main(["diagnose", str(log), "--lr", "0.5", "--wd", "0.01", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verdict"], answer["sure"]) == ("sawtooth", True)
    assert len(answer["findings"]) == 5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["missing.csv"], "cannot read missing.csv: no such file"),
        (["missing.nc"], "cannot read missing.nc: no such file"),
        (["LOG", "--run", "a"], "--run is of a netCDF file"),
        (["LOG", "--beta2", "1"], "beta2 must be from 0 to below 1, got 1"),
        (
            ["LOG", "--optimizer", "foo"],
            "or be left out: sgd, sgdm, sgdw, gd, momentum, nesterov, ",
        ),
        (["LOG", "--lr", "-1"], "learning_rate must not be negative, got -1"),
    ],
)
def test_bad_input_is_one_sentence(log, capsys, arguments, sentence):
    assert main(["diagnose", *(str(log) if a == "LOG" else a for a in arguments)]) == 2
    said = capsys.readouterr().err
    assert sentence in said and said.count("\n") == 1
