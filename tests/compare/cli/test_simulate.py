import numpy as np
import pytest
import xarray as xr

from compare.cli.main import main
from theory.toy_losses import isotropic_map
from theory.toy_losses.by_name import named_loss
from theory.toy_losses.losses import for_numpy

GRID = ["--lr", "0.1", "--wd", "0.5", "1", "--seeds", "2", "--steps", "40", "--record-every", "4"]


def test_grid_is_written_in_the_common_schema(tmp_path, capsys):
    out = tmp_path / "new" / "toy.nc"
    assert main(["simulate", "isotropic", *GRID, "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert str(out) in said.out
    assert "4 trajectories, 160 steps in all" in said.err
    with xr.open_dataset(out, engine="h5netcdf") as data:
        assert data["step"].values.tolist() == list(range(0, 40, 4))
        assert data["intrinsic_lr"].values == pytest.approx([0.05, 0.05, 0.1, 0.1])
        assert data["weight_norm"].attrs["units"] == "1"
        # the two-number map of the isotropic toy, from the recorded start
        loss, norm = (float(data[name][0, 0]) for name in ("train_loss", "weight_norm"))
        q, phi = 1 - loss, 0.1 / norm**2 / 0.95
        for record in range(1, 10):
            for _ in range(4):
                q, phi = isotropic_map.step(q, phi, 0.05)
            assert float(data["train_loss"][0, record]) == pytest.approx(1 - q, rel=1e-9)
            assert float(data["effective_lr"][0, record]) == pytest.approx(0.95 * phi, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("rayleigh:0,1,3", 3, (0 + 1 + 3) / 2 / 3),
        ("multi-block:2,4", 4, 2 / 2 / 2 + 4 / 2 / 2),
        ("isotropic:3", 3, 1 - 1 / np.sqrt(3)),
        ("x**2/(x**2+y**2)", 2, 0.5),
    ],
)
def test_losses_are_named_on_the_command_line(text, dimension, value):
    loss = named_loss(text)
    assert loss.dimension == dimension
    found = for_numpy(loss).loss(np.ones(dimension))
    assert float(found) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["x**2+y", *GRID], "not scale-invariant: the term x**2"),
        (["x**2/(x**2+z(y))", *GRID], "unknown function z"),
        (["rayleigh:1,a", *GRID], "rayleigh takes numbers separated by commas, got '1,a'"),
        (["rayliegh:1,2", *GRID], "unknown loss rayliegh; did you mean rayleigh?"),
        (["logistic:4,5", *GRID], "logistic takes one number, got [4.0, 5.0]"),
        (["rayleigh:1,1", *GRID], "at least two different values"),
        (["isotropic:2.5", *GRID], "one whole number, got [2.5]"),
        (["isotropic", *GRID, "--seeds", "-1"], "seeds must be >= 1, got -1"),
        (["isotropic", *GRID, "--steps", "0"], "n_steps must be >= 1, got 0"),
        (["isotropic", *GRID, "--wd", "10"], "must be below 1, got 0.1 * 10.0 = 1"),
        (["isotropic", *GRID, "--steps", "1" + "0" * 17], "n_steps must be at most 1e+13"),
        (["isotropic", *GRID, "--seeds", "1" + "0" * 14], "seeds must be at most 1e+13"),
        (["isotropic", *GRID, "--seeds", "1" + "0" * 12], "1e+13 steps in all, got 2000000000000"),
        (["isotropic", *GRID, "--record-every", "1" + "0" * 30], "record_every must be at most"),
        (["isotropic", *GRID, "--steps", "1" + "0" * 10, "--record-every", "1"], "GB of memory"),
        (["isotropic:1000000", *GRID], "dimension must be at most 64, got 1000000"),
        (["rayleigh:1e308,-1e308", *GRID], "more than floating point can hold"),
        (["isotropic", *GRID, "--lr", "nan"], "positive finite number, got nan"),
        (["isotropic", *GRID, "--momentum", "1"], "momentum must be in [0, 1), got 1.0"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(arguments, sentence, tmp_path, capsys):
    out = tmp_path / "toy.nc"
    assert main(["simulate", *arguments, "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_existing_files_are_kept(tmp_path, capsys):
    out = tmp_path / "toy.nc"
    out.write_text("mine")
    assert main(["simulate", "isotropic", *GRID, "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert out.read_text() == "mine"


NORM = ["simulate", "norm", "--lr", "0.1", "--wd", "0.01", "--steps", "500", "--rho0", "5"]


def test_the_norm_ode_has_a_door(tmp_path, capsys):
    out = tmp_path / "norm.nc"
    assert main([*NORM, "--grad-norm", "2", "--record-every", "100", "--out", str(out)]) == 0
    assert (
        "the weight norm settles at 2.12, within 1 653 steps; the norm ODE is off"
        in capsys.readouterr().out
    )
    found = xr.load_dataset(out, engine="h5netcdf")
    assert found["weight_norm"].sizes == found["ode_weight_norm"].sizes == {"run": 1, "step": 5}
    assert main(["report", str(out)]) == 0
    html = out.with_suffix(".html").read_text()
    assert "At η = 0.1, λ = 0.01 the weight norm settles at" in html
    assert "ODE over recursion, largest" in html
    assert "simulate" not in found.attrs["config"]
    assert '"rho0": 5.0' in found.attrs["config"]


def test_recorded_gradients_take_rate_and_decay_from_their_run(tmp_path, capsys):
    first, second = tmp_path / "first.nc", tmp_path / "second.nc"
    assert main([*NORM, "--grad-norm", "2", "--out", str(first)]) == 0
    command = ["simulate", "norm", "--grad-norm", str(first)]
    assert main([*command, "--out", str(second)]) == 0
    one, other = (xr.load_dataset(path, engine="h5netcdf") for path in (first, second))
    np.testing.assert_array_equal(one["weight_norm"], other["weight_norm"])
    np.testing.assert_array_equal(one["weight_norm"][0], other["measured_weight_norm"])
    assert "the exact recursion meets the measured norm to 0 %" in capsys.readouterr().out


@pytest.mark.slow
def test_a_thinned_study_gives_the_gradients_of_the_run_that_is_chosen(tmp_path, capsys):
    out, study = tmp_path / "norm.nc", "results/reference/digits/study.nc"
    command = ["simulate", "norm", "--grad-norm", study, "--out", str(out)]
    assert main(command) == 2
    assert "holds 160 runs; choose one of lr0.5-wd0.0004-seed0, " in capsys.readouterr().err
    assert main([*command, "--run", "lr0.5-wd0.0004-seed0", "--wd", "0.0004", "0.002"]) == 0
    assert "Records are 5 steps apart" in capsys.readouterr().out
    found = xr.load_dataset(out, engine="h5netcdf")
    assert found["learning_rate"].values.tolist() == [0.5, 0.5]
    assert found["measured_weight_norm"].attrs["no_norm_law"] == ""
    known = np.isfinite(found["measured_weight_norm"])
    assert np.flatnonzero(known.values)[:3].tolist() == [0, 5, 10]
    assert main(["report", str(out)]) == 0
    assert "–</td>" in out.with_suffix(".html").read_text()  # not measured at the other decay


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (NORM, "the norm needs --grad-norm"),
        ([*NORM, "--grad-norm", "none.nc"], "cannot read none.nc: no such file"),
        ([*NORM, "--grad-norm", "2", "--noise", "0.1"], "--noise is of a toy loss"),
        (["simulate", "isotropic", "--lr", "0.1"], "a toy loss needs --wd"),
        (["simulate", "isotropic", "--lr", "1", "--wd", "0", "--grad-norm", "1"], "are of norm"),
    ],
)
def test_options_of_norm_and_of_toys_are_not_mixed(arguments, sentence, tmp_path, capsys):
    out = tmp_path / "x.nc"
    assert main([*arguments, "--out", str(out)]) == 2
    assert sentence in capsys.readouterr().err
    assert not out.exists()
