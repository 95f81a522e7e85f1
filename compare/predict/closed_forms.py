"""Closed forms for one optimizer and one setting: what needs no network and no simulation."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from theory import validate
from theory.laws import equilibrium as closed_forms
from theory.laws.equilibrium import Equilibrium, settling_steps

OPTIMIZERS = ("sgd", "adamw", "adam", "lion")
# What each optimizer takes besides learning rate and weight decay, and what it needs.
ADAPTIVE = ("grad_norm", "n_weights", "beta1", "beta2")
TAKEN = {"sgd": ("grad_norm", "momentum"), "adamw": ADAPTIVE, "adam": ADAPTIVE, "lion": ADAPTIVE}
NEEDED = {
    "sgd": ("grad_norm",),
    "adamw": ("n_weights",),
    "adam": ("grad_norm", "n_weights"),
    "lion": ("n_weights",),
}
MOST_WEIGHTS = 10**18
DEFAULT_BETAS = {"adamw": (0.9, 0.999), "adam": (0.9, 0.999), "lion": (0.9, 0.99)}


def predict(
    learning_rate: float,
    weight_decay: float,
    *,
    optimizer: str = "sgd",
    grad_norm: float | None = None,
    momentum: float | None = None,
    n_weights: int | None = None,
    beta1: float | None = None,
    beta2: float | None = None,
    rho0: float | None = None,
) -> dict[str, Any]:
    """Predict where the weight norm settles, how fast, and how far the weights turn in a step.

    Scale-invariant weights (those in front of a normalisation) under weight decay come to an
    equilibrium in which gradients add to the norm what decay takes from it.

        >>> from sawtooth import predict
        >>> found = predict(0.01, 1e-3, grad_norm=50)
        >>> round(found["equilibrium_norm"], 2), round(found["angular_update"], 5)
        (10.57, 0.00447)

    Source: Wan et al. 2020 (arXiv 2006.08419) for SGD; Kosson et al. 2024 (2305.17212) for the
    adaptive optimizers.

    Args:
        learning_rate: eta, above 0.
        weight_decay: lam, above 0, with ``eta lam < 1``.
        optimizer: ``sgd``, ``adamw``, ``adam`` (with L2 regularisation) or ``lion``.
        grad_norm: root mean square effective gradient norm g (weight norm times gradient norm).
            SGD needs it, and Adam, where it counts as spread evenly over the weights.
        momentum: of SGD, from 0 to below 1; none by default.
        n_weights: number of scale-invariant weights; for the adaptive optimizers.
        beta1: of the adaptive optimizers; 0.9 by default.
        beta2: 0.999 by default, 0.99 for Lion.
        rho0: weight norm at the start, for the time until the equilibrium is reached.

    Returns:
        Values by the names of the vocabulary: the settings, ``equilibrium_norm``,
        ``equilibrium_effective_lr``, ``angular_update`` (rad per step), ``relaxation_steps`` and,
        with ``rho0``, ``settling_steps`` (to within 1 % of the equilibrium norm; with momentum m
        good to some 6 % while ``eta lam / (1 - m)^2`` is below 0.02, and to 40 % beyond 0.05).

    Raises:
        ValueError: if a value is missing, does not belong to the optimizer or is out of range.
    """
    given = {
        "grad_norm": grad_norm,
        "momentum": momentum,
        "n_weights": n_weights,
        "beta1": beta1,
        "beta2": beta2,
    }
    used = _used(optimizer, given)
    state = equilibrium(learning_rate, weight_decay, optimizer=optimizer, **given)
    result: dict[str, Any] = {} if optimizer == "sgd" else {"optimizer": optimizer}
    result |= {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "intrinsic_lr": learning_rate * weight_decay,
        **{name: value for name, value in used.items() if name != "grad_norm"},
        "equilibrium_norm": state.norm,
        "equilibrium_effective_lr": state.effective_lr,
        "angular_update": state.angular_update,
        "relaxation_steps": state.relaxation_steps,
    }
    if rho0 is not None:
        result["settling_steps"] = settling_steps(rho0, state)
    return result


def equilibrium(
    learning_rate: float, weight_decay: float, *, optimizer: str = "sgd", **given: float | None
) -> Equilibrium:
    """Where scale-invariant weights rest under an optimizer, as an object with attributes.

        >>> from sawtooth import equilibrium
        >>> rest = equilibrium(1e-3, 0.1, optimizer="adamw", n_weights=1_000_000)
        >>> round(rest.norm, 1), round(rest.angular_update, 5)
        (70.7, 0.00324)

    Source: Wan et al. 2020 (arXiv 2006.08419); Kosson et al. 2024 (2305.17212).

    Args:
        learning_rate: eta, above 0.
        weight_decay: lam, above 0, with ``eta lam < 1``.
        optimizer: ``sgd``, ``adamw``, ``adam`` (with L2 regularisation) or ``lion``.
        **given: ``grad_norm``, ``momentum``, ``n_weights``, ``beta1`` and ``beta2``, as in
            ``predict``.

    Returns:
        ``norm``, ``effective_lr``, ``angular_update`` (rad per step) and ``relaxation_steps``.

    Raises:
        ValueError: if a value is missing, does not belong to the optimizer or is out of range.
    """
    used = _used(optimizer, given)
    learning_rate = validate.positive("learning_rate", learning_rate)
    weight_decay = validate.positive("weight_decay", weight_decay)
    refusal = (
        f"no equilibrium within the range of floats for learning_rate = {learning_rate:g}, "
        f"weight_decay = {weight_decay:g}, "
        + ", ".join(f"{name} = {value:g}" for name, value in used.items())
    )
    try:
        with np.errstate(over="raise", divide="raise", invalid="raise"):
            return _closed_form(optimizer, learning_rate, weight_decay, used)
    except ArithmeticError as error:
        raise ValueError(refusal) from error


def _used(optimizer: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the optimizer takes of what was given, with its default betas.

    Raises:
        ValueError: if something is missing or does not belong to it.
    """
    validate.one_of("optimizer", optimizer, OPTIMIZERS)
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in TAKEN[optimizer]:
            takers = ", ".join(other for other in TAKEN if name in TAKEN[other])
            raise ValueError(f"{name} belongs to {takers}, got it with optimizer {optimizer}")
    for name in NEEDED[optimizer]:
        if name not in given:
            raise ValueError(f"optimizer {optimizer} needs {name}, got none")
    if "grad_norm" in given:
        validate.positive("grad_norm", given["grad_norm"])
    if "n_weights" in given:
        validate.within("n_weights", given["n_weights"], 1, MOST_WEIGHTS)
    betas = dict(zip(("beta1", "beta2"), DEFAULT_BETAS.get(optimizer, ()), strict=False))
    return {**betas, **given}


def _closed_form(optimizer: str, lr: float, wd: float, used: Mapping[str, Any]) -> Equilibrium:
    """The closed form of the optimizer."""
    if optimizer == "sgd":
        squared = used["grad_norm"] ** 2
        if "momentum" not in used:
            return closed_forms.sgd(lr, wd, squared)
        return closed_forms.sgd_with_momentum(lr, wd, squared, momentum=used["momentum"])
    betas = {"beta1": used["beta1"], "beta2": used["beta2"]}
    n_weights = used["n_weights"]
    if optimizer == "adam":
        # a gradient spread evenly over C weights has the root mean square g / sqrt(C) in each
        return closed_forms.adam_l2(lr, wd, used["grad_norm"] * n_weights**0.5, n_weights, **betas)
    rule = closed_forms.adamw if optimizer == "adamw" else closed_forms.lion
    return rule(lr, wd, n_weights, **betas)
