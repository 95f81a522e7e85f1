import importlib
import json

import pytest

from compare.cli import bench
from compare.cli.main import main

TOY, JAX, TOGETHER = (
    "d=2: Numba over C",
    "d=2: Numba over JAX",
    "16 digits MLPs: runs/s together over one by one",
)


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Run ``sawtooth bench`` on these in place of measurements, then stop it."""
    monkeypatch.syspath_prepend(bench.BENCHMARKS)
    run = importlib.import_module("run")

    def execute(*found, options=()):
        def measure():
            yield from found
            raise KeyboardInterrupt

        monkeypatch.setattr(run, "measure", measure)
        out = tmp_path / "made" / "bench.json"
        return main(["bench", "--out", str(out), *map(str, options)]), out

    return execute


def test_rows_stand_beside_what_is_asked_and_stay_when_it_is_stopped(measured, capsys):
    code, out = measured((TOY, 1.3), (JAX, "jax is not installed"), (TOGETHER, 2.5))
    assert code == 130
    result = json.loads(out.read_text())
    assert [(row["ratio"], row["asked"], row["met"]) for row in result["rows"]] == [
        (1.3, 1.25, False),
        (None, 0.6, None),
        (2.5, 2.0, True),
    ]
    assert result["machine"]["cores"] >= 1 and "numba" in result["machine"]["packages"]
    said = capsys.readouterr().out
    assert f"{TOY:<48} 1.30   <= 1.25  <= 0.90  no" in said
    assert f"{JAX:<48} jax is not installed" in said
    assert f"{TOGETHER:<48} 2.50   >= 2.00  >= 3.00  yes" in said
    assert "interrupted after 3 of" in said


def test_two_runs_are_compared(measured, tmp_path, capsys):
    _, earlier = measured((TOY, 2.0), (JAX, 0.1))
    earlier = earlier.rename(tmp_path / "earlier.json")
    capsys.readouterr()
    measured((TOY, 1.0), (JAX, 0.11), (TOGETHER, 3.0), options=["--against", earlier])
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    rows = {line[0]: [cell.strip() for cell in line[1:] if cell.strip()] for line in lines}
    assert rows[TOY][:3] == ["2.00", "1.00", "-50 %"]
    assert rows[JAX][:3] == ["1/10", "1/9", "+10 %"]
    assert rows[TOGETHER][:3] == ["-", "3.00", "-"]


@pytest.mark.parametrize("text", ["{", "[]", '{"rows": [], "machine": {}}', '{"rows": [{}]}'])
def test_what_is_no_result_is_refused_before_anything_is_measured(text, measured, tmp_path, capsys):
    other = tmp_path / "other.json"
    other.write_text(text)
    code, out = measured((TOY, 1.0), options=["--against", other])
    assert code == 2
    assert not out.exists()
    assert capsys.readouterr().err == f"sawtooth: {other} is no result of sawtooth bench\n"


def test_nothing_else_is_written_over(measured, tmp_path, capsys):
    notes = tmp_path / "made" / "bench.json"
    notes.parent.mkdir()
    notes.write_text("mine")
    assert measured((TOY, 1.0))[0] == 2
    assert notes.read_text() == "mine"
    assert "is no benchmark of Sawtooth" in capsys.readouterr().err
