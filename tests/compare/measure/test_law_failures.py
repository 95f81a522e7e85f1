"""A law that fails is explained by what was done to the weights."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import sawtooth
from compare.measure.laws import law_failures
from theory.trajectory import read_runs

LR, WD = 0.1, 1e-2


def watched(make=torch.optim.SGD, *, penalty=0.0, after=None, model=None, n=40, wd=WD, **options):
    """What a monitor records of a small training, and its law checks."""
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(8, affine=False, eps=1e-12)
    model = model or nn.Sequential(nn.Linear(6, 8, bias=False), norm, nn.Linear(8, 3))
    optimizer = make(model.parameters(), lr=LR, weight_decay=wd, **options)
    monitor = sawtooth.Monitor(model, optimizer, parameters=["0.weight"])
    made = torch.Generator().manual_seed(1)
    for t in range(n):
        x, y = torch.randn(16, 6, generator=made), torch.randint(3, (16,), generator=made)
        x = x.to(next(model.parameters()).dtype)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        if penalty:
            loss = loss + penalty * model[0].weight.square().sum()
        loss.backward()
        optimizer.step()
        if after is not None:
            after(model, optimizer, t)
    found = monitor.dataset()
    return found, sawtooth.check_laws(found)


def reason(laws):
    return str(laws["reason_norm_law_residual"].values[0])


def test_a_penalty_in_the_loss_is_a_radial_gradient():
    found, laws = watched(penalty=0.05)
    assert float(laws["norm_law_residual"][0]) > 1e-3
    assert "the gradient has a radial part (cosine 0." in reason(laws)
    (run,) = read_runs(found).values()
    # the penalty c |w|^2 adds <2 c w, w> = 2 c |w|^2 to <grad, w>, which is 0 without it
    grad = run.effective_grad_norm / run.weight_norm
    expected = 2 * 0.05 * run.weight_norm / grad
    assert law_failures.radial_cosine(run) == pytest.approx(expected, rel=1e-3)
    with pytest.raises(ValueError, match=r"shrinks the norm like a weight decay of 0\.1:"):
        sawtooth.predict_equilibrium(found, run.id)


def moved_between_steps(run):
    """Share of the steps before which something else than the optimizer changed the norm."""
    return np.mean(np.abs(run.weight_norm[1:] / run.next_weight_norm[:-1] - 1) > 1e-4)


def test_weights_that_are_set_back_after_each_step_break_no_law():
    def project(model, optimizer, t):
        model[0].weight.data.mul_(2.0 / model[0].weight.data.norm())

    found, laws = watched(after=project)
    assert float(laws["norm_law_residual"][0]) < 1e-6
    assert float(laws["elr_law_residual"][0]) < 1e-6
    assert reason(laws) == ""
    (run,) = read_runs(found).values()
    assert moved_between_steps(run) == 1
    assert moved_between_steps(read_runs(watched()[0])[run.id]) == 0


def test_low_precision_is_named():
    norm = nn.BatchNorm1d(8, affine=False)
    model = nn.Sequential(nn.Linear(6, 8, bias=False), norm, nn.Linear(8, 3)).bfloat16()
    _, laws = watched(model=model)
    assert float(laws["norm_law_residual"][0]) > 3e-5
    assert "stored in bfloat16, which keeps 8 bits" in reason(laws)


def test_what_a_class_does_around_its_parents_step_is_not_that_step():
    class Shrinking(torch.optim.SGD):
        def step(self, closure=None):
            super().step(closure)
            for group in self.param_groups:
                for weight in group["params"]:
                    weight.data.mul_(0.99)

    torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)  # from now on torch sees its step
    found, laws = watched(Shrinking)
    assert float(laws["norm_law_residual"][0]) < 1e-6
    assert found.sizes["step"] == int(found["n_steps"][0]) == 40
    (run,) = read_runs(found).values()
    assert run.weight_norm[1:] == pytest.approx(0.99 * run.next_weight_norm[:-1], rel=1e-6)


def test_steps_in_which_a_layer_has_no_gradient_are_left_out():
    class Sometimes(nn.Sequential):
        n = 0

        def forward(self, x):
            self.n += 1
            hidden = self[1](F.linear(x, self[0].weight))
            return self[2](hidden) if self.n % 3 else self[2](hidden.detach())

    torch.manual_seed(0)
    norm = nn.BatchNorm1d(8, affine=False, eps=1e-12)
    found, laws = watched(model=Sometimes(nn.Linear(6, 8, bias=False), norm, nn.Linear(8, 3)))
    assert found["whole_gradient"].values[0, :6].tolist() == [1, 1, 0, 1, 1, 0]
    norms = found["weight_norm"].values[0]
    assert norms[3] == norms[2]  # not even decay touches it
    assert float(laws["norm_law_residual"][0]) < 1e-6


def test_a_setting_that_changes_takes_the_equilibrium_away():
    def lower(model, optimizer, t):
        if t == 20:
            optimizer.param_groups[0]["momentum"] = 0.5

    found, laws = watched(after=lower, momentum=0.9)
    assert str(found["settings_changed"].values[0]) == "momentum changed from 0.9 to 0.5 at step 21"
    with pytest.raises(ValueError, match=r"did not stay: momentum changed from 0.9 to 0.5"):
        sawtooth.predict_equilibrium(found, str(found["run"].values[0]))
    assert float(laws["norm_law_residual"][0]) < 1e-6  # what each step did is known all the same


def test_a_derived_class_is_measured_and_not_predicted():
    class Mine(torch.optim.SGD):
        pass

    found, laws = watched(Mine)
    assert float(laws["norm_law_residual"][0]) < 1e-6
    with pytest.raises(ValueError, match=r"no closed form is known for .*Mine"):
        sawtooth.predict_equilibrium(found, str(found["run"].values[0]))
    plain, _ = watched()
    assert np.isfinite(sawtooth.predict_equilibrium(plain, str(plain["run"].values[0])).norm)


def test_an_epsilon_that_is_not_small_is_named():
    norm = nn.BatchNorm1d(8, affine=False, eps=1e-3)
    model = nn.Sequential(nn.Linear(6, 8, bias=False), norm, nn.Linear(8, 3))
    found, laws = watched(model=model)
    assert float(laws["norm_law_residual"][0]) > 3e-5
    assert "a normalisation with epsilon = 0.001 leaves" in reason(laws)
    (run,) = read_runs(found).values()
    assert 0 < np.abs(law_failures.radial_cosine(run)).max() < law_failures.RADIAL
