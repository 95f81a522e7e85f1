"""What a forward pass may leave behind, put back: random numbers, hooks, attributes of modules."""

from __future__ import annotations

import copy
import gc
import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules import module as hooks_of_all_modules
from torch.nn.parallel import DataParallel, DistributedDataParallel

from empirical.device import machine

WRAPPERS = (DataParallel, DistributedDataParallel)
PLAIN = (int, float, str, bytes, bool, complex, type(None), torch.dtype, torch.device)
# Hooks of torch's own reparametrisations make weights; all others only watch.
MAKES_WEIGHTS = "torch.nn.utils."
OWN_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)


def unwrap(model: nn.Module) -> nn.Module:
    """The network within ``torch.compile``'s and the data-parallel wrappers."""
    return peeled(model)[-1]


def peeled(model: nn.Module) -> list[nn.Module]:
    """A network's wrappers, from the outermost, and the network itself, last."""
    parts = [model]
    while True:
        if isinstance(compiled := getattr(parts[-1], "_orig_mod", None), nn.Module):
            parts.append(compiled)
        elif isinstance(parts[-1], WRAPPERS):
            parts.append(parts[-1].module)
        else:
            return parts


@contextmanager
def quiet() -> Iterator[None]:
    """No compilation and no global hook of modules within, and gradients as in training."""
    held = {name: getattr(hooks_of_all_modules, name) for name in GLOBAL_HOOKS}
    with ExitStack() as stack:
        if hasattr(torch.compiler, "set_stance"):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(torch.enable_grad())
        try:
            for name, found in held.items():
                setattr(hooks_of_all_modules, name, type(found)())
            yield
        finally:
            for name, found in held.items():
                setattr(hooks_of_all_modules, name, found)


def remove_hooks(model: nn.Module) -> tuple[str, ...]:
    """Take a private copy's hooks away, but for those that make its weights; names those taken."""
    taken = []
    for part in model.modules():
        for kind in OWN_HOOKS:
            held = getattr(part, kind)
            for key, hook in list(held.items()):
                if not type(hook).__module__.startswith(MAKES_WEIGHTS):
                    taken.append(getattr(hook, "__qualname__", type(hook).__qualname__))
                    del held[key]
    return tuple(taken)


class RandomNumbers:
    """The state of every random generator of the process that can be found.

    Those of Python, NumPy and torch, on all devices, those that any object of the process holds,
    and torch's own in attributes of the network's modules and in globals of any file.

    Args:
        model: the network.
    """

    def __init__(self, model: nn.Module) -> None:
        kinds = (random.Random, np.random.Generator, np.random.RandomState)
        self._others = [one for one in gc.get_objects() if type(one) in kinds]
        self._torch = list({id(g): g for g in _torch_generators(model)}.values())
        self._start = self._states()

    def restore(self) -> None:
        """Set all generators back to where they were when this was made."""
        python, numpy_, torch_, devices, others, own = self._start
        random.setstate(python)
        np.random.set_state(numpy_)  # noqa: NPY002 - networks in use draw from it
        torch.set_rng_state(torch_)
        if devices:
            torch.cuda.set_rng_state_all(devices)
        for generator, state in zip(self._others, others, strict=True):
            _set(generator, state)
        for generator, state in zip(self._torch, own, strict=True):
            generator.set_state(state)

    def seed(self, value: int) -> None:
        """Start the generators of the process, and those found, from a number."""
        random.seed(value)
        np.random.seed(value)  # noqa: NPY002
        torch.manual_seed(value)
        for generator in self._others:
            _seed(generator, value)
        for generator in self._torch:
            generator.manual_seed(value)

    def moved(self, value: int) -> bool:
        """Whether anything was drawn since ``seed(value)``."""
        after = self._states()
        self.seed(value)
        return not _same(after, self._states())

    def _states(self) -> tuple[Any, ...]:
        return (
            random.getstate(),
            np.random.get_state(),  # noqa: NPY002
            torch.get_rng_state(),
            torch.cuda.get_rng_state_all() if machine.uses_a_gpu() else [],
            [_get(one) for one in self._others],
            [one.get_state() for one in self._torch],
        )


class Attributes:
    """Plain attributes of a network's modules, such as counters, at one moment.

    Args:
        model: a private copy of the network.
    """

    def __init__(self, model: nn.Module) -> None:
        # tensors and modules are shared, not copied
        self._shared: dict[int, Any] = {id(part): part for part in model.modules()}
        self._shared |= {id(t): t for t in (*model.parameters(), *model.buffers())}
        self._held = [(part, self._copied(_attributes(part))) for part in model.modules()]

    def restore(self) -> None:
        """Set them back."""
        for part, held in self._held:
            for name in _attributes(part).keys() - held.keys():
                del part.__dict__[name]
            part.__dict__.update(self._copied(held))

    def same(self) -> bool:
        """Whether plain values are as they were."""
        return all(
            part.__dict__.get(name) == value
            for part, held in self._held
            for name, value in held.items()
            if isinstance(value, PLAIN)
        )

    def scaled(self, word: str, factor: float) -> Iterator[tuple[dict[str, Any], str, float]]:
        """Floats with a word in their name: where they are held, their name and scaled value."""
        for _, held in self._held:
            for name, value in held.items():
                if word in name and isinstance(value, float):
                    yield held, name, factor * value

    def _copied(self, values: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value if isinstance(value, PLAIN) else _deep_copy(value, self._shared)
            for name, value in values.items()
        }


def _attributes(part: nn.Module) -> dict[str, Any]:
    """A module's attributes, without what torch keeps there: weights, buffers, parts, hooks."""
    return {name: value for name, value in vars(part).items() if name not in _OF_TORCH}


_OF_TORCH = vars(nn.Module()).keys() - {"training"}


def _deep_copy(value: Any, shared: dict[int, Any]) -> Any:
    """A copy that shares the given objects; the value itself where it cannot be copied."""
    try:
        return copy.deepcopy(value, dict(shared))
    except Exception:  # an open file, a lock: nothing that could be put back
        return value


def _torch_generators(model: nn.Module) -> Iterator[torch.Generator]:
    """Generators of torch among attributes of modules and globals of all files."""
    files = [vars(one) for one in list(sys.modules.values()) if hasattr(one, "__dict__")]
    for place in (*map(vars, model.modules()), *files):
        for value in list(place.values()):
            if type(value) is torch.Generator and value is not torch.default_generator:
                yield value


def _get(generator: Any) -> Any:
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    return generator.getstate() if isinstance(generator, random.Random) else generator.get_state()


def _set(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        generator.set_state(state)


def _seed(generator: Any, value: int) -> None:
    if isinstance(generator, np.random.Generator):
        fresh = type(generator.bit_generator)(value)
        generator.bit_generator.state = fresh.state
    else:
        generator.seed(value)


def _same(one: Any, other: Any) -> bool:
    """Equality of nested states that hold arrays and tensors."""
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return bool(np.array_equal(one, other))
