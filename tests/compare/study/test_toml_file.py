from pathlib import Path

import pytest

from compare.study import toml_file

STUDIES = Path(__file__).parents[3] / "studies"

GOOD = """
name = "small"
title = "A study"
seeds = 2
cycles = 3

[[settings]]
learning_rate = 1
weight_decay = 1e-3
role = "calibration"

[[settings]]
learning_rate = 0.5
weight_decay = 0.0
steps = 7
"""


def written(tmp_path, text):
    path = tmp_path / "study.toml"
    path.write_text(text)
    return path


def test_study_file_becomes_runs_with_roles(tmp_path):
    study = toml_file.read(written(tmp_path, GOOD))
    assert [run.n_steps for run in study.runs] == [2100, 2100, 7, 7]
    assert [run.seed for run in study.runs] == [0, 1, 0, 1]
    assert study.runs[0].learning_rate == 1.0
    assert isinstance(study.runs[0].learning_rate, float)
    assert list(study.roles.values()) == ["calibration"] * 2 + ["held_out"] * 2


def test_overrides_replace_values_and_none_does_not(tmp_path):
    study = toml_file.read(written(tmp_path, GOOD), {"seeds": 5, "cycles": None})
    assert (study.seeds, study.cycles) == (5, 3.0)
    assert study.to_json() != toml_file.read(written(tmp_path, GOOD)).to_json()


def test_shipped_studies_are_valid():
    studies = sorted(STUDIES.glob("*.toml"))
    assert studies
    for path in studies:
        assert toml_file.read(path).name == path.stem


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seeds = 2", "sedes = 2", "unknown key sedes; did you mean seeds?"),
        ("role =", "rôle =", "is not valid TOML"),
        ('role = "calibration"', 'role = "test"', "role must be one of calibration, held_out"),
        ('role = "calibration"', "roles = 1", "unknown key settings.roles; did you mean role?"),
        ("learning_rate = 1\n", "learning_rate = -1\n", "positive finite number, got -1.0"),
        ("learning_rate = 1\n", "learning_rate = inf\n", "positive finite number, got inf"),
        ("learning_rate = 1\n", "", "missing key settings.learning_rate"),
        ("weight_decay = 1e-3", "weight_decay = 1.0", "must be below 1, got 1.0 \\* 1.0 = 1"),
        ("weight_decay = 1e-3", "weight_decay = -1.0", "finite number >= 0, got -1.0"),
        ("weight_decay = 1e-3", 'weight_decay = "a"', "must be of type float, got 'a'"),
        ("seeds = 2", "seeds = 2.5", "seeds must be of type int, got 2.5"),
        ("seeds = 2", "seeds = true", "seeds must be of type int, got True"),
        ("seeds = 2", "seeds = 0", "seeds must be >= 1, got 0"),
        ("cycles = 3", "cycles = 1e308", "at most 1e\\+09 steps, got cycles = 1e\\+308"),
        ("weight_decay = 1e-3", "weight_decay = 1e-300", "must be 0 or at least 1e-15"),
        ("seeds = 2", "seeds = 10000000000000", "seeds must be at most 100000"),
        ('name = "small"', f'name = "{"a" * 101}"', "length of name must be at most 100, got 101"),
        ("seeds = 2", "batch_size = 10000000000", "batch_size must be at most 1e\\+09"),
        ("seeds = 2", "seeds = 50001", "at most 100000 runs, got 2 settings with 50001 seeds"),
        ("seeds = 2", "seeds = 2\neval_every = 10000000000", "eval_every must be at most 1e\\+09"),
        ("steps = 7", "steps = 10000000000", "steps must be at most 1e\\+09, got 10000000000"),
        ("seeds = 2", "seeds = 2\ngroup_size = 1000000", "group_size must be at most 100000"),
        ("seeds = 2", f"seeds = 1{'0' * 5000}", "a number of too many digits"),
        ("cycles = 3", f"cycles = 1{'0' * 400}", "cycles leaves the range of floating point"),
        ("seeds = 2", f"seeds = {'[' * 5000}", "nested too deeply"),
        ("seeds = 2", f"seeds{'.a' * 20} = 2", "a key has too many parts"),
        ("seeds = 2", f"""seeds{".'a b'" * 20} = 2""", "a key has too many parts"),
        ("seeds = 2", f"# {' ' * 2**20}", "at most 1048576 bytes"),
        ("cycles = 3", "cycles = 0", "cycles must be a positive finite number, got 0"),
        ('name = "small"', 'name = "../up"', "name must consist of letters"),
        ('name = "small"\n', "", "missing key name"),
        ("steps = 7", "", "needs its number of steps"),
        ("learning_rate = 0.5\nweight_decay = 0.0", "learning_rate = 1\nweight_decay = 1e-3",
         "twice"),
    ],
)  # fmt: skip
def test_bad_values_are_named(tmp_path, old, new, sentence):
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ValueError, match=sentence) as refusal:
        toml_file.read(path)
    assert str(path) in str(refusal.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cannot read study .*none.toml: No such file"):
        toml_file.read(tmp_path / "none.toml")


def test_study_without_settings_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        toml_file.read(written(tmp_path, 'name = "a"\ntitle = "b"'))


def test_steps_replace_the_length_of_every_setting(tmp_path):
    study = toml_file.read(written(tmp_path, GOOD), {"steps": 9})
    assert [run.n_steps for run in study.runs] == [9] * 4
