"""Optimizers that keep their numbers elsewhere, or change them; each step as torch makes it."""

import pytest
import torch
import torch.nn.functional as F

from compare.measure.laws import exact_laws
from empirical.monitor.monitor import Monitor
from theory.trajectory import read_runs

from .test_monitor import batches, mlp, train

NAMES = ["1.weight", "4.weight"]
BETAS = (0.9, 0.95)


class AdamOfGroups(torch.optim.Optimizer):
    """AdamW that counts steps in its groups, as fused and schedule-free ones do."""

    def __init__(self, params, counter):
        self.counter = counter
        options = {"lr": 1e-2, "weight_decay": 0.1, "betas": BETAS, counter: 0}
        super().__init__(params, options)

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group[self.counter] += 1
            b1, b2 = group["betas"]
            t = group[self.counter]
            for p in (p for p in group["params"] if p.grad is not None):
                state = self.state[p]
                for name in ("exp_avg", "exp_avg_sq"):
                    state.setdefault(name, torch.zeros_like(p))
                state["exp_avg"].lerp_(p.grad, 1 - b1)
                state["exp_avg_sq"].lerp_(p.grad.square(), 1 - b2)
                root = (state["exp_avg_sq"] / (1 - b2**t)).sqrt() + 1e-8
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.addcdiv_(state["exp_avg"] / (1 - b1**t), root, value=-group["lr"])


class Careful(torch.optim.SGD):
    """SGD with momentum that makes the state of a weight where there is none."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in (p for p in group["params"] if p.grad is not None):
                if p not in self.state:
                    self.state[p] = {"momentum_buffer": torch.zeros_like(p)}
                buffer = self.state[p]["momentum_buffer"]
                buffer.mul_(group["momentum"]).add_(p.grad + group["weight_decay"] * p)
                p.sub_(buffer, alpha=group["lr"])


def residual(monitor):
    return float(exact_laws.check_laws(read_runs(monitor.dataset()))["norm_law_residual"][0])


@pytest.mark.parametrize("counter", ["step", "count"])
def test_steps_may_be_counted_in_the_group_or_out_of_sight(counter):
    model = mlp()
    optimizer = AdamOfGroups(model.parameters(), counter)
    options = {"parameters": NAMES, "update_rule": "adamw", "eval_every": 5}
    monitor = Monitor(model, optimizer, **options)
    kept = train(model, optimizer, monitor, 6)
    found = monitor.dataset()
    assert (monitor.reason, found.sizes["step"]) == ("", 6)
    if counter == "count":
        assert "effective_grad_sum" not in found
        return
    # the second moment after 6 steps, from the gradients that the test kept
    second = torch.zeros_like(kept[0][1])
    for _, gradient, _, _ in kept:
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
    expected = float(kept[5][0].norm() * (second / (1 - BETAS[1] ** 6)).sqrt().sum())
    assert found["effective_grad_sum"].values[0, 1] == pytest.approx(expected, rel=1e-5)


def test_the_state_of_an_optimizer_is_looked_at_without_making_any():
    model = mlp()
    options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2}
    optimizer = Careful(model.parameters(), **options)
    monitor = Monitor(model, optimizer, parameters=NAMES)
    train(model, optimizer, monitor, 10)
    assert residual(monitor) < 1e-6
    plain = mlp()
    train(plain, torch.optim.SGD(plain.parameters(), **options), None, 10)
    for p, q in zip(model.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(p, q, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("options", [{"dampening": 0.9}, {"nesterov": True}, {}])
def test_weights_that_join_later_start_without_momentum(options):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.1, 0.9, weight_decay=1e-2, **options)
    monitor = Monitor(model, optimizer, parameters=NAMES)
    for t, (x, y) in enumerate(batches(20)):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        if t < 5:
            model[1].weight.grad = None
        if t == 15:
            optimizer.param_groups[0]["momentum"] = 0.0  # its dampening goes with it
        optimizer.step()
    found = monitor.dataset()
    assert found["whole_gradient"].values[0].tolist() == [0.0] * 5 + [1.0] * 15
    assert residual(monitor) < 1e-6


def in_two_groups(**options):
    model = mlp()
    groups = [{"params": [model[1].weight]}, {"params": [model[4].weight]}]
    optimizer = torch.optim.SGD(groups, 0.1, 0.9, weight_decay=1e-2)
    monitor = Monitor(model, optimizer, parameters=NAMES)
    train(model, optimizer, monitor, 8)
    for group in optimizer.param_groups[options.pop("since", 0) :]:
        group.update(options)
    train(model, optimizer, monitor, 8)
    return monitor


def test_groups_whose_settings_part_ways_end_the_record():
    monitor = in_two_groups(momentum=0.5, since=1)
    assert monitor.reason == (
        "settings of the scale-invariant weights disagree, momentum 0.5 instead of 0.9 "
        "(from step 8 on)"
    )
    found = monitor.dataset()
    assert found["settings_changed"].item() == "momentum changed from 0.9 to 0.5 at step 8"
    assert found.sizes["step"] == 8
    assert residual(monitor) < 1e-6


def test_a_setting_that_changes_in_any_group_is_told():
    monitor = in_two_groups(momentum=0.5)
    assert monitor.reason == ""
    assert monitor.dataset()["settings_changed"].item().startswith("momentum changed from 0.9")
    assert residual(monitor) < 1e-6
    other = in_two_groups(clipped=True, since=1)  # what the laws do not know of
    assert (other.reason, other.dataset().sizes["step"]) == ("", 16)
    told = "clipped changed from None to True at step 8"
    assert other.dataset()["settings_changed"].item() == told
