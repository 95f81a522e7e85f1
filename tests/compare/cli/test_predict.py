"""``sawtooth predict``: the numbers, the names and the sentences for bad input."""

import json
import math
import random
import subprocess
import sys

import pytest

from compare.cli import main
from theory.laws import equilibrium

VOCABULARY = (
    "learning_rate",
    "weight_decay",
    "intrinsic_lr",
    "equilibrium_norm",
    "equilibrium_effective_lr",
    "angular_update",
    "relaxation_steps",
)
SETTING = ["--lr", "0.01", "--wd", "1e-3"]


def predict(capsys, *arguments):
    assert main.main(["predict", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def assert_state(answer, state):
    assert answer["equilibrium_norm"] == state.norm
    assert answer["equilibrium_effective_lr"] == state.effective_lr
    assert answer["angular_update"] == state.angular_update
    assert answer["relaxation_steps"] == state.relaxation_steps


def test_plain_sgd_prints_what_it_always_did(capsys):
    answer = predict(capsys, *SETTING, "--grad-norm", "50")
    assert tuple(answer) == VOCABULARY
    assert list(answer.values()) == [
        0.01,
        0.001,
        1e-5,
        10.573725851587739,
        8.944249549291432e-05,
        0.004472139681787927,
        24999.999999999996,
    ]


def test_momentum_and_the_way_there(capsys):
    answer = predict(capsys, *SETTING, "--grad-norm", "50", "--momentum", "0.9", "--rho0", "40")
    state = equilibrium.sgd_with_momentum(0.01, 1e-3, 2500.0, momentum=0.9)
    assert_state(answer, state)
    assert answer["momentum"] == 0.9
    assert answer["settling_steps"] == equilibrium.settling_steps(40.0, state)


@pytest.mark.parametrize(
    ("optimizer", "rule", "betas"),
    [
        ("adamw", equilibrium.adamw, (0.9, 0.999)),
        ("lion", equilibrium.lion, (0.9, 0.99)),
        ("lion", equilibrium.lion, (0.95, 0.98)),
    ],
)
def test_optimizers_that_ignore_the_gradients_size(capsys, optimizer, rule, betas):
    flags = [] if betas[0] == 0.9 else ["--beta1", str(betas[0]), "--beta2", str(betas[1])]
    answer = predict(capsys, *SETTING, "--optimizer", optimizer, "--n-weights", "5000", *flags)
    assert_state(answer, rule(0.01, 1e-3, 5000, beta1=betas[0], beta2=betas[1]))
    assert (answer["optimizer"], answer["n_weights"]) == (optimizer, 5000)
    assert (answer["beta1"], answer["beta2"]) == betas


def test_adam_spreads_the_gradient_over_the_weights(capsys):
    arguments = [*SETTING, "--optimizer", "adam", "--n-weights", "10000", "--grad-norm", "50"]
    answer = predict(capsys, *arguments)
    assert_state(answer, equilibrium.adam_l2(0.01, 1e-3, 5000.0, 10_000))


def test_lines_carry_units(capsys):
    assert main.main(["predict", *SETTING, "--optimizer", "lion", "--n-weights", "5000"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["optimizer", "lion"]
    assert any(line.startswith("angular_update") and "rad per step" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "--optimizer sgd needs --grad-norm, got none"),
        (["--optimizer", "adam", "--grad-norm", "1"], "--optimizer adam needs --n-weights"),
        (["--optimizer", "lion"], "--optimizer lion needs --n-weights, got none"),
        (["--optimizer", "lion", "--n-weights", "0"], "n-weights must be >= 1, got 0"),
        (
            ["--optimizer", "adamw", "--n-weights", "5", "--momentum", "0.9"],
            "--momentum belongs to sgd, got it with --optimizer adamw",
        ),
        (["--grad-norm", "1", "--beta1", "0.5"], "--beta1 belongs to adamw, adam, lion"),
        (
            ["--optimizer", "adamw", "--n-weights", "5", "--beta2", "1"],
            "beta2 must be from 0 to below 1, got 1.0",
        ),
        (
            ["--grad-norm", "1", "--momentum", "-0.1"],
            "momentum must be from 0 to below 1, got -0.1",
        ),
        (["--grad-norm", "nan"], "grad-norm must be a positive finite number, got nan"),
        (["--grad-norm", "1e200"], "no equilibrium within the range of floats"),
        (
            ["--lr", "1e308", "--wd", "1e-308", "--grad-norm", "1"],
            "no equilibrium within the range of floats",
        ),
        (["--grad-norm", "1", "--rho0", "0"], "initial_norm must be a positive finite number, got"),
    ],
)
def test_bad_input_is_one_sentence(capsys, arguments, sentence):
    assert main.main(["predict", *SETTING, *arguments]) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_an_unknown_optimizer_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as stop:
        main.main(["predict", *SETTING, "--optimizer", "adamm"])
    assert stop.value.code == 2
    assert "invalid choice: 'adamm'" in capsys.readouterr().err


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom compare.cli import main\n"
        "try:\n    main.main(['predict', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'scipy', 'numba', 'xarray', 'torch'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--n-weights" in done.stdout


EXTREME = ("1e308", "1e155", "1e20", "1", "0.1", "1e-8", "1e-155", "1e-308", "5e-324", "-0.0",
           "-1", "nan", "inf")  # fmt: skip
ODD = {
    "--rho0": EXTREME,
    "--grad-norm": EXTREME,
    "--momentum": ("0.9", "-0.0", "0.9999999999999999", "5e-324", "1", "nan"),
    "--n-weights": ("1", "1000000", "1" + "0" * 18, "1" + "0" * 400, "0"),
    "--beta1": ("0.9", "-0.0", "0.9999999999999999", "1", "nan"),
    "--beta2": ("0.999", "-0.0", "0.9999999999999999", "1", "nan"),
}
TAKES = {"sgd": ("--grad-norm", "--momentum"), "lion": ("--n-weights", "--beta1", "--beta2")}
TAKES |= {"adamw": TAKES["lion"], "adam": (*TAKES["lion"], "--grad-norm")}


def odd_settings(count):
    """Command lines of extreme and odd numbers, half of them with a product that is none."""
    generator = random.Random(0)
    for i in range(count):
        optimizer = generator.choice(tuple(TAKES))
        lr, wd = generator.choice(EXTREME), generator.choice(EXTREME)
        if i % 2:
            lr, product = 10 ** generator.uniform(-300, 300), generator.choice((1e-15, 1e-8, 0.99))
            wd = product / lr
        options = [f"--optimizer={optimizer}", f"--lr={lr}", f"--wd={wd}"]
        for name in (*TAKES[optimizer], "--rho0"):
            options.append(f"{name}={generator.choice(ODD[name])}")
        yield options


def refuse_constant(text):
    raise AssertionError(f"{text} is no JSON")


def test_no_door_lets_out_a_number_that_is_none(capsys):
    answered = 0
    for options in odd_settings(120):
        code, said = main.main(["predict", "--json", *options]), capsys.readouterr()
        if code == 2:
            assert said.out == "" and said.err.count("\n") == 1 and len(said.err) < 600, options
            assert "Numerical" not in said.err and "convert" not in said.err, options
            continue
        answered += 1
        found = json.loads(said.out, parse_constant=refuse_constant)
        assert code == 0 and said.err == ""
        for name in ("equilibrium_norm", "equilibrium_effective_lr", "intrinsic_lr"):
            assert 0 < found[name] < 1.8e308, options
        assert 0 < found["angular_update"] <= math.pi, options
        assert 0 < found["relaxation_steps"] < 1e16, options
        assert found["settling_steps"] >= 0, options
    assert answered >= 5
