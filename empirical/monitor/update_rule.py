"""How an optimizer moves the scale-invariant weights: by which rule and with which numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

DECOUPLED = (
    "sgd",
    "sgdw",
    "adamw",
    "lion",
    "muon",
)  # SGD's coupled decay shrinks the weights alike


@dataclass(frozen=True)
class Rule:
    """An update rule.

    Attributes:
        name: ``sgd``, ``adamw``, ``adam`` (decay added to the gradient), ``lion``, or the name of
            the optimizer's class in lower case.
        variant: a form of SGD with laws of its own: ``nesterov`` or ``dampening``.
        heavy: whether it is SGD with momentum.
        decoupled: whether decay multiplies the weights by ``a = 1 - eta lam`` in each step.
    """

    name: str
    variant: str
    heavy: bool
    decoupled: bool

    @classmethod
    def of(
        cls,
        optimizer: Optimizer,
        name: str | None = None,
        *,
        group: Mapping[str, Any] | None = None,
    ) -> Rule:
        """The rule of an optimizer, or the named one, as one of its groups (the first) sets it.

        A class that is derived from SGD or Adam counts as these in what is measured and held
        against the exact laws; whether it has an equilibrium is asked of the exact class.

        Raises:
            ValueError: if it has no learning rate, or maximises.
        """
        group = group or optimizer.param_groups[0]
        if "lr" not in group:
            found = type(optimizer).__name__
            raise ValueError(f"{found} has no lr in its param_groups, so its steps have no scale")
        if any(one.get("maximize") for one in optimizer.param_groups):
            raise ValueError("maximize=True climbs the loss; no law here describes that")
        name = name or _name(optimizer)
        variant = ""
        if name == "sgd" and group.get("nesterov"):
            variant = "nesterov"
        elif name == "sgd" and group.get("dampening"):
            variant = f"dampening {group['dampening']:g}"
        heavy = name == "sgd" and group.get("momentum", 0) != 0
        decoupled = name in DECOUPLED or bool(group.get("decoupled_weight_decay"))
        return cls(name, variant, heavy, decoupled)

    def shrink(self, rate: float | Tensor, decay: float) -> float | Tensor:
        """What decay alone leaves of the weights in a step, a; a rate on a device stays there."""
        return 1 - rate * decay if self.decoupled else 1.0


def _name(optimizer: Optimizer) -> str:
    """Name of an optimizer's rule, by its class and those it is derived from."""
    if isinstance(optimizer, AdamW):
        return "adamw"
    if isinstance(optimizer, Adam):
        return "adamw" if optimizer.param_groups[0].get("decoupled_weight_decay") else "adam"
    if isinstance(optimizer, SGD):
        return "sgd"
    name = type(optimizer).__name__.lower()
    return "lion" if "lion" in name else name


def momentum_coefficients(group: Mapping[str, Any]) -> tuple[float, float, float]:
    """Coefficients (alpha, beta, gamma) of torch's next SGD update.

    With ``b' = m b + (1 - tau) (grad + lam w)`` the step is ``w' = w - eta b'``, or with Nesterov's
    ``w' = w - eta (grad + lam w + m b')``; both are ``w' = a w - eta (alpha grad + beta b +
    gamma w)``. A weight without b starts from ``b' = grad + lam w``: as from ``b = 0`` where
    nothing is dampened, and with the coefficients (1, 0, 0) else.

    Args:
        group: the param_group, with momentum m and dampening tau.
    """
    momentum = float(group["momentum"])
    dampening = float(group.get("dampening", 0.0)) if momentum else 0.0  # that of a momentum
    decay = float(group.get("weight_decay", 0.0))
    if group.get("nesterov"):
        return 1 + momentum, momentum**2, momentum * decay
    return 1 - dampening, momentum, -dampening * decay
