"""Output channels that obey a norm law each, against weights kept by the test in float64."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from empirical.monitor import channels
from empirical.monitor.monitor import Monitor
from theory.trajectory import record_every

LR, WD = 0.5, 1e-2
EPS = 1e-12  # of the batch norm: it does not break the invariance of small weights


def small_net(normalisation=nn.BatchNorm1d):
    """Two invariant layers of 7 and 5 channels, the first of them convolutional."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(3, 7, 3, bias=False),
        nn.BatchNorm1d(7, eps=EPS, affine=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(7 * 4, 5, bias=False),
        normalisation(5, eps=EPS),
        nn.ReLU(),
        nn.Linear(5, 4),
    )


class Learnt(nn.Module):
    """Has an eps that is no normalisation's, as a graph convolution's trained one."""

    def __init__(self, *parts):
        super().__init__()
        self.parts = nn.Sequential(*parts)
        self.eps = nn.Parameter(torch.full((2,), 0.5))


class LlamaNorm(nn.Module):
    eps = 3e-6


class Mine(nn.GroupNorm):
    pass


def test_only_epsilons_of_normalisations_count():
    batch, smoothed = nn.BatchNorm1d(4, eps=1e-5), nn.GaussianNLLLoss(eps=0.25)
    assert channels.largest_eps(Learnt(batch, smoothed)) == 1e-5
    assert channels.largest_eps(Learnt(batch, Mine(2, 4, eps=1e-3))) == 1e-3
    assert channels.largest_eps(Learnt(LlamaNorm(), nn.RMSNorm(4))) == 3e-6  # torch's is None
    assert channels.largest_eps(Learnt(smoothed)) == 0


def rows(weight):
    return weight.detach().double().view(len(weight), -1).clone()


def follow(model, n_steps, *, make=torch.optim.SGD, names=("0.weight", "4.weight"), **options):
    """Train; what each step did to the rows of the weights, in float64."""
    parameters = dict(model.named_parameters())
    optimizer = make(parameters.values(), lr=LR, weight_decay=WD)
    monitor = Monitor(model, optimizer, parameters=names, **options)
    generator = torch.Generator().manual_seed(1)
    kept = []
    for _ in range(n_steps):
        x = torch.randn(32, 3, 6, generator=generator)
        loss = F.cross_entropy(model(x), torch.randint(4, (32,), generator=generator))
        optimizer.zero_grad()
        loss.backward()
        before = [(rows(parameters[n]), rows(parameters[n].grad)) for n in names]
        optimizer.step()
        kept.append([(w, g, rows(parameters[n])) for (w, g), n in zip(before, names, strict=True)])
    return monitor, kept


def expected(record, a):
    """Norm, effective gradient and angle of each channel, (3, n_channels)."""
    found = []
    for w, gradient, moved in record:
        rho, size = w.norm(dim=1), moved.norm(dim=1)
        cosine = (w * moved).sum(dim=1) / rho / size
        across = (moved / size[:, None] - cosine[:, None] * w / rho[:, None]).norm(dim=1)
        found.append(torch.stack([rho, rho * gradient.norm(dim=1), torch.atan2(across, cosine)]))
    return torch.cat(found, dim=1).numpy()


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_norm_gradient_and_angle_of_each_channel(optimizer):
    monitor, kept = follow(small_net(), 30, make=optimizer, eval_every=10)
    found = monitor.dataset()
    assert found["channel_step"].values.tolist() == [0, 10, 20]
    assert found["channel"].values.tolist() == [
        *(f"0.weight[{c}]" for c in range(7)),
        *(f"4.weight[{c}]" for c in range(5)),
    ]
    assert found["channel_layer"].values.tolist() == ["0.weight"] * 7 + ["4.weight"] * 5
    names = ("channel_weight_norm", "channel_effective_grad_norm", "channel_angular_update")
    for i, step in enumerate((0, 10, 20)):
        for name, values in zip(names, expected(kept[step], 1 - LR * WD), strict=True):
            # norms in float32 leave an angle uncertain by 1e-7 times radial over whole step
            measured = found[name].values[0, i]
            assert measured == pytest.approx(values, rel=2e-5, abs=1e-6), (name, step)


