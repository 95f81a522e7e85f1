"""The formula for an optimizer as it was set, or the reason why there is none.

The rule: the exact class, options that are known, settings that stay. Anything else may move the
norm elsewhere, and no number is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from theory.laws import equilibrium as forms
from theory.laws.equilibrium.rest import Equilibrium

SMALL_EPS = 0.005  # share of the root mean square gradient by which eps makes the norm smaller
# Options that do not change the numbers, or that are held elsewhere.
HARMLESS = (
    "lr",
    "initial_lr",
    "params",
    "foreach",
    "fused",
    "capturable",
    "differentiable",
    "maximize",
)


@dataclass(frozen=True)
class Measured:
    """What some formulas need besides the settings; NaN where it was not measured.

    Attributes:
        n_weights: C, number of scale-invariant weights.
        mean_squared_g: p, mean squared effective gradient norm.
        sum_g: s, sum over weights of the root mean square effective gradient.
        mean_squared_update: mean squared norm of an update before the learning rate.
        norm: weight norm, where ``sum_g`` was measured.
        shape: of the matrix with the most weights.
        after_steps: step in the middle of what was measured.
    """

    n_weights: int
    mean_squared_g: float = float("nan")
    sum_g: float = float("nan")
    mean_squared_update: float = float("nan")
    norm: float = float("nan")
    shape: tuple[int, int] = (64, 64)
    after_steps: float = math.inf


@dataclass(frozen=True)
class Setting:
    """An optimizer as it was set.

    Attributes:
        learning_rate: eta.
        weight_decay: lam.
        options: the others, by torch's names.
        measured: what was measured.
    """

    learning_rate: float
    weight_decay: float
    options: Mapping[str, Any]
    measured: Measured

    def betas(self) -> dict[str, float]:
        """``beta1`` and ``beta2``."""
        beta1, beta2 = self.options["betas"]
        return {"beta1": float(beta1), "beta2": float(beta2)}

    def number(self, name: str, default: float = 0.0) -> float:
        """An option that is a number."""
        return float(self.options.get(name) or default)


Formula = Callable[[Setting], Equilibrium]


def at_rest(
    optimizer: str,
    learning_rate: float,
    weight_decay: float,
    options: Mapping[str, Any],
    measured: Measured,
) -> Equilibrium:
    """Where the norm rests under an optimizer.

    Args:
        optimizer: qualified name of its exact class, such as ``torch.optim.AdamW``, or the rule
            ``sgd``, ``sgdw``, ``adamw``, ``adam``, ``lion`` or ``muon`` that a user says it
            follows.
        learning_rate: eta, constant.
        weight_decay: lam, constant.
        options: of its param_group, by torch's names.
        measured: what some formulas need.

    Raises:
        ValueError: saying why there is no formula.
    """
    if weight_decay == 0:
        raise ValueError("without weight decay nothing balances the growth that steps bring")
    if optimizer in REASONS:
        raise ValueError(f"{optimizer} has no equilibrium: {REASONS[optimizer]}")
    if optimizer not in KNOWN:
        rules = ", ".join(name for name in KNOWN if "." not in name)
        advice = f"; if its steps are those of {rules}, give Monitor that name as update_rule"
        raise ValueError(f"no closed form is known for {optimizer}{advice * ('.' in optimizer)}")
    formula, usual = KNOWN[optimizer]
    for name, value in options.items():
        if name in HARMLESS or name in ("weight_decay", *usual):
            continue
        if value not in (None, False, 0):
            raise ValueError(
                f"no closed form is known for {optimizer} with the option {name} = {value}"
            )
    return formula(Setting(learning_rate, weight_decay, {**usual, **options}, measured))


def _sgd(one: Setting) -> Equilibrium:
    p = _needed("mean squared effective gradient", one.measured.mean_squared_g)
    setting = (one.learning_rate, one.weight_decay, p)
    momentum, dampening = one.number("momentum"), one.number("dampening")
    nesterov = bool(one.options.get("nesterov"))
    if nesterov or dampening:
        return forms.sgd_of_torch(
            *setting, momentum=momentum, dampening=dampening, nesterov=nesterov
        )
    return forms.sgd_with_momentum(*setting, momentum=momentum) if momentum else forms.sgd(*setting)


def _sgdw(one: Setting) -> Equilibrium:
    p = _needed("mean squared effective gradient", one.measured.mean_squared_g)
    momentum = one.number("momentum")
    return forms.sgd_of_torch(
        one.learning_rate, one.weight_decay, p, momentum=momentum, decoupled=True
    )


def _adamw(one: Setting) -> Equilibrium:
    _check_eps(one)
    n_weights = one.measured.n_weights
    return forms.adamw(one.learning_rate, one.weight_decay, n_weights, **one.betas())


def _adam(one: Setting) -> Equilibrium:
    if one.options.get("decoupled_weight_decay"):
        return _adamw(one)
    _check_eps(one)
    sum_g = _needed("sum of root mean square gradients", one.measured.sum_g)
    n_weights = one.measured.n_weights
    return forms.adam_l2(one.learning_rate, one.weight_decay, sum_g, n_weights, **one.betas())


def _nadam(one: Setting) -> Equilibrium:
    if not one.options.get("decoupled_weight_decay"):
        raise ValueError(
            "no closed form is known for torch.optim.NAdam with decay in the gradient; "
            "decoupled_weight_decay=True has one"
        )
    _check_eps(one)
    n_weights = one.measured.n_weights
    return forms.nadamw(
        one.learning_rate,
        one.weight_decay,
        n_weights,
        **one.betas(),
        momentum_decay=one.number("momentum_decay"),
        after_steps=one.measured.after_steps,
    )


def _rmsprop(one: Setting) -> Equilibrium:
    _check_eps(one)
    sum_g = _needed("sum of root mean square gradients", one.measured.sum_g)
    options = {"alpha": one.number("alpha"), "momentum": one.number("momentum")}
    n_weights = one.measured.n_weights
    return forms.rmsprop(one.learning_rate, one.weight_decay, sum_g, n_weights, **options)


def _lion(one: Setting) -> Equilibrium:
    return forms.lion(one.learning_rate, one.weight_decay, one.measured.n_weights, **one.betas())


def _muon(one: Setting) -> Equilibrium:
    size = _needed("mean squared update", one.measured.mean_squared_update)
    return forms.muon(
        one.learning_rate,
        one.weight_decay,
        size,
        momentum=one.number("momentum"),
        nesterov=bool(one.options.get("nesterov")),
        shape=one.measured.shape,
    )


def _check_eps(one: Setting) -> None:
    """Refuse an eps that is not small against the gradients, or not known to be.

    Raises:
        ValueError: saying so.
    """
    eps, measured = one.number("eps"), one.measured
    typical = measured.sum_g / measured.n_weights / measured.norm
    if not eps <= SMALL_EPS * typical and not (eps <= USUAL_EPS and typical != typical):
        raise ValueError(
            f"eps = {eps:g} is not small against the gradients it is added to"
            + (f" (root mean square {typical:.2g})" if typical == typical else "")
            + ", and makes the norm smaller"
        )


def _needed(name: str, value: float) -> float:
    """A measured number.

    Raises:
        ValueError: if it was not measured.
    """
    if not value > 0:
        raise ValueError(f"the {name} was not recorded")
    return value


USUAL_EPS = 1e-8
MOMENTS = {"betas": (0.9, 0.999), "eps": USUAL_EPS}
HEAVY = {"momentum": 0.0, "dampening": 0.0, "nesterov": False}
NEWTON_SCHULZ = {"ns_coefficients": None, "ns_steps": 5, "eps": 1e-7, "adjust_lr_fn": None}
# Formula and the options that it knows, with their usual values.
KNOWN: dict[str, tuple[Formula, dict[str, Any]]] = {
    "torch.optim.SGD": (_sgd, HEAVY),
    "sgd": (_sgd, HEAVY),
    "sgdw": (_sgdw, {"momentum": 0.0}),
    "torch.optim.Adam": (_adam, {**MOMENTS, "decoupled_weight_decay": False}),
    "adam": (_adam, MOMENTS),
    "torch.optim.AdamW": (_adamw, {**MOMENTS, "decoupled_weight_decay": True}),
    "adamw": (_adamw, {**MOMENTS, "decoupled_weight_decay": True, "correct_bias": True}),
    "torch.optim.RAdam": (_adam, {**MOMENTS, "decoupled_weight_decay": False}),
    "torch.optim.NAdam": (
        _nadam,
        {**MOMENTS, "decoupled_weight_decay": False, "momentum_decay": 0.004},
    ),
    "torch.optim.RMSprop": (_rmsprop, {"alpha": 0.99, "eps": USUAL_EPS, "momentum": 0.0}),
    "lion": (_lion, {"betas": (0.9, 0.99)}),
    "torch.optim.Muon": (_muon, {"momentum": 0.95, "nesterov": True, **NEWTON_SCHULZ}),
    "muon": (_muon, {"momentum": 0.95, "nesterov": True, **NEWTON_SCHULZ}),
}
REASONS = {
    "torch.optim.Adagrad": "it divides by the sum of all squared gradients, so steps only shrink",
    "torch.optim.Adadelta": "the size of its steps follows its own past steps",
    "torch.optim.Adamax": "it divides by a decaying maximum, whose mean is no closed form",
    "torch.optim.ASGD": "its rate and its decay change from step to step",
    "torch.optim.Rprop": "each weight has a step of its own that grows and shrinks by signs",
    "torch.optim.LBFGS": "its steps come from a line search",
    "torch.optim.SparseAdam": "it has no weight decay",
    "torch.optim.Adafactor": "its rate is relative to the weights and its updates are clipped",
}
