"""Any torch module as a network of an ensemble: its runs share the code, not the weights."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from empirical.device.alignment import aligned
from empirical.device.precision import at_least_float32
from empirical.invariance.isolation import RandomNumbers
from empirical.networks.cuda_streams import Lanes
from empirical.networks.weight_layout import Layout

EVALUATION_BATCH = 512
CHANNEL_BLOCK = 16  # channels that oneDNN's widest kernels take at once


class ModuleNetwork:
    """A module whose weights are taken from flat tensors, one run after another.

    A run's step is large enough to keep a core busy, so nothing is gained from batching
    runs, and memory holds the activations of one run only; on a GPU of a few, side by side.

    Args:
        make: makes one module from torch's global generator.
        invariant: names of the scale-invariant parameters.

    Attributes:
        separate: whether a pass draws random numbers or changes buffers; see ``look_for_traces``.
    """

    separate = False

    def __init__(self, make: Callable[[], nn.Module], invariant: Sequence[str]) -> None:
        self.make = make
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # buffers may be drawn at random
            template = make()
        parameters = dict(template.named_parameters())
        trained = [name for name, parameter in parameters.items() if parameter.requires_grad]
        others = [name for name in trained if name not in invariant]
        ordered = [name for name in trained if name in invariant]
        self.invariant = _layout(parameters, ordered)
        self.layers = _layout(parameters, [*ordered, *others])
        self.frozen = _layout(parameters, [name for name in parameters if name not in trained])
        self.training = _without_statistics(template).train()
        self.evaluation = _with_cumulative_statistics(template)
        self.order = order_of_channels(template)
        self.lanes = Lanes()

    def look_for_traces(self, images: Tensor) -> None:
        """See whether a pass in training draws random numbers or changes buffers.

        Dropout and spectral normalisation do. Runs that share one module would then depend on each
        other; ``separate`` says so.

        Args:
            images: a batch, (n_examples, channels, height, width).
        """
        numbers = RandomNumbers(self.training)
        before = {name: buffer.clone() for name, buffer in self.training.named_buffers()}
        try:
            numbers.seed(0)
            with torch.no_grad():
                self.training(images)
            draws = numbers.moved(0)
        finally:
            numbers.restore()
        changes = any(not torch.equal(b, before[name]) for name, b in self.state().items())
        self.restore(before)
        self.separate = draws or changes

    def begin(self, seed: int, step: int) -> None:
        """Start all random generators from numbers of their own for each seed and step."""
        value = int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
        torch.manual_seed(value)
        np.random.seed(value)  # noqa: NPY002 - modules in use draw from it
        random.seed(value)

    def state(self) -> dict[str, Tensor]:
        """Buffers of the module in training, by name."""
        return dict(self.training.named_buffers())

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Set the buffers, in evaluation too where it has the same."""
        for module in (self.training, self.evaluation):
            for name, buffer in module.named_buffers():
                if name in state:
                    buffer.copy_(state[name])

    def initialise(self, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw one network; see ``empirical.networks.by_name.Network``."""
        seed = int(torch.randint(2**62, (), generator=generator))
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            parameters = {name: p.detach() for name, p in self.make().named_parameters()}
        return tuple(  # type: ignore[return-value]
            torch.cat([torch.empty(0), *(parameters[name].flatten() for name in layout.names)])
            for layout in (self.layers, self.frozen)
        )

    def losses(
        self, leaves: list[Tensor], frozen: Tensor, images: Tensor, labels: Tensor
    ) -> Tensor:
        """Mean loss of every network; see ``empirical.networks.by_name.Network``."""
        return torch.stack(
            [
                self._loss([leaf[run] for leaf in leaves], fixed, images[run], labels[run])
                for run, fixed in enumerate(frozen)
            ]
        )

    def gradients(
        self, leaves: list[Tensor], frozen: Tensor, images: Tensor, labels: Tensor, *, out: Tensor
    ) -> Tensor:
        """Mean losses and their gradients, run by run; see ``by_name.Network``.

        A weight that the loss does not use has the gradient 0, and decays.
        """
        losses: list[Tensor] = []
        images = aligned(images)
        lanes = self.lanes if len(frozen) > 1 else Lanes()
        for run, fixed in enumerate(frozen):
            with lanes.lane(run):
                own = [_own(leaf[run]) for leaf in leaves]
                loss = self._loss(own, fixed, images[run], labels[run])
                parts = torch.autograd.grad(loss, own, allow_unused=True)
                flat = [_dense(part, leaf) for part, leaf in zip(parts, own, strict=True)]
                torch.cat(flat, out=out[run, : self.layers.n_weights])
                losses.append(loss.detach())
        lanes.join(len(losses))
        return torch.stack(losses)

    def _loss(self, own: list[Tensor], fixed: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        """Mean loss of one run."""
        logits = self._call(self.training, own, fixed, images)
        return F.cross_entropy(at_least_float32(logits), labels)

    def test_logits(
        self, leaves: list[Tensor], frozen: Tensor, population: Tensor, images: Tensor
    ) -> Tensor:
        """Logits with the population's statistics; see ``empirical.networks.by_name.Network``."""
        logits = []
        self.restore(self.state())  # what training left in buffers
        for run, fixed in enumerate(frozen):
            own = [leaf[run] for leaf in leaves]
            for part in self.evaluation.modules():
                if isinstance(part, _BatchNorm):
                    part.reset_running_stats()  # nothing where a user's module keeps none
            self.evaluation.train()
            for batch in torch.split(population, EVALUATION_BATCH):
                self._call(self.evaluation, own, fixed, batch)
            self.evaluation.eval()
            batches = torch.split(images, EVALUATION_BATCH)
            parts = [self._call(self.evaluation, own, fixed, batch) for batch in batches]
            logits.append(torch.cat(parts).T)
        return torch.stack(logits)

    def _call(self, module: nn.Module, own: list[Tensor], fixed: Tensor, images: Tensor) -> Tensor:
        """Logits (n_examples, n_classes) of one run."""
        if images.shape[1] > 1:
            images = images.contiguous(memory_format=self.order)
        frozen = (part[0] for part in self.frozen.split(fixed[None]))
        weights = dict(zip(self.layers.names, own, strict=True))
        weights |= dict(zip(self.frozen.names, frozen, strict=True))
        logits: Tensor = functional_call(module, weights, (images,))
        return logits

    def to(self, device: torch.device, dtype: torch.dtype) -> ModuleNetwork:
        """Move what is not a weight, such as buffers; see ``by_name.Network``."""
        self.training.to(device, dtype)
        self.evaluation.to(device, dtype)
        for part in self.evaluation.modules():
            if isinstance(part, _BatchNorm) and part.num_batches_tracked is not None:
                part.num_batches_tracked = torch.tensor(0, device="cpu")  # each batch reads it
        self.lanes = Lanes(device)
        return self


def order_of_channels(module: nn.Module) -> torch.memory_format:
    """In which order convolutions take images: channels last is two to four times as fast.

    Not where a 1x1 convolution skips pixels of few channels: oneDNN then writes past its buffer in
    the gradient (github.com/uxlfoundation/oneDNN/issues/6035: wrong numbers, a hang or a crash).
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d) and part.in_channels // part.groups < CHANNEL_BLOCK:
            pointwise = all(size == 1 for size in part.kernel_size)
            if pointwise and any(stride > 1 for stride in part.stride):
                return torch.contiguous_format
    return torch.channels_last


def _own(weight: Tensor) -> Tensor:
    """A run's own copy, to differentiate in.

    It lies where memory is aligned, so that a run rounds the same in any ensemble; on a GPU in the
    order in which convolutions want it.
    """
    last = weight.device.type != "cpu" and weight.ndim == 4
    order = torch.channels_last if last else torch.contiguous_format
    return weight.detach().clone(memory_format=order).requires_grad_()


def _dense(gradient: Tensor | None, weight: Tensor) -> Tensor:
    """A gradient as one flat tensor, 0 where there is none."""
    return (torch.zeros_like(weight) if gradient is None else gradient).to_dense().flatten()


def _layout(parameters: dict[str, nn.Parameter], names: Sequence[str]) -> Layout:
    return Layout(tuple(names), tuple(tuple(parameters[name].shape) for name in names))


def _without_statistics(template: nn.Module) -> nn.Module:
    """A copy whose batch normalisations keep no running statistics: training needs none."""
    module = copy.deepcopy(template)
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            part.track_running_stats = False
            part.running_mean = part.running_var = part.num_batches_tracked = None
    return module


def _with_cumulative_statistics(template: nn.Module) -> nn.Module:
    """A copy whose batch normalisations average over all batches since the last reset."""
    module = copy.deepcopy(template)
    for part in module.modules():
        if isinstance(part, _BatchNorm):
            part.momentum = None
    return module
