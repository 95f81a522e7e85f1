"""The answer of ``sawtooth predict``: closed forms for one optimizer and one setting."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from theory import equilibrium, validate

# The options that each optimizer takes besides learning rate and weight decay.
OPTIONS = {
    "sgd": ("grad_norm", "momentum"),
    "adamw": ("grad_norm", "n_weights", "beta1", "beta2"),
    "adam": ("grad_norm", "n_weights", "beta1", "beta2"),
    "lion": ("grad_norm", "n_weights", "beta1", "beta2"),
}
NEEDED = {
    "sgd": ("grad_norm",),
    "adamw": ("n_weights",),
    "adam": ("grad_norm", "n_weights"),
    "lion": ("n_weights",),
}
GIVEN = ("grad_norm", "momentum", "n_weights", "beta1", "beta2")
DEFAULT_BETAS = {"adamw": (0.9, 0.999), "adam": (0.9, 0.999), "lion": (0.9, 0.99)}
UNITS = {
    "angular_update": " rad per step",
    "relaxation_steps": " steps",
    "period": " steps",
    "period_low": " steps: 5 % of periods are shorter",
    "period_high": " steps: 5 % of periods are longer",
    "period_error": " steps: standard error of the mean period, from resampled seeds",
    "process_period": " steps, by the hazard process",
    "first_jump": " steps",
    "settling_steps": " steps to within 1 % of the equilibrium norm",
}


def answer(options: argparse.Namespace) -> dict[str, Any]:
    """Predict from the command line's options, in the names of the data's vocabulary.

    Raises:
        ValueError: if an option is missing, does not belong to the optimizer or is out of range.
    """
    used = _chosen(options)
    try:
        state = _state(options.optimizer, options.lr, options.wd, used)
    except ArithmeticError as error:
        raise ValueError(
            f"no equilibrium within the range of floats for --lr {options.lr:g} "
            f"--wd {options.wd:g} {' '.join(f'{_flag(k)} {v:g}' for k, v in used.items())}"
        ) from error
    result: dict[str, Any] = {} if options.optimizer == "sgd" else {"optimizer": options.optimizer}
    result |= {
        "learning_rate": options.lr,
        "weight_decay": options.wd,
        "intrinsic_lr": options.lr * options.wd,
    }
    result |= {name: value for name, value in used.items() if name != "grad_norm"}
    result |= {
        "equilibrium_norm": state.norm,
        "equilibrium_effective_lr": state.effective_lr,
        "angular_update": state.angular_update,
        "relaxation_steps": state.relaxation_steps,
    }
    if options.rho0 is not None:
        result["settling_steps"] = equilibrium.settling_steps(options.rho0, state)
    return result


def from_study(options: argparse.Namespace) -> dict[str, Any]:
    """Predict the cycle of a setting with the model that a study has calibrated.

    Raises:
        ValueError: if the file is no study, holds no calibrated model, or a number is out of range.
    """
    from compare import calibrate, calibration_table, store
    from theory import gompertz, reduced

    for name in (*GIVEN, "rho0"):
        if getattr(options, name) is not None:
            raise ValueError(f"{_flag(name)} does not go with --from, the study knows it")
    text, table = store.read_calibration(options.study)
    try:
        model, process = calibrate.model_from_json(text), calibrate.process_from_json(text)
    except ValueError as error:
        raise ValueError(f"{options.study}: {error}") from error
    setting = (options.lr, options.wd)
    cycle = reduced.predict(model, *setting)
    result = {
        "learning_rate": options.lr,
        "weight_decay": options.wd,
        "intrinsic_lr": options.lr * options.wd,
        **asdict(cycle),
        "period_error": calibration_table.period_error(table, model, options.lr * options.wd),
        "process_period": gompertz.predict(process, model, *setting).period,
    }
    if cycle.regime != "periodic":  # a period of an equilibrium is no number to give
        for name in [key for key in result if "period" in key] + ["first_jump"]:
            del result[name]
    return {name: value for name, value in result.items() if value == value}  # NaN is no answer


def as_lines(result: Mapping[str, Any]) -> str:
    """One line for each value, with its unit."""
    width = max(map(len, result))
    return "\n".join(
        f"{name:{width}}  {value if isinstance(value, str | int) else format(value, '.6g')}"
        f"{UNITS.get(name, '')}"
        for name, value in result.items()
    )


def _chosen(options: argparse.Namespace) -> dict[str, Any]:
    """The options given that the optimizer takes, with its default betas."""
    optimizer = options.optimizer
    given = {name: getattr(options, name) for name in GIVEN}
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in OPTIONS[optimizer]:
            takers = ", ".join(other for other in OPTIONS if name in OPTIONS[other])
            raise ValueError(
                f"{_flag(name)} belongs to {takers}, got it with --optimizer {optimizer}"
            )
    for name in NEEDED[optimizer]:
        if name not in given:
            raise ValueError(f"--optimizer {optimizer} needs {_flag(name)}, got none")
    if "grad_norm" in given:
        validate.positive("grad-norm", given["grad_norm"])
    betas = dict(zip(("beta1", "beta2"), DEFAULT_BETAS.get(optimizer, ()), strict=False))
    return betas | given


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _state(
    optimizer: str, lr: float, wd: float, used: Mapping[str, Any]
) -> equilibrium.Equilibrium:
    if optimizer == "sgd":
        squared = used["grad_norm"] ** 2
        if "momentum" not in used:
            return equilibrium.sgd(lr, wd, squared)
        return equilibrium.sgd_with_momentum(lr, wd, squared, momentum=used["momentum"])
    betas = {"beta1": used["beta1"], "beta2": used["beta2"]}
    n_weights = validate.at_least("n-weights", used["n_weights"], 1)
    if optimizer == "adam":
        # a gradient spread evenly over C weights has the root mean square g / sqrt(C) in each
        return equilibrium.adam_l2(lr, wd, used["grad_norm"] * n_weights**0.5, n_weights, **betas)
    rule = equilibrium.adamw if optimizer == "adamw" else equilibrium.lion
    return rule(lr, wd, n_weights, **betas)
