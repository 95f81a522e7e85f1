"""What is measured at evaluations: test error, predictions, each layer, sharpness, direction."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from empirical.data.batches import Batches
from empirical.networks.by_name import Network
from empirical.sharpness import spherical_sharpness
from empirical.training.recipe import Recipe
from empirical.training.sgd import norms

POPULATION = 2048  # training images whose statistics the normalisations use on test images
SKETCH_LENGTH = 64
SKETCH_SEED = 0
ROOMS = 256  # evaluations that a shelf makes room for at once
PROBED = (
    "probe_loss",
    "probe_effective_grad_norm",
    "spherical_sharpness",
    "spherical_sharpness_residual",
)


class Evaluator:
    """Measures the active runs of an ensemble; it does not affect their training.

    Args:
        network: their architecture.
        recipe: on how many examples to measure the sharpness, and to keep predictions.
        batches: the images on the device.
    """

    def __init__(self, network: Network, recipe: Recipe, batches: Batches) -> None:
        self.network, self.recipe = network, recipe
        self.batches, device = batches, batches.device
        self.population = batches.images[_spread(batches.n_train, POPULATION)]
        self.test_images = batches.data.test_images.to(device)
        self.test_labels = batches.data.test_labels.to(device)
        self.kept = _spread(len(self.test_labels), recipe.prediction_examples).to(device)
        probe = _spread(batches.n_train, recipe.sharpness_examples)
        self.probe_images = self.batches.normalise(batches.images[probe])
        self.probe_labels = batches.labels[probe]
        generator = Generator().manual_seed(SKETCH_SEED)
        n_weights = network.invariant.n_weights
        bucket = torch.randint(SKETCH_LENGTH, (n_weights,), generator=generator)
        sign = 2.0 * torch.randint(2, (n_weights,), generator=generator) - 1
        self.bucket, self.sign = bucket.to(device), sign.to(device)

    @torch.no_grad()
    def before(self, leaves: list[Tensor], frozen: Tensor) -> dict[str, Tensor]:
        """Measure the weights before a step: quantities by name, (n_active, ...) each."""
        population, images = map(self.batches.normalise, (self.population, self.test_images))
        logits = self.network.test_logits(leaves, frozen, population, images)
        labels = self.test_labels.expand(len(frozen), -1)
        loss = F.cross_entropy(logits, labels, reduction="none").mean(dim=1)
        error = (logits.argmax(dim=1) != labels).double().mean(dim=1)
        measured = {"test_loss": loss.double(), "test_error": error}
        measured["direction_sketch"] = self._sketch(leaves)
        if len(self.kept):
            kept = logits[..., self.kept].softmax(dim=1).transpose(1, 2)
            measured["test_probability"] = kept.round(decimals=3).half()  # zeros compress well
        if self.recipe.sharpness_examples:
            measured |= self._probe(leaves, frozen)
        return {name: values.cpu() for name, values in measured.items()}

    def like(self, n_runs: int) -> dict[str, Tensor]:
        """What an evaluation of so many runs holds, with zeros for values."""
        n_layers, n_classes = len(self.network.invariant.names), self.batches.data.n_classes
        layers = ("layer_weight_norm", "layer_effective_grad_norm")
        shapes = {
            **dict.fromkeys(("test_loss", "test_error"), ()),
            "direction_sketch": (SKETCH_LENGTH,),
            **dict.fromkeys(PROBED if self.recipe.sharpness_examples else (), ()),
            **dict.fromkeys(layers, (n_layers,)),
        }
        held = {k: torch.zeros(n_runs, *s, dtype=torch.float64) for k, s in shapes.items()}
        if n_kept := len(self.kept):
            held["test_probability"] = torch.zeros(n_runs, n_kept, n_classes).half()
        return held

    @property
    def kept_labels(self) -> Tensor:
        """Labels of the test examples whose predictions are kept, (n_kept,)."""
        return self.test_labels[self.kept].cpu()

    @torch.no_grad()
    def per_layer(self, leaves: list[Tensor], gradients: list[Tensor]) -> dict[str, Tensor]:
        """Norm and effective gradient of each scale-invariant layer, (n_active, n_layers)."""
        names = self.network.invariant.names
        norm = torch.stack([norms([leaf]) for leaf in leaves[: len(names)]], dim=1)
        slope = torch.stack([norms([part]) for part in gradients[: len(names)]], dim=1)
        return {"layer_weight_norm": norm.cpu(), "layer_effective_grad_norm": (norm * slope).cpu()}

    def _sketch(self, leaves: list[Tensor]) -> Tensor:
        """Random projection of ``w/rho`` that keeps distances to about 10 %, (n_active, 64).

        Each weight is added, with a random sign, to one of 64 numbers (a count sketch), the same
        ones for all runs of an architecture.
        """
        invariant = leaves[: len(self.network.invariant.names)]
        flat = torch.cat([leaf.flatten(1) for leaf in invariant], dim=1).double()
        flat = flat / flat.norm(dim=1, keepdim=True) * self.sign
        sketch = torch.zeros(len(flat), SKETCH_LENGTH, dtype=flat.dtype, device=flat.device)
        return sketch.index_add_(1, self.bucket, flat)

    def _probe(self, leaves: list[Tensor], frozen: Tensor) -> dict[str, Tensor]:
        """Loss, effective gradient and spherical sharpness on fixed examples, (n_active,) each.

        A sharpness whose iteration did not converge is NaN; its residual says how far it was.
        """
        rows = [self._probe_run([leaf[i] for leaf in leaves], f) for i, f in enumerate(frozen)]
        return dict(zip(PROBED, torch.tensor(rows, dtype=torch.float64).T, strict=True))

    def _probe_run(self, own: list[Tensor], frozen: Tensor) -> tuple[float, ...]:
        """The probe of one run: its loss as a function of its scale-invariant weights."""
        n_invariant = len(self.network.invariant.names)
        fixed, layout = own[n_invariant:], self.network.invariant

        def loss(flat: Tensor) -> Tensor:
            leaves = [*layout.split(flat[None]), *(part[None] for part in fixed)]
            return self.network.losses(
                leaves, frozen[None], self.probe_images[None], self.probe_labels[None]
            )[0]

        flat = torch.cat([part.flatten() for part in own[:n_invariant]]).detach()
        with torch.enable_grad():
            variable = flat.clone().requires_grad_()
            value = loss(variable)
            (gradient,) = torch.autograd.grad(value, variable)
            sharpness = spherical_sharpness(loss, flat)
        g = float(flat.double().norm() * gradient.double().norm())
        return float(value.detach()), g, sharpness.value, sharpness.residual


class Shelf:
    """Room for what evaluations measured, many of them at a time.

    Kept one by one, small tensors come to lie between the large ones of the work, which then find
    no room: the process grew by 2 MB with each evaluation of 64 small networks.
    """

    def __init__(self) -> None:
        self._blocks: dict[str, Tensor] = {}
        self._n_used = self._n_rooms = 0

    def keep(self, measured: dict[str, Tensor], n_left: int) -> dict[str, Tensor]:
        """Copy what was measured onto the shelf; ``n_left`` evaluations with this one will follow.

        Returns:
            Views of the copies.
        """
        shapes = {name: values.shape for name, values in measured.items()}
        fits = shapes == {name: block.shape[1:] for name, block in self._blocks.items()}
        if not fits or self._n_used == self._n_rooms:
            self._n_used, self._n_rooms = 0, min(n_left, ROOMS)
            self._blocks = {
                name: values.new_empty((self._n_rooms, *values.shape))
                for name, values in measured.items()
            }
        for name, values in measured.items():
            self._blocks[name][self._n_used] = values
        self._n_used += 1
        return {name: block[self._n_used - 1] for name, block in self._blocks.items()}


def _spread(n: int, at_most: int) -> Tensor:
    """Indices of at most ``at_most`` of n examples, evenly spread: sources are sorted by class."""
    return torch.linspace(0, n - 1, min(n, at_most)).long()
