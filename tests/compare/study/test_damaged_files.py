"""Files that were damaged or edited: a sentence with the path and exit code 2, or no change."""

import json

import numpy as np
import pytest
import xarray as xr

from compare.cli.main import main
from compare.predict.next_jump import outlook
from compare.study import store
from theory import files
from theory.simulation.simulate import simulate


@pytest.fixture
def recorded():
    """A short toy with texts, whole numbers and a scalar."""
    toy = simulate("isotropic", 0.1, 0.1, n_steps=60)
    return toy.assign(invariance=((), "all weights")).assign_attrs(
        notes="a few words", overhead=0.1
    )


def answer(arguments, capsys):
    """Exit code, and what was said on stdout and stderr."""
    code = main([str(one) for one in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_flipped_bit_anywhere_is_noticed_or_changes_nothing(recorded, tmp_path):
    path, rng, noticed = tmp_path / "a.nc", np.random.default_rng(0), 0
    files.write_dataset(path, recorded)
    whole, before = path.read_bytes(), store.read(path, bare=True)
    for place in rng.integers(len(whole), size=150):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            assert store.read(path, bare=True).identical(before)
        except ValueError as error:
            noticed += 1
            assert str(path) in str(error)
    assert noticed > 140  # only the words of the seal may change


def test_a_truncated_file_is_one_line_on_stderr(recorded, tmp_path, capfd):
    path = tmp_path / "a.nc"
    files.write_dataset(path, recorded)
    whole = path.read_bytes()
    for length in (0, 7, 96, 2000, len(whole) // 2, len(whole) - 200):
        path.write_bytes(whole[:length])
        code, _, said = answer(["diagnose", path], capfd)
        assert code == 2 and said.count("\n") == 1 and str(path) in said


def test_a_file_without_a_seal_is_read_and_editing_one_drops_it(recorded, tmp_path):
    older, edited = tmp_path / "older.nc", tmp_path / "edited.nc"
    recorded.to_netcdf(older, engine="h5netcdf")
    assert not files.is_sealed(older)
    assert store.read(older, bare=True).to_dataset().identical(recorded)
    files.write_dataset(edited, recorded)
    assert files.is_sealed(edited)
    with xr.load_dataset(edited, engine="h5netcdf") as found:
        found.isel(step=slice(30)).to_netcdf(edited, engine="h5netcdf")
    assert not files.is_sealed(edited)
    assert store.read(edited, bare=True).sizes["step"] == 30


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda d: d.assign(n_steps=d["n_steps"] * np.nan), "n_steps must be finite, got [nan]"),
        (lambda d: d.assign(momentum=("run", ["x"])), "momentum must hold numbers, got"),
        (lambda d: d.assign(status=("run", [1.0])), "status must hold text, got float64"),
        (
            lambda d: d.assign(train_loss=("run", [1.0])),
            "train_loss must lie along run and step, got run",
        ),
        (lambda d: d.assign(optimizer=("run", ["SGD"])), "optimizer without optimizer_settings"),
        (
            lambda d: d.assign_attrs(overhead="x"),
            "the attribute overhead must be a number, got 'x'",
        ),
        (lambda d: d.assign_attrs(largest_matrix="big"), "largest_matrix must be like 64x64"),
        (lambda d: d.drop_vars("step"), "it lacks step"),
        (lambda d: d.assign(weight_norm=0 * d["weight_norm"]), "weight_norm must be above 0 where"),
        (lambda d: d.assign_coords(momentum=("run", [1.0])), "momentum must be from 0 to below 1"),
        (
            lambda d: d.assign_coords(learning_rate=("run", [-0.1])),
            "learning_rate must be a positive finite number, got -0.1",
        ),
    ],
)
@pytest.mark.parametrize("door", ["report", "diagnose"])
def test_what_was_edited_is_named(recorded, edit, sentence, door, tmp_path, capsys):
    path = tmp_path / "a.nc"
    edit(recorded).to_netcdf(path, engine="h5netcdf")
    code, _, said = answer([door, path], capsys)
    assert code == 2 and said.count("\n") == 1
    assert str(path) in said and sentence in said


def edited(study, edit):
    """The groups and attributes of a study after an edit of both."""
    groups = {name: group.to_dataset() for name, group in study.children.items()}
    attributes = dict(study.attrs)
    edit(groups, attributes)
    tree = xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})
    tree.attrs = attributes
    return tree


CONFIG = {"name": "x", "title": "X", "seeds": 1, "settings": [{}]}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda g, a: a.pop("schema_version"), "is not a study file of schema version 2"),
        (lambda g, a: a.update(schema_version="1"), "older schema version 1; this Sawtooth reads"),
        (lambda g, a: a.update(schema_version="3"), "newer version of Sawtooth (schema version 3)"),
        (lambda g, a: a.update(schema_version="two"), "a damaged schema version, 'two'"),
        (lambda g, a: a.update(config="{"), "the attribute config is not JSON: '{'"),
        (lambda g, a: a.update(config="[]"), "the attribute config must be an object in JSON"),
        (
            lambda g, a: a.update(config=json.dumps(CONFIG | {"seeds": "1"})),
            "hold seeds of type int",
        ),
        (lambda g, a: a.pop("provenance"), "it lacks the attribute provenance"),
        (lambda g, a: g.pop("theory"), "it lacks the group theory"),
        (lambda g, a: g.update(theory=g["theory"].isel(run=[0])), "/theory must hold the runs of"),
        (
            lambda g, a: g.update(comparison=g["comparison"].drop_vars("n_jumps")),
            "it lacks comparison/n_jumps",
        ),
        (
            lambda g, a: g["comparison"].update(
                {"predicted_period": ("cycle", g["comparison"].cycle.values)}
            ),
            "predicted_period must lie along run, got cycle",
        ),
        (
            lambda g, a: g["comparison"].attrs.update(calibration="7"),
            "the attribute calibration must be an object in JSON",
        ),
    ],
)
def test_a_study_that_was_edited_is_named(study, edit, sentence, tmp_path):
    tree, path = edited(study, edit), tmp_path / "study.nc"
    with pytest.raises(ValueError) as refusal:
        store._check(path, tree, bare=True)
    assert str(path) in str(refusal.value) and sentence in str(refusal.value)


def test_errors_of_ours_in_whole_files_stay_errors(recorded, tmp_path):
    path = tmp_path / "a.nc"
    files.write_dataset(path, recorded)
    with pytest.raises(KeyError), store.blaming(path):
        raise KeyError("ours")
    recorded.to_netcdf(path, engine="h5netcdf")
    with pytest.raises(ValueError, match=r"a\.nc lacks 'theirs'"), store.blaming(path):
        raise KeyError("theirs")


def test_what_the_doors_say_of_a_run_names_the_file(recorded, tmp_path, capsys):
    """The norm of a file with a gradient that is none, and a run that is not there."""
    path = tmp_path / "a.nc"
    gap = recorded["effective_grad_norm"].where(recorded["step"] != 7)
    recorded.assign(effective_grad_norm=gap).to_netcdf(path, engine="h5netcdf")
    norm = ["simulate", "norm", "--lr=0.1", "--wd=0.1", f"--out={tmp_path / 'b.nc'}"]
    for more, sentence in ([], "at every step, got nan at 7"), (["--run=x"], "there is no run x"):
        code, _, said = answer([*norm, f"--grad-norm={path}", *more], capsys)
        assert code == 2 and said.count("\n") == 1
        assert str(path) in said and sentence in said
    with pytest.raises(ValueError, match=r"a\.nc: run must be one of .*, got 'x'"):
        outlook(path, "x")
