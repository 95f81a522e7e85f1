"""Architectures by name, as something that an ensemble can train."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Generator, Tensor, nn
from torch.nn.parameter import is_lazy

from empirical.data.images import ImageData
from empirical.invariance.network_copy import describe_error
from empirical.invariance.search import scale_invariant_parameters
from empirical.networks import architectures
from empirical.networks.any_module import ModuleNetwork
from empirical.networks.mlp import AllTrainedMLP, ScaleInvariantMLP
from empirical.networks.weight_layout import Layout
from empirical.training.recipe import Recipe

LARGEST_WIDTH = 16_384
SMALLEST_IMAGE = 8
CONVOLUTIONAL: dict[str, tuple[Callable[..., nn.Module], int]] = {
    "convnet": (architectures.convnet, 32),
    "resnet18": (architectures.resnet18, 64),
}
NAMES = "mlp[-WIDTH...], convnet[-WIDTH], resnet18[-WIDTH] or MODULE:CALLABLE"
PROBE_EXAMPLES = 64


class Network(Protocol):
    """An architecture whose weights are flat tensors, one row a run.

    Attributes:
        layers: trained tensors; the scale-invariant ones come first.
        invariant: the scale-invariant ones.
        separate: whether a pass draws random numbers or leaves buffers behind, so that each run
            has to be trained by itself, one at a time.
    """

    separate: bool

    @property
    def layers(self) -> Layout: ...  # noqa: D102

    @property
    def invariant(self) -> Layout: ...  # noqa: D102

    def to(self, device: torch.device, dtype: torch.dtype) -> Network:
        """Compute on this device with weights of this type from now on, and return itself."""

    def begin(self, seed: int, step: int) -> None:
        """Make the random numbers of the next pass those of this seed and step."""

    def state(self) -> dict[str, Tensor]:
        """Buffers that training has changed, by name."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue with buffers that ``state`` gave."""

    def initialise(self, generator: Generator) -> tuple[Tensor, Tensor]:
        """Draw one network: its trained weights (n_weights,) and its frozen ones, flat."""

    def losses(
        self, leaves: list[Tensor], frozen: Tensor, images: Tensor, labels: Tensor
    ) -> Tensor:
        """Mean loss of every network on its own batch, normalisations in training mode.

        Args:
            leaves: trained tensors, (n_runs, *shape) each.
            frozen: frozen weights, (n_runs, n_frozen).
            images: normalised, (n_runs, n_examples, channels, height, width).
            labels: (n_runs, n_examples).

        Returns:
            Cross-entropies, (n_runs,), twice differentiable in the leaves.
        """

    def gradients(
        self, leaves: list[Tensor], frozen: Tensor, images: Tensor, labels: Tensor, *, out: Tensor
    ) -> Tensor:
        """Write the gradients of the losses into ``out``, (n_runs, >= n_weights).

        It must not wait for the device, or a step cannot be recorded as a CUDA graph.

        Returns:
            The losses, (n_runs,), not to be differentiated.
        """

    def test_logits(
        self, leaves: list[Tensor], frozen: Tensor, population: Tensor, images: Tensor
    ) -> Tensor:
        """Evaluate every network with normalisation statistics taken over a population.

        Args:
            leaves: trained tensors, (n_runs, *shape) each.
            frozen: frozen weights, (n_runs, n_frozen).
            population: normalised images that define mean and variance, (n, channels, ...).
            images: normalised images to classify, (n_examples, channels, height, width).

        Returns:
            Logits, (n_runs, n_classes, n_examples).
        """


def build(recipe: Recipe, data: ImageData) -> Network:
    """Make the network of a recipe for a data set, the same each time it is made.

    Raises:
        ValueError: if no architecture has that name, or it does not fit the data.
    """
    with torch.random.fork_rng(devices=[]):
        # what is measured on an example may depend on how it was drawn
        torch.default_generator.manual_seed(0)
        return _build(recipe, data)


def _build(recipe: Recipe, data: ImageData) -> Network:
    """The same, from torch's global generator."""
    batched = is_batched(recipe)
    if batched and recipe.trained == "scale-invariant":
        return ScaleInvariantMLP(mlp_widths(recipe.model, data), norm_eps=recipe.norm_eps)
    example = module(recipe, data)
    _check_output(example, recipe.model, data)
    make, invariant = lambda: module(recipe, data), _invariant_names(example, recipe, data)
    if batched:
        return AllTrainedMLP(make, invariant, norm_eps=recipe.norm_eps)
    network = ModuleNetwork(make, invariant)
    if ":" in recipe.model:
        network.look_for_traces(_some_images(data))
    return network


def is_batched(recipe: Recipe) -> bool:
    """Whether all runs of an ensemble pass at once, and not one after another."""
    return is_mlp(recipe.model) and recipe.normalised


def is_mlp(name: str) -> bool:
    """Whether a name is of one of our MLPs."""
    return name.split("-")[0] == "mlp" and ":" not in name


