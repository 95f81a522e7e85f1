"""Studies and command lines with values that nobody means."""

from __future__ import annotations

import contextlib
import io
import json
import random
import tomllib
import warnings
from pathlib import Path

from tally import Tally, one_sentence

from compare.cli.main import main

VALUES = (
    "0", "-1", "1", "0.5", "1e308", "5e-324", "-0.0", "nan", "inf", "-inf", "1e17", "1e400",
    "99999999999999999999", "true", '"x"', '""', "[]", "[1]", "{}", "1979-05-27", '"\\u0000"',
    '"' + 5000 * "x" + '"', "[" * 500 + "]" * 500, '"<script>"', '"../../x"', '"mlp-1e9"',
)  # fmt: skip
WORDS = (
    "0",
    "-1",
    "nan",
    "inf",
    "1e308",
    "5e-324",
    "-0.0",
    "1e17",
    "x",
    "",
    "é",
    3000 * "9",
    "\x1b",
)
TEMPLATE = {
    "name": '"fuzz"', "title": '"Fuzz"', "model": '"mlp-8"', "data": '"digits"', "seeds": "1",
    "steps": "3", "batch_size": "64", "eval_every": "2", "group_size": "0", "cycles": "10.0",
    "checkpoint_seconds": "1.0", "norm_eps": "1e-12", "initial_norm": "0.0", "clip": "0.0",
    "schedule": '"constant"', "precision": '"float32"', "trained": '"scale-invariant"',
    "train_per_class": "20", "test_per_class": "5", "label_noise": "0.0", "augment": "false",
    "full_batch": "false", "leave_one_out": "false", "sharpness_examples": "0",
}  # fmt: skip
SETTING = {
    "learning_rate": "0.5", "weight_decay": "0.01", "momentum": "0.0", "role": '"held_out"',
    "variant": '"a"', "expect": '"periodic"', "twin_of": '""', "sphere": '""',
}  # fmt: skip
COMMANDS = (
    ("predict", {"--lr": "0.1", "--wd": "1e-3", "--grad-norm": "5", "--momentum": "0.9",
                 "--rho0": "3", "--optimizer": "sgd"}),
    ("simulate isotropic", {"--lr": "0.1", "--wd": "0.1", "--seeds": "2", "--steps": "50",
                            "--record-every": "5"}),
    ("simulate norm", {"--lr": "0.1", "--wd": "0.1", "--grad-norm": "1", "--steps": "50"}),
    ("train", {"--lr": "0.5", "--wd": "0.01", "--steps": "3", "--seeds": "1", "--model": "mlp-8",
               "--batch-size": "64", "--eval-every": "2", "--group-size": "0"}),
)  # fmt: skip


def studies(folder: Path, n: int, seed: int) -> Tally:
    """Small studies of which one to three values are replaced."""
    row, rng = (
        Tally("studies with odd values", "one sentence, or a whole result"),
        random.Random(seed),
    )
    for i in range(n):
        top, setting = dict(TEMPLATE), dict(SETTING)
        for _ in range(rng.randint(1, 3)):
            table = rng.choice((top, top, setting))
            table[rng.choice(list(table))] = rng.choice(VALUES)
        text = "\n".join(f"{key} = {value}" for key, value in top.items())
        text += "\n[[settings]]\n" + "\n".join(f"{key} = {value}" for key, value in setting.items())
        path, out = folder / "fuzz.toml", folder / f"fuzz-{i}"
        path.write_text(text, encoding="utf-8")
        code, said, _ = call("run", path, "--out", out)
        wrong = one_sentence(code, said)
        if not wrong and code == 2 and out.exists():
            wrong = "refused, but it has written something"
        row.note(odd_ones(text), wrong)
    return row


def command_lines(folder: Path, n: int, seed: int) -> Tally:
    """Commands of which one or two options get an odd value."""
    wanted = "one sentence, or finite numbers"
    row, rng = Tally("command lines with odd values", wanted), random.Random(seed)
    for i in range(n):
        name, options = rng.choice(COMMANDS)
        given = dict(options)
        for _ in range(rng.randint(1, 2)):
            given[rng.choice(list(given))] = rng.choice(WORDS)
        words = [*name.split(), *(f"{key}={value}" for key, value in given.items())]
        words += ["--json"] if name == "predict" else [f"--out={folder / f'line-{i}.nc'}"]
        code, said, answer = call(*words)
        row.note(" ".join(words)[:200], one_sentence(code, said) or no_json(name, code, answer))
    return row


def no_json(name: str, code: int, answer: str) -> str:
    """What is wrong with the JSON that a command prints."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    if name != "predict" or code:
        return ""
    try:
        json.loads(answer, parse_constant=refuse)
    except ValueError as error:
        return f"no JSON: {error}"
    return ""


def call(*words: object) -> tuple[int, str, str]:
    """Exit code, stderr and stdout of a command in this process."""
    said, answer = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(answer),
        warnings.catch_warnings(),
    ):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        except BaseException as error:
            return 1, f"Traceback: {error!r}", ""
    lines = [
        line for line in said.getvalue().splitlines(keepends=True) if ": warning: " not in line
    ]
    return code, "".join(lines), answer.getvalue()


def odd_ones(text: str) -> str:
    """The lines of a study that are not the template's."""
    usual = {f"{key} = {value}" for table in (TEMPLATE, SETTING) for key, value in table.items()}
    odd = [line for line in text.splitlines() if line not in usual and line != "[[settings]]"]
    try:
        tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        odd.append("(no TOML)")
    return "; ".join(odd)[:200]
