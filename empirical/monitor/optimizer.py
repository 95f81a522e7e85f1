"""The optimizer whose steps are followed, as plain data: what it is called and how it is set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

NO_SETTINGS = ("params", "lr", "initial_lr")  # the rate is recorded in every step
CHANGING = ("step", "k", "weight_sum", "mu_product")  # counters that some optimizers keep there
PATIENCE = 100  # calls of a loop between two steps, over the most so far, that may be normal


def stepping(optimizer: Any) -> Optimizer:
    """The optimizer whose ``step`` moves the weights: the innermost of those that wrap it.

    A wrapper (accelerate's, Lightning's, SAM, Lookahead) holds another optimizer of the same
    weights, and it is that one's step that the laws describe.

    Raises:
        ValueError: if it is no optimizer, or one that never set torch's hooks up.
    """
    name = type(optimizer).__name__
    if isinstance(inner := _inner(optimizer), Optimizer):
        return stepping(inner)
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"optimizer must be a torch.optim.Optimizer, got {name}")
    if not hasattr(optimizer, "_optimizer_step_pre_hooks"):
        raise ValueError(
            f"{name} does not call torch.optim.Optimizer.__init__, so its steps cannot be seen; "
            "give the optimizer that it wraps"
        )
    return optimizer


def _inner(optimizer: Any) -> Optimizer | None:
    """Another optimizer that an optimizer holds, of the same weights."""
    for held in vars(optimizer).values() if hasattr(optimizer, "__dict__") else ():
        if isinstance(held, Optimizer) and held is not optimizer:
            outer, inner = _weights(optimizer), _weights(held)
            if inner and outer <= inner:
                return held
    return None


def _weights(optimizer: Any) -> set[int]:
    groups = getattr(optimizer, "param_groups", [])
    return {id(weight) for group in groups for weight in group["params"]}


def qualified_name(optimizer: Optimizer) -> str:
    """Where a class comes from and its name, ``torch.optim.SGD`` for torch's own."""
    kind = type(optimizer)
    if getattr(torch.optim, kind.__name__, None) is kind:
        return f"torch.optim.{kind.__name__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def settings(group: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a param_group that should stay as they are, as plain values."""
    return {
        name: float(value) if isinstance(value, Tensor) and value.numel() == 1 else value
        for name, value in _lasting(group)
    }


def as_json(group: Mapping[str, Any]) -> dict[str, Any]:
    """Options that JSON can hold; others as text."""
    plain = (int, float, str, bool, type(None))
    return {
        name: value
        if isinstance(value, plain)
        else list(value)
        if isinstance(value, list | tuple) and all(isinstance(v, plain) for v in value)
        else str(value)[:200]
        for name, value in settings(group).items()
    }


def root_sum_of(states: Sequence[Mapping[str, Any]], group: Mapping[str, Any]) -> Tensor | None:
    """Sum over weights of the root mean square gradient, from an adaptive optimizer's state.

    None where it holds no second moments, or does not say after how many steps.

    Args:
        states: of each weight, after a step.
        group: options of the optimizer as they are now; some count steps there.
    """
    betas = group.get("betas")
    roots = []
    for one in states:
        if "exp_avg_sq" in one and isinstance(betas, tuple | list) and len(betas) > 1:
            if (step := one.get("step", group.get("step"))) is None:
                return None
            corrected = 1 - float(betas[1]) ** torch.as_tensor(step).double()
            roots.append(one["exp_avg_sq"].sqrt().sum().double() / corrected**0.5)
        elif "square_avg" in one:
            roots.append(one["square_avg"].sqrt().sum().double())
    return torch.stack(roots).sum() if roots else None


class Awaited:
    """Steps that a training loop waits for, counted in its calls between them.

    Where gradients are accumulated there are as many calls as batches; many times more than ever
    before say that no step will come.
    """

    def __init__(self) -> None:
        self._calls, self._longest = 0, 1

    def overdue(self) -> bool:
        """Count a call; says whether a step should have come long ago."""
        self._calls += 1
        return self._calls > PATIENCE * self._longest

    def came(self) -> None:
        """Begin to count again."""
        self._longest, self._calls = max(self._longest, self._calls), 0


class Watched:
    """The settings of the weights that are followed, looked at in every step.

    Args:
        groups: the param_groups of these weights.

    Attributes:
        first: settings of the first group, as they were at first.
        changed: the first change, as a sentence; "" while there is none.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]]) -> None:
        self.first = settings(groups[0])
        self.changed = ""
        self._remember(groups)

    def _remember(self, groups: Sequence[Mapping[str, Any]]) -> None:
        """Keep what the groups are, and how to read it at once: there may be hundreds of them."""
        self._last = [self._plain(group) for group in groups]
        self._read = [itemgetter(*sorted(one)) if one else len for one in self._last]
        self._values = self._of(groups)

    def _of(self, groups: Sequence[Mapping[str, Any]]) -> list[Any]:
        """What compares: numbers of options, and their values."""
        return [(len(group), read(group)) for group, read in zip(groups, self._read, strict=True)]

    def _same(self, groups: Sequence[Mapping[str, Any]]) -> bool:
        try:
            return self._of(groups) == self._values
        except (KeyError, ValueError):  # an option less, or a group more
            return False

    def look(self, groups: Sequence[Mapping[str, Any]], step: int) -> bool:
        """Compare the groups with what they were a step before; says whether any changed."""
        if self._same(groups):
            return False
        before = self._last
        self._remember(groups)
        changes = (
            f"{name} changed from {old.get(name)} to {new.get(name)} at step {step}"
            for old, new in zip(before, self._last, strict=False)
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        )
        self.changed = self.changed or next(changes, "")
        return True

    @staticmethod
    def _plain(group: Mapping[str, Any]) -> dict[str, Any]:
        """Values that compare at once, without waiting for a device."""
        return {name: value for name, value in _lasting(group) if not isinstance(value, Tensor)}


def _lasting(group: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Options that a training leaves alone."""
    for name, value in group.items():
        if name not in NO_SETTINGS and name not in CHANGING:
            yield name, value