def narrowed(recipe: Recipe, width: int) -> tuple[Recipe, int]:
    """The recipe with a network of at most this width, and how many times as wide its own is.

    Raises:
        ValueError: if no architecture has that name.
    """
    kind = recipe.model.split("-")[0]
    if ":" in recipe.model or kind not in CONVOLUTIONAL:
        return recipe, 1
    own = (*_widths(recipe.model, at_most=1), CONVOLUTIONAL[kind][1])[0]
    if own <= width:
        return recipe, 1
    return replace(recipe, model=f"{kind}-{width}"), -(-own // width)


def module(recipe: Recipe, data: ImageData) -> nn.Module:
    """Make one network as an ordinary torch module, drawn from torch's global generator.

    Raises:
        ValueError: if no architecture has that name, or it does not fit the data.
    """
    if ":" in recipe.model:
        return _made_by_user(recipe.model, data)
    made = _named(recipe, data)
    return made if recipe.normalised else architectures.without_normalisation(made)


def _named(recipe: Recipe, data: ImageData) -> nn.Module:
    """One of our own architectures, with its normalisations."""
    options: dict[str, Any] = {"all_trained": recipe.trained == "all", "eps": recipe.norm_eps}
    kind, *_ = recipe.model.split("-")
    if kind in CONVOLUTIONAL:
        if min(data.image_shape[1:]) < SMALLEST_IMAGE:
            size = "x".join(map(str, data.image_shape[1:]))
            raise ValueError(f"{kind} needs images of at least 8x8 pixels, got {size}")
        make, standard = CONVOLUTIONAL[kind]
        width = (*_widths(recipe.model, at_most=1), standard)[0]
        return make(width, data.image_shape, data.n_classes, **options)
    return architectures.mlp(mlp_widths(recipe.model, data), **options)


def _widths(name: str, *, at_most: int = 100) -> list[int]:
    """The numbers that follow an architecture's name."""
    kind, *widths = name.split("-")
    known = kind == "mlp" or kind in CONVOLUTIONAL
    numbers = all(w.isdecimal() and 0 < int(w) <= LARGEST_WIDTH for w in widths)
    if not known or not numbers or len(widths) > at_most:
        raise ValueError(
            f"model must be {NAMES}, with widths from 1 to {LARGEST_WIDTH}, got {name!r}"
        )
    return [int(width) for width in widths]


def mlp_widths(name: str, data: ImageData) -> tuple[int, ...]:
    """Pixels, hidden widths (64 and 64 where none is given) and classes."""
    return (math.prod(data.image_shape), *(_widths(name) or [64, 64]), data.n_classes)


def _made_by_user(name: str, data: ImageData) -> nn.Module:
    """What a user's ``MODULE:CALLABLE`` makes of the shape of an image and the number of classes.

    Raises:
        ValueError: with the error of the user's code, or if it makes no module.
    """
    make = _imported(name)
    try:
        made = make(data.image_shape, data.n_classes)
    except Exception as error:  # the user's own code may raise anything
        called = f"{name.partition(':')[2]}({data.image_shape}, {data.n_classes})"
        raise ValueError(f"model {name!r}: {called} raised {describe_error(error)}") from error
    if not isinstance(made, nn.Module):
        raise ValueError(f"model {name!r} made a {type(made).__name__}, not a torch module")
    if _has_lazy_weights(made):
        _find_sizes(made, name, data)
    return made


def _find_sizes(made: nn.Module, name: str, data: ImageData) -> None:
    """Let lazy layers see images, from which they learn how many inputs they have."""
    modes = {module: module.training for module in made.modules()}
    with torch.no_grad():
        _outputs(made.eval(), name, _some_images(data))
    for module, training in modes.items():
        module.training = training
    if _has_lazy_weights(made):
        raise ValueError(f"model {name!r} has a lazy layer that no image reaches")


def _has_lazy_weights(made: nn.Module) -> bool:
    return any(map(is_lazy, (*made.parameters(), *made.buffers())))


def _imported(name: str) -> Callable[[tuple[int, int, int], int], nn.Module]:
    """A user's ``MODULE:CALLABLE``, looked for in the working folder too."""
    path, _, attribute = name.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        made = getattr(importlib.import_module(path), attribute)
    except Exception as error:  # the user's own code may raise anything
        raise ValueError(f"model {name!r} cannot be imported: {describe_error(error)}") from error
    finally:
        sys.path.pop(0)
    if not callable(made):
        raise ValueError(f"model {name!r} is not callable")
    return made  # type: ignore[no-any-return]


def _outputs(module: nn.Module, name: str, images: Tensor) -> Any:
    """What a user's module makes of images.

    Raises:
        ValueError: with the error of the user's code.
    """
    try:
        return module(images)
    except Exception as error:  # the user's own code may raise anything
        shown = "x".join(map(str, images.shape[1:]))
        raise ValueError(
            f"model {name!r} does not take images of {shown}: {describe_error(error)}"
        ) from error


def _check_output(example: nn.Module, name: str, data: ImageData) -> None:
    """Refuse a module that does not map images to one logit for each class."""
    images = _some_images(data)
    logits = _outputs(example, name, images)
    if not isinstance(logits, Tensor):
        raise ValueError(f"model {name!r} returns a {type(logits).__name__}, not logits")
    shape = tuple(logits.shape)
    if shape != (len(images), data.n_classes):
        raise ValueError(
            f"model {name!r} maps {len(images)} images to {shape}, "
            f"but the data has {data.n_classes} classes"
        )


def _invariant_names(example: nn.Module, recipe: Recipe, data: ImageData) -> list[str]:
    """Scale-invariant weights: known for our architectures, measured for a user's."""
    trained = [(name, p) for name, p in example.named_parameters() if p.requires_grad]
    if ":" not in recipe.model:
        # matrices and kernels, all of which feed a normalisation but for the last
        matrices = [name for name, parameter in trained if parameter.ndim > 1]
        return matrices[:-1] if recipe.trained == "all" else matrices
    images = _some_images(data)
    names = list(scale_invariant_parameters(example, images).names)
    if not names:
        raise ValueError(f"model {recipe.model!r} has no scale-invariant weight")
    return names


def _some_images(data: ImageData) -> Tensor:
    return data.normalise(data.train_images[:PROBE_EXAMPLES])
