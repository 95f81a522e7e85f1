"""Modules of users: with dropout, buffers, spare weights, and errors of their own."""

import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from empirical.data import sources
from empirical.networks import by_name
from empirical.networks.any_module import ModuleNetwork, order_of_channels
from empirical.training import train as training
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

FAKE = sources.load("fake:200")


class Plain(nn.Module):
    def __init__(self, shape=FAKE.image_shape, n_classes=10):
        super().__init__()
        self.first = nn.Linear(int(np.prod(shape)), 8, bias=False)
        self.norm = nn.BatchNorm1d(8, affine=False)
        self.head = nn.Linear(8, n_classes)

    def forward(self, x):
        return self.head(self.after(torch.relu(self.norm(self.first(x.flatten(1))))))

    def after(self, hidden):
        return hidden


class Dropped(Plain):
    def after(self, hidden):
        return nn.functional.dropout(hidden, 0.3, self.training)


class Spectral(Plain):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.first = nn.utils.parametrizations.spectral_norm(self.first)


class Both(Dropped, Spectral):
    """Draws random numbers and leaves a buffer behind."""


class Spare(Plain):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.spare = nn.Linear(3, 3)


class Lazy(nn.Module):
    """Layers that learn from the first images how many inputs they have."""

    def __init__(self, shape, n_classes):
        super().__init__()
        self.first, self.norm = nn.LazyLinear(8, bias=False), nn.LazyBatchNorm1d(affine=False)
        self.head = nn.LazyLinear(n_classes)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.first(x.flatten(1)))))


class Unreached(Lazy):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.spare = nn.LazyLinear(3)


class Pairs(Plain):
    def forward(self, x):
        return super().forward(x), x


@pytest.fixture(autouse=True)
def mine(monkeypatch):
    """A file of a user's."""
    module = ModuleType("mine")
    for kind in (Plain, Dropped, Spectral, Both, Spare, Lazy, Unreached):
        setattr(module, kind.__name__, kind)
    module.nothing = lambda: None
    module.pairs = lambda shape, n_classes: Pairs(shape, n_classes)
    module.unpacked = lambda shape, n_classes: [a for a, b in [shape]]
    module.broken = lambda shape, n_classes: missing_name  # noqa: F821
    monkeypatch.setitem(sys.modules, "mine", module)


def norms(model, runs, **settings):
    """Weight norms of each run, (n_runs, n_steps)."""
    recipe = Recipe(model=f"mine:{model}", data="fake:200", batch_size=50)
    job = training.Job(recipe, tuple(runs))
    return training.train([job], training.Settings(**settings))["weight_norm"].values


@pytest.mark.slow
def test_a_run_is_the_same_alone_and_beside_others():
    runs = [RunSpec(0.1, 0.05, seed, 12) for seed in range(2)]
    random = torch.get_rng_state()
    together = norms("Both", runs)
    torch.manual_seed(123)  # what was drawn before does not matter
    np.testing.assert_array_equal(together[1:], norms("Both", runs[1:]))
    assert together[0, -1] != together[1, -1]
    torch.set_rng_state(random)


def test_a_weight_that_nothing_uses_does_not_matter():
    run = [RunSpec(0.1, 0.05, 0, 12)]
    spare, plain = norms("Spare", run)[0], norms("Plain", run)[0]
    assert spare == pytest.approx(plain, rel=1e-6)  # drawn after the others, and never felt


def test_passes_that_draw_or_leave_something_are_noticed():
    recipe = {kind: Recipe(model=f"mine:{kind}") for kind in ("Plain", "Dropped", "Spectral")}
    separate = {kind: by_name.build(one, FAKE).separate for kind, one in recipe.items()}
    assert separate == {"Plain": False, "Dropped": True, "Spectral": True}


def test_lazy_layers_are_those_of_known_sizes():
    run = [RunSpec(0.1, 0.05, 0, 12)]
    np.testing.assert_array_equal(norms("Lazy", run), norms("Plain", run))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("pairs", "returns a tuple, not logits"),
        ("Unreached", "has a lazy layer that no image reaches"),
        ("unpacked", r"unpacked\(\(3, 32, 32\), 10\) raised ValueError: too many values to unpack"),
        ("nothing", r"nothing\(\(3, 32, 32\), 10\) raised TypeError: .* takes 0 positional"),
        ("broken", r"raised NameError: name 'missing_name' is not defined"),
    ],
)
def test_errors_of_a_users_code_are_told_in_one_sentence(model, said):
    with pytest.raises(ValueError, match=said) as error:
        by_name.build(Recipe(model=f"mine:{model}"), FAKE)
    assert "\n" not in str(error.value)


class Skipping(nn.Module):
    """A 1x1 convolution that skips pixels, of so few channels."""

    def __init__(self, n_channels, *, stride=2, size=1):
        super().__init__()
        self.first = nn.Conv2d(3, n_channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_channels, affine=False)
        self.skip = nn.Conv2d(n_channels, 8, size, stride=stride, padding=size // 2, bias=False)

    def forward(self, x):
        return self.skip(torch.relu(self.norm(self.first(x)))).mean(dim=(2, 3))


@pytest.mark.parametrize("n_channels", [4, 8, 16])
def test_gradients_of_convolutions_that_skip_pixels_are_right(n_channels):
    # oneDNN 3.12 writes past its memory where these take channels last and few of them
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(1, 40, 3, 32, 32, generator=generator)
    labels = torch.randint(8, (1, 40), generator=generator)
    found = []
    for dtype in (torch.float32, torch.float64):
        network = ModuleNetwork(lambda: Skipping(n_channels), ["first.weight"])
        network.to(torch.device("cpu"), dtype)
        generator.manual_seed(2)
        own, frozen = (part[None].to(dtype) for part in network.initialise(generator))
        out = torch.empty(1, network.layers.n_weights, dtype=dtype)
        network.gradients(network.layers.split(own), frozen, images.to(dtype), labels, out=out)
        found.append(out.double())
    np.testing.assert_allclose(found[0], found[1], atol=1e-5 * float(found[1].abs().max()))


@pytest.mark.parametrize(
    ("n_channels", "changes", "last"),
    [(4, {}, False), (16, {}, True), (4, {"stride": 1}, True), (4, {"size": 3}, True)],
)
def test_channels_come_last_where_gradients_are_right(n_channels, changes, last):
    order = order_of_channels(Skipping(n_channels, **changes))
    assert order == (torch.channels_last if last else torch.contiguous_format)
