"""The first batch that a network sees in training, kept aside."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

from empirical.invariance.inputs import Inputs, copied
from empirical.invariance.isolation import peeled

COMPILED = "OptimizedModule"  # what ``torch.compile`` returns; its import takes a second


class FirstInputs:
    """Copies the inputs of a network's first forward pass in training, then is gone.

    Passes without gradients, as in an evaluation before training, do not count. It looks on where
    the network, or what wraps it, is called from outside of what is compiled: hooks within it see
    nothing, and have ``torch.compile`` compile again once they are gone.

    Args:
        model: the network, as it is wrapped. Compiled, if it is to be, before this.
    """

    def __init__(self, model: nn.Module) -> None:
        self.kept: Inputs | None = None
        self._parts = _called_from_outside(model)
        self._in_place = [(p, call) for p in self._parts if (call := p._compiled_call_impl)]
        for part, call in self._in_place:
            part._compiled_call_impl = partial(self._call, part, call)
        eager = [part for part in self._parts if part._compiled_call_impl is None]
        self._hooks = [p.register_forward_hook(_Look(self), with_kwargs=True) for p in eager]

    def remove(self) -> None:
        """Stop waiting."""
        for hook in self._hooks:
            hook.remove()
        for part, call in self._in_place:
            part._compiled_call_impl = call

    def look(self, module: nn.Module, inputs: Inputs) -> None:
        """Keep the inputs of a pass, if it is the first that counts."""
        ours = any(module is part for part in self._parts)  # and no replica on another device
        if self.kept is None and ours and torch.is_grad_enabled():
            self.kept = copied(inputs)
            self.remove()

    def _call(self, part: nn.Module, call: Any, *arguments: Any, **keywords: Any) -> Any:
        """Call a network that ``module.compile()`` has compiled, with its hooks."""
        outputs = call(*arguments, **keywords)
        self.look(part, (arguments, keywords))
        return outputs


class _Look:
    """A forward hook that copies of the network do without."""

    def __init__(self, owner: FirstInputs | None) -> None:
        self._owner = owner

    def __call__(
        self,
        module: nn.Module,
        arguments: tuple[Any, ...],
        keywords: Mapping[str, Any],
        outputs: Any,
    ) -> None:
        """Show the inputs of a pass, unless it is only traced."""
        if self._owner is not None and not torch.compiler.is_compiling():
            self._owner.look(module, (tuple(arguments), dict(keywords)))

    def __reduce__(self) -> tuple[type[_Look], tuple[None]]:
        return _Look, (None,)


def _called_from_outside(model: nn.Module) -> list[nn.Module]:
    """The wrappers and the network down to the first that is compiled.

    Of a network that is given itself, those that ``torch.compile`` has made of it, if there are.
    """
    parts = peeled(model)
    for i, part in enumerate(parts):
        if part._compiled_call_impl or type(part).__name__ == COMPILED:
            return parts[: i + 1]
    held = (one for one in gc.get_objects() if type(one).__name__ == COMPILED)
    return [one for one in held if one._orig_mod is parts[-1]] or parts
