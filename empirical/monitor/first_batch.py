"""The first batch that a network sees in training, kept aside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from empirical.invariance.inputs import Inputs, copied
from empirical.invariance.isolation import unwrap


class FirstInputs:
    """Copies the inputs of a network's first forward pass in training, then is gone.

    Passes without gradients, as in an evaluation before training, do not count. It hangs on
    torch's hook of all modules, not on the network, of which copies may be made meanwhile; and it
    sees a network that is called through a wrapper, compiled or data parallel.

    Args:
        model: the network, unwrapped.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.kept: Inputs | None = None
        self._hook = register_module_forward_hook(self._keep, with_kwargs=True)

    def remove(self) -> None:
        """Stop waiting."""
        self._hook.remove()

    def _keep(
        self,
        module: nn.Module,
        arguments: tuple[Any, ...],
        keywords: Mapping[str, Any],
        outputs: Any,
    ) -> None:
        if torch.compiler.is_compiling() or self.kept is not None:
            return
        if torch.is_grad_enabled() and unwrap(module) is self._model:
            self.kept = copied((tuple(arguments), dict(keywords)))
            self.remove()