def test_each_channel_obeys_a_norm_law_of_its_own():
    monitor, _ = follow(small_net(), 60, eval_every=1)
    found = monitor.dataset()
    rho = found["channel_weight_norm"].values[0]
    gradient = found["channel_effective_grad_norm"].values[0] / rho
    law = (1 - LR * WD) ** 2 * rho[:-1] ** 2 + LR**2 * gradient[:-1] ** 2
    assert rho[1:] ** 2 == pytest.approx(law, rel=1e-6)
    assert np.ptp(rho[-1] / rho[0]) > 0.01  # each goes its own way
    parts = [rho[:, :7], rho[:, 7:]]
    layers = np.sqrt(np.stack([np.sum(part**2, axis=1) for part in parts], axis=1))
    assert found["layer_weight_norm"].values[0] == pytest.approx(layers, rel=1e-6)
    assert found["weight_norm"].values[0] == pytest.approx(
        np.sqrt(np.sum(rho**2, axis=1)), rel=1e-6
    )


def test_momentum_and_several_steps_at_once_leave_records_of_the_right_step():
    """Small weights are summed up several steps at a time; records lie between those."""
    make = lambda p, **o: torch.optim.SGD(p, momentum=0.9, **o)  # noqa: E731
    monitor, kept = follow(small_net(), 25, make=make, eval_every=7)
    found = monitor.dataset()
    for i, step in enumerate(found["channel_step"].values):
        values = expected(kept[step], 1 - LR * WD)
        assert found["channel_weight_norm"].values[0, i] == pytest.approx(values[0], rel=1e-6)
    whole = [math.sqrt(sum(float(w.square().sum()) for w, _, _ in record)) for record in kept]
    assert found["weight_norm"].values[0] == pytest.approx(whole, rel=1e-6)


def test_weights_that_are_invariant_only_as_a_whole_have_no_channels():
    def layer_norm(width, **options):
        return nn.LayerNorm(width, elementwise_affine=False, **options)

    monitor, _ = follow(small_net(layer_norm), 20, eval_every=10)
    found = monitor.dataset()
    assert set(found["channel_layer"].values) == {"0.weight"}
    only = follow(small_net(layer_norm), 20, names=("4.weight",), eval_every=10)[0].dataset()
    assert "channel_weight_norm" not in only


def test_vectors_have_no_channels():
    model = nn.Sequential(nn.Conv1d(3, 2, 3), nn.BatchNorm1d(2), nn.Flatten(), nn.Linear(8, 4))
    names = ("0.weight", "1.weight")  # the second is none that is invariant: it is told so
    found = follow(model, 3, names=names, eval_every=1)[0].dataset()
    assert set(found["channel_layer"].values) == {"0.weight"}


def test_beyond_the_maximum_evenly_spaced_records_stay(monkeypatch):
    monkeypatch.setattr(channels, "MAX_RECORDS", 8)
    monitor, kept = follow(small_net(), 100, eval_every=2)
    found = monitor.dataset()
    steps = found["channel_step"].values
    assert steps.tolist() == list(range(0, 100, 16))
    assert monitor.channels.stride == 8  # evaluations
    for i, step in enumerate(steps):
        rho = expected(kept[step], 1 - LR * WD)[0]
        assert found["channel_weight_norm"].values[0, i] == pytest.approx(rho, rel=1e-6)
    assert record_every(found) == 1  # other records are as dense as ever


def test_the_file_is_bounded(tmp_path):
    model = nn.Sequential(nn.Linear(8, 50, bias=False), nn.BatchNorm1d(50, affine=False))
    weight = model[0].weight
    optimizer = torch.optim.SGD([weight], lr=1e-3)
    monitor = Monitor(model, optimizer, parameters=["0.weight"], eval_every=1)
    kept = 0
    for _ in range(3 * channels.MAX_RECORDS):
        along = F.normalize(weight.detach(), dim=1)
        drawn = torch.randn(50, 8)
        weight.grad = drawn - (drawn * along).sum(dim=1, keepdim=True) * along
        optimizer.step()
        kept = max(kept, len(monitor.channels._records))
    assert channels.MAX_RECORDS / 2 <= kept <= channels.MAX_RECORDS
    found = monitor.dataset()
    monitor.save(tmp_path / "run.nc")
    assert found.sizes["channel"] == 50
    assert found.sizes["channel_step"] == math.ceil(3 * channels.MAX_RECORDS / 4)
    assert set(np.diff(found["channel_step"])) == {4}
