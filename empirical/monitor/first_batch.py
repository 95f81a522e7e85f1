"""The first batch that a network sees in training, kept aside."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from empirical.invariance.search import cut

MAX_EXAMPLES = 16


class FirstInputs:
    """Copies the inputs of a network's first forward pass in training, then is gone.

    Passes without gradients, as in an evaluation before training, do not count.

    Args:
        model: the network.
    """

    def __init__(self, model: nn.Module) -> None:
        self._kept: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self._hook = model.register_forward_pre_hook(self._keep, with_kwargs=True)

    def take(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments, no more than 16 examples of them.

        Raises:
            ValueError: if there was no pass.
        """
        if self._kept is None:
            raise ValueError(
                "no forward pass of the network was seen before optimizer.step(); "
                "give Monitor inputs=batch, or parameters=names"
            )
        return self._kept

    def remove(self) -> None:
        """Stop waiting."""
        self._hook.remove()

    def _keep(
        self, model: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any]
    ) -> None:
        if self._kept is None and torch.is_grad_enabled():
            arguments, keywords = cut(arguments, dict(keywords), MAX_EXAMPLES)
            self._kept = (_copy(tuple(arguments)), _copy(dict(keywords)))
            self._hook.remove()


def _copy(value: Any) -> Any:
    """The same nested value with tensors of its own."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {key: _copy(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_copy(part) for part in value)
    return value
