"""Which weights are followed: those that one learning rate and one decay move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from empirical.invariance.isolation import unwrap

# What weights must share to be followed as one. The first rate is what a warm-up ends at.
SETTING = (
    "lr",
    "initial_lr",
    "weight_decay",
    "momentum",
    "dampening",
    "nesterov",
    "maximize",
    "betas",
)


# What wrappers within a network put into the names of its weights.
WRAPPED = ("_fsdp_wrapped_module.", "_checkpoint_wrapped_module.", "_orig_mod.")


@dataclass(frozen=True)
class Followed:
    """The weights that are followed and where their optimizer keeps its numbers.

    Attributes:
        names: names of the parameters.
        weights: the parameters.
        left_out: a sentence for each invariant unit that is not followed.
    """

    names: tuple[str, ...]
    weights: tuple[Tensor, ...]
    left_out: tuple[str, ...]

    def groups(self, optimizer: Optimizer) -> tuple[Mapping[str, Any], ...]:
        """The param_groups that hold them now: ``load_state_dict`` makes new ones.

        Raises:
            ValueError: if one of them left the optimizer.
        """
        owners = _owners(optimizer)
        missing = [n for n, w in zip(self.names, self.weights, strict=True) if id(w) not in owners]
        if missing:
            raise ValueError(f"the optimizer no longer moves {', '.join(missing)}")
        return tuple({id(g): g for g in (owners[id(w)] for w in self.weights)}.values())


def check_turns(rate: float | Tensor, decay: float) -> None:
    """Refuse decay that turns the weights around in a step, for which there is no theory.

    Raises:
        ValueError: if ``rate * decay >= 1``; a rate on a device is not waited for.
    """
    if not isinstance(rate, Tensor) and rate * decay >= 1:
        raise ValueError(
            f"learning_rate * weight_decay = {rate:g} * {decay:g} is not below 1: each step turns "
            "the weights around"
        )


def check_alike(groups: Sequence[Mapping[str, Any]]) -> None:
    """Refuse groups that no longer share what weights must share to be followed as one.

    Raises:
        ValueError: naming what differs by now.
    """
    for other in groups[1:]:
        if differs := _difference(_setting(other), _setting(groups[0])):
            raise ValueError(f"settings of the scale-invariant weights disagree, {differs}")


def rate_and_decay(groups: Sequence[Mapping[str, Any]]) -> tuple[float | Tensor, float]:
    """Learning rate and weight decay of the next step; a rate on a device stays there.

    Raises:
        ValueError: if the groups disagree by now.
    """
    first = groups[0]
    rate, decay = first["lr"], float(first.get("weight_decay", 0.0))
    for other in groups[1:]:
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
    groups = _owners(optimizer)
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
    return Followed(tuple(names), tuple(parameters[n] for n in names), tuple(left_out))


def named(model: nn.Module, names: Sequence[str]) -> tuple[str, ...]:
    """The parameters with these names, with or without what wrappers add, each once.

    Returns:
        Their names in the unwrapped network.

    Raises:
        ValueError: if a name is unknown or frozen, or none is given.
    """
    inner = unwrap(model)
    own = dict(inner.named_parameters())
    canonical = {id(parameter): name for name, parameter in own.items()}
    known = dict(inner.named_parameters(remove_duplicate=False))
    known |= dict(model.named_parameters(remove_duplicate=False))
    known |= {_plain(name): parameter for name, parameter in known.items()}
    for name in names:
        if name not in known:
            raise ValueError(f"the network has no parameter {name!r}; it has {', '.join(own)}")
        if not known[name].requires_grad:
            raise ValueError(f"parameter {name!r} is frozen")
    if not names:
        raise ValueError("parameters must name at least one weight, got none")
    return tuple(dict.fromkeys(canonical[id(known[name])] for name in names))


def _plain(name: str) -> str:
    """A parameter's name as if no part of the network were wrapped."""
    for wrapped in WRAPPED:
        name = name.replace(wrapped, "")
    return name


def _owners(optimizer: Optimizer) -> dict[int, Mapping[str, Any]]:
    """The param_group of every weight, by the weight's id."""
    return {id(p): group for group in optimizer.param_groups for p in group["params"]}


def _setting(group: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a group's weights share; numbers that a tensor holds count as numbers."""
    values = (group.get(name) for name in SETTING)
    return tuple(float(v) if isinstance(v, Tensor) else v for v in values)


def _difference(setting: tuple[Any, ...], other: tuple[Any, ...]) -> str:
    """In what two settings differ."""
    pairs = zip(SETTING, setting, other, strict=True)
    return ", ".join(f"{name} {a} instead of {b}" for name, a, b in pairs if a != b)
