"""``sawtooth train``: networks alone, in a file of their own."""

import signal

import numpy as np
import pytest
import xarray as xr

from compare.cli.main import main
from empirical.training import train
from theory import laws

TRAIN = ["train", "--model", "mlp-16-16", "--lr", "0.5", "--wd", "0.01", "--eval-every", "20"]


@pytest.mark.slow
def test_writes_the_trajectories_of_the_grid(tmp_path):
    out = tmp_path / "sub" / "a.nc"
    grid = ["--lr", "0.5", "1", "--wd", "0.01", "0.02", "--seeds", "2", "--steps", "40"]
    assert main(["train", "--model", "mlp-16-16", *grid, "--out", str(out)]) == 0
    data = xr.load_dataset(out, engine="h5netcdf")
    assert data.sizes["run"] == 8
    assert data["learning_rate"].values.tolist() == [0.5] * 4 + [1.0] * 4
    norm, g = data["weight_norm"].values[-1], data["effective_grad_norm"].values[-1]
    predicted = laws.next_weight_norm(norm[:-1], g[:-1], 1.0, 0.02)
    np.testing.assert_allclose(norm[1:], predicted, rtol=1e-6)
    assert data["weight_norm"].attrs["symbol"] == "ρ"
    assert sorted(path.name for path in out.parent.iterdir()) == ["a.nc"]


@pytest.mark.slow
def test_takes_every_key_of_a_recipe(tmp_path):
    out = tmp_path / "a.nc"
    options = ["--set", "fixed_norm=true", "--set", "initial_norm=2", "--wd", "0"]
    assert main([*TRAIN, *options, "--steps", "20", "--out", str(out)]) == 0
    data = xr.load_dataset(out, engine="h5netcdf")
    np.testing.assert_allclose(data["weight_norm"].values, 2, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "clipp=2"], "unknown key clipp; did you mean clip?"),
        (["--set", "clip"], "must have the form KEY=VALUE, got 'clip'"),
        (["--set", "clip=high"], "clip must be of type float, got 'high'"),
        (["--lr", "nan"], "learning_rate must be"),
        (["--lr", "20", "--wd", "0.05"], "learning_rate * weight_decay must be below 1"),
        (["--steps", "0"], "steps must be >= 1, got 0"),
        (["--batch-size", "5000"], "batch_size must be in 1 .. 1437, got 5000"),
        (["--data", "folder:none"], "there is no image folder none"),
        (["--model", "vgg"], "got 'vgg'"),
        (["--device", "cuda"], "no CUDA device is available"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(tmp_path, capsys, options, said):
    out = tmp_path / "a.nc"
    arguments = [*TRAIN, "--steps", "20", *options, "--out", str(out)]
    if options[0] == "--device" and __import__("torch").cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_is_kept(tmp_path, capsys):
    out = tmp_path / "a.nc"
    out.write_text("mine")
    assert main([*TRAIN, "--steps", "20", "--out", str(out)]) == 2
    assert "exists" in capsys.readouterr().err
    assert out.read_text() == "mine"


@pytest.mark.slow
def test_an_interrupted_train_goes_on_with_the_same_numbers(tmp_path, capsys, monkeypatch):
    command = [*TRAIN, "--steps", "120", "--momentum", "0.9"]
    whole, broken = tmp_path / "whole.nc", tmp_path / "broken.nc"
    assert main([*command, "--out", str(whole)]) == 0
    advance = train._advance

    def interrupted(ensembles, *others):
        advance(ensembles, *others)
        if ensembles[0].step > 40:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(train, "_advance", interrupted)
        patch.setattr(train, "_next_chunk", lambda *_: 7)
        patch.setattr(train, "LOOK_SECONDS", 1e-9)  # one chunk between looks
        assert main([*command, "--out", str(broken)]) == 130
    assert "resume with --resume" in capsys.readouterr().err
    assert not broken.exists()
    assert main([*command, "--out", str(broken)]) == 2
    assert "is of an interrupted train" in capsys.readouterr().err
    assert main([*command, "--lr", "0.6", "--out", str(broken), "--resume"]) == 2
    assert "another configuration" in capsys.readouterr().err
    assert main([*command, "--out", str(broken), "--resume"]) == 0
    one, other = (xr.load_dataset(path, engine="h5netcdf") for path in (whole, broken))
    xr.testing.assert_equal(one, other)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.nc", "whole.nc"]
