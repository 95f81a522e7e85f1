"""Training is the same bit for bit, whatever a network's forward pass draws, counts or writes."""

import random
import sys
import types

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from empirical.monitor.monitor import Monitor

N = 6
NUMPY = np.random.default_rng(0)
PYTHON = random.Random(0)
TORCH = torch.Generator()
ELSEWHERE = types.ModuleType("elsewhere")
ELSEWHERE.generator = torch.Generator()


class Head(nn.Module):
    """A normalised layer whose weight is scale-invariant, something else, and a last layer."""

    def __init__(self, middle=None):
        super().__init__()
        self.first = nn.Linear(12, 8, bias=False)
        self.norm = nn.BatchNorm1d(8, affine=False)
        self.middle = middle or nn.Identity()
        self.last = nn.Linear(8, 3)

    def forward(self, x):
        return self.last(self.middle(self.norm(self.first(x))))

    def seen(self):
        """What else than weights and buffers a pass may change."""
        return None


class Draws(Head):
    """Noise from a generator that is drawn from in every pass."""

    def __init__(self, draw, state=lambda: None):
        super().__init__()
        self.draw, self.state = draw, state

    def forward(self, x):
        return super().forward(x) * (1 + 0.1 * self.draw())

    def seen(self):
        return self.state()


class Holds(Head):
    """Noise from generators of its own, of NumPy, Python and torch."""

    def __init__(self):
        super().__init__()
        self.numpy, self.python = np.random.default_rng(3), random.Random(3)
        self.torch = torch.Generator().manual_seed(3)

    def forward(self, x):
        noise = self.numpy.random() + self.python.random()
        return super().forward(x) * (1 + 0.1 * noise + torch.rand(1, generator=self.torch))

    def seen(self):
        states = self.numpy.bit_generator.state, self.python.getstate()
        return *states, self.torch.get_state().tolist()


class Counts(Head):
    """Counters and a buffer of its own, which the outputs depend on."""

    def __init__(self):
        super().__init__()
        self.register_buffer("average", torch.zeros(8))
        self.calls, self.history = 0, []

    def forward(self, x):
        self.calls += 1
        self.history.append(float(x.sum()))
        hidden = self.norm(self.first(x))
        with torch.no_grad():
            self.average.lerp_(hidden.square().mean(0), 0.1)
        return self.last(hidden - self.average) / (1 + 1 / self.calls)

    def seen(self):
        return self.calls, self.history


class Writes(Head):
    """A forward pass that projects its own weights."""

    def forward(self, x):
        with torch.no_grad():
            self.first.weight.div_(self.first.weight.norm())
        return super().forward(x)


class Hooked(Head):
    """Hooks with side effects, of which one changes the outputs."""

    def __init__(self):
        super().__init__()
        self.shapes = []
        self.norm.register_forward_hook(lambda part, x, y: self.shapes.append(tuple(y.shape)))
        self.last.register_forward_pre_hook(lambda part, x: (x[0] * 0.9,))
        self.last.register_full_backward_hook(lambda part, g, h: self.shapes.append(len(h)))

    def seen(self):
        return self.shapes


class Keeps(Head):
    """Activations that are kept, with the graph that made them."""

    def forward(self, x):
        self.kept = {"hidden": [self.norm(self.first(x))]}
        return self.last(self.kept["hidden"][0])

    def seen(self):
        return self.kept["hidden"][0].tolist()


class Attends(Head):
    """Attention whose outputs are normalised, so that its output layer is scale-invariant."""

    def __init__(self):
        super().__init__(nn.LayerNorm(8, elementwise_affine=False, eps=1e-9))
        self.attention = nn.MultiheadAttention(8, 2, dropout=0.1, batch_first=True)

    def forward(self, x):
        hidden = self.norm(self.first(x)).view(4, 4, 8)
        mixed, _ = self.attention(hidden, hidden, hidden, need_weights=False)
        return self.last(self.middle(mixed.reshape(16, 8)))


class Remembers(Head):
    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(8, 8, num_layers=2, dropout=0.1, batch_first=True)

    def forward(self, x):
        hidden, _ = self.memory(self.norm(self.first(x)).view(4, 4, 8))
        return self.last(hidden.reshape(16, 8))


def reparametrised(change):
    model = Head(nn.Linear(8, 8))
    change(model.middle)
    return model


NETWORKS = {
    "dropout": lambda: Head(nn.Dropout(0.3)),
    "python": lambda: Draws(random.random),
    "legacy numpy": lambda: Draws(np.random.random),
    "numpy of the file": lambda: Draws(NUMPY.random, lambda: NUMPY.bit_generator.state),
    "python of the file": lambda: Draws(PYTHON.random, PYTHON.getstate),
    "torch of the file": lambda: Draws(
        lambda: torch.rand(1, generator=TORCH), lambda: TORCH.get_state().tolist()
    ),
    "torch of another file": lambda: Draws(
        lambda: torch.rand(1, generator=ELSEWHERE.generator),
        lambda: ELSEWHERE.generator.get_state().tolist(),
    ),
    "generators of its own": Holds,
    "counters and buffers": Counts,
    "writes weights": Writes,
    "hooks": Hooked,
    "keeps activations": Keeps,
    "spectral norm": lambda: reparametrised(parametrizations.spectral_norm),
    "old spectral norm": lambda: reparametrised(nn.utils.spectral_norm),
    "weight norm": lambda: reparametrised(parametrizations.weight_norm),
    "old weight norm": lambda: reparametrised(nn.utils.weight_norm),
    "attention": Attends,
    "lstm": Remembers,
}
ALSO_INVARIANT = {
    "spectral norm": {"middle.parametrizations.weight.original"},
    "old spectral norm": {"middle.weight_orig"},
    "weight norm": {"middle.parametrizations.weight.original1"},
    "old weight norm": {"middle.weight_v"},
    "attention": {"attention.out_proj.weight", "attention.out_proj.bias"},
}


def trained(name, watch):
    """Everything that a training leaves behind, and its monitor."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    PYTHON.seed(0)
    TORCH.manual_seed(0)
    ELSEWHERE.generator.manual_seed(0)
    NUMPY.bit_generator.state = np.random.default_rng(0).bit_generator.state
    model = NETWORKS[name]()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-2)
    monitor = Monitor(model, optimizer, eval_every=2) if watch else None
    losses = []
    for _ in range(N):
        x, y = torch.randn(16, 12), torch.randint(3, (16,))
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if watch:
            monitor.step(loss)
    numbers = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return (model.state_dict(), gradients), (losses, model.seen(), numbers), monitor


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")
@pytest.mark.parametrize("name", NETWORKS)
def test_training_is_the_same_with_and_without_a_monitor(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "elsewhere", ELSEWHERE)
    tensors, others, monitor = trained(name, True)
    plain_tensors, plain_others, _ = trained(name, False)
    assert others == plain_others
    for held, plain in zip(tensors, plain_tensors, strict=True):
        assert held.keys() == plain.keys()
        for key, value in plain.items():
            assert torch.equal(held[key], value), key
    assert monitor.reason == ""
    assert set(monitor.names) == {"first.weight"} | ALSO_INVARIANT.get(name, set())
    assert monitor.dataset()["train_loss"].values[0] == pytest.approx(others[0])
