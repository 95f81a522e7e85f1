"""How an optimizer moves the scale-invariant weights: by which rule and with which numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.optim import SGD, Adam, AdamW, Optimizer

# What weights must share to be followed as one.
SETTING = ("lr", "weight_decay", "momentum", "dampening", "nesterov", "maximize", "betas")
DECOUPLED = ("sgd", "adamw", "lion", "muon")  # SGD's coupled decay shrinks the weights alike


@dataclass(frozen=True)
class Rule:
    """An update rule.

    Attributes:
        name: ``sgd``, ``adamw``, ``adam`` (decay added to the gradient), ``lion``, or the name of
            the optimizer's class in lower case.
        variant: what the theory of its equilibria does not cover: ``nesterov`` or ``dampening``.
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

        Raises:
            ValueError: if it is not an optimizer with a learning rate, or maximises.
        """
        if not isinstance(optimizer, Optimizer):
            found = type(optimizer).__name__
            raise ValueError(f"optimizer must be a torch.optim.Optimizer, got {found}")
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


@dataclass(frozen=True)
class Followed:
    """The weights that are followed and where their optimizer keeps its numbers.

    Attributes:
        names: names of the parameters.
        groups: param_groups that hold them, all with the same setting.
        left_out: a sentence for each invariant unit that is not followed.
    """

    names: tuple[str, ...]
    groups: tuple[Mapping[str, Any], ...]
    left_out: tuple[str, ...]

    def rate_and_decay(self) -> tuple[float | Tensor, float]:
        """Learning rate and weight decay of the next step; a rate on a device stays there.

        Raises:
            ValueError: if the groups disagree by now.
        """
        first = self.groups[0]
        rate, decay = first["lr"], float(first.get("weight_decay", 0.0))
        for other in self.groups[1:]:
            if other["lr"] is not rate and float(other["lr"]) != float(rate):
                raise ValueError(
                    "learning rates of the scale-invariant weights disagree, "
                    f"{float(rate):g} and {float(other['lr']):g}"
                )
            if float(other.get("weight_decay", 0.0)) != decay:
                raise ValueError("weight decays of the scale-invariant weights disagree")
        return (rate.detach().clone() if isinstance(rate, Tensor) else float(rate)), decay


def follow(
    optimizer: Optimizer,
    units: Sequence[tuple[str, ...]],
    parameters: Mapping[str, Tensor],
    *,
    strict: bool,
) -> Followed:
    """Choose the weights that one learning rate and one decay move.

    The norm law relates one rate and one decay to one norm. Units of scale-invariant weights whose
    groups differ in these, e.g. gains without decay, are therefore left out: the setting that
    moves the most weights is followed. What remains is scale-invariant as well.

    Args:
        optimizer: the optimizer.
        units: names of tensors that are invariant alone, or only together.
        parameters: the network's parameters by name.
        strict: refuse instead of leaving units out.

    Raises:
        ValueError: if no unit remains, or, if strict, one would be left out.
    """
    groups = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    kept: dict[tuple[Any, ...], list[str]] = {}
    left_out: list[str] = []
    for unit in units:
        held = [groups[id(parameters[n])] for n in unit if id(parameters[n]) in groups]
        settings = {_setting(group) for group in held}
        if len(held) < len(unit):
            left_out.append(f"{', '.join(unit)}: not in the optimizer")
        elif len(settings) > 1:
            left_out.append(f"{', '.join(unit)}: invariant together, in groups that differ")
        else:
            kept.setdefault(settings.pop(), []).extend(unit)
    if not kept:
        reason = f" ({'; '.join(left_out)})" if left_out else ""
        raise ValueError(f"the optimizer moves no scale-invariant weight{reason}")
    largest = max(kept, key=lambda one: sum(parameters[name].numel() for name in kept[one]))
    for setting, names in kept.items():
        if setting != largest:
            differs = _difference(setting, largest)
            left_out.append(f"{', '.join(names)}: {differs} of the other scale-invariant weights")
    if strict and left_out:
        raise ValueError(f"parameters cannot be followed as one: {'; '.join(left_out)}")
    names = kept[largest]
    owners = {id(groups[id(parameters[n])]): groups[id(parameters[n])] for n in names}
    return Followed(tuple(names), tuple(owners.values()), tuple(left_out))


def _setting(group: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a group's weights share; numbers that a tensor holds count as numbers."""
    values = (group.get(name) for name in SETTING)
    return tuple(float(v) if isinstance(v, Tensor) else v for v in values)


def _difference(setting: tuple[Any, ...], other: tuple[Any, ...]) -> str:
    """In what two settings differ."""
    pairs = zip(SETTING, setting, other, strict=True)
    return ", ".join(f"{name} {a} instead of {b}" for name, a, b in pairs if a != b)


def momentum_coefficients(group: Mapping[str, Any], *, first: bool) -> tuple[float, float, float]:
    """Coefficients (alpha, beta, gamma) of torch's next SGD update.

    With ``b' = m b + (1 - tau) (grad + lam w)``, and ``b' = grad + lam w`` in the first step, the
    step is ``w' = w - eta b'``, or with Nesterov's ``w' = w - eta (grad + lam w + m b')``; both
    are ``w' = a w - eta (alpha grad + beta b + gamma w)``.

    Args:
        group: the param_group, with momentum m and dampening tau.
        first: whether there is no b yet.
    """
    momentum, dampening = float(group["momentum"]), float(group.get("dampening", 0.0))
    decay = float(group.get("weight_decay", 0.0))
    if group.get("nesterov"):
        return 1 + momentum, 0.0 if first else momentum**2, momentum * decay
    if first:
        return 1.0, 0.0, 0.0
    return 1 - dampening, momentum, -dampening * decay
