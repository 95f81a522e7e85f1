"""The loss that a record holds: of a closure, or as it was given."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from empirical.monitor.monitor import Monitor

from .test_monitor import OPTIMIZERS, batches, mlp, values

WEIGHTS = ["1.weight", "4.weight"]


def watched(**options):
    model = mlp()
    optimizer = OPTIMIZERS["sgd"](model.parameters())
    return model, optimizer, Monitor(model, optimizer, parameters=WEIGHTS, **options)


def test_a_loss_that_is_given_takes_the_place_of_the_closures():
    """Lightning's closure returns the loss over the number of batches that it accumulates."""
    model, optimizer, monitor = watched()
    whole = []
    for x, y in batches(6):

        def closure(x=x, y=y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            whole.append(loss.item())
            (loss / 4).backward()
            return loss / 4

        share = optimizer.step(closure)
        if len(whole) > 3:
            monitor.step(4 * share)
            monitor.step(torch.tensor(99.0))  # of a batch that made no step
    expected = [*(loss / 4 for loss in whole[:3]), *whole[3:]]
    assert values(monitor.dataset(), "train_loss") == pytest.approx(expected, rel=1e-6)


def test_the_loss_of_a_step_that_is_not_recorded_belongs_to_no_other():
    model, optimizer, monitor = watched(every=2, eval_every=2)
    for t, (x, y) in enumerate(batches(4)):
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        if t:  # step 0 was given none
            monitor.step(float(t))
    found = values(monitor.dataset(), "train_loss")
    assert found[0] != found[0]
    assert found[1:].tolist() == [2.0]


LOSSES = [2, 0.5, np.float32(0.25), np.array([0.75]), [1.5], torch.tensor([[3.0]])]


def test_a_loss_is_any_single_number():
    model, optimizer, monitor = watched()
    for (x, y), loss in zip(batches(len(LOSSES)), LOSSES, strict=True):
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        for wrong, said in [
            (np.array([1.0, 2.0]), r"shape \(2,\)"),
            (torch.ones(3), r"shape \(3,\)"),
            ([1.0, 2.0], r"\[1.0, 2.0\]"),
            ("x", "'x'"),
            ("3.5", "'3.5'"),
            ([torch.ones((), requires_grad=True)], r"\[tensor"),
            ({"loss": 1.0}, "{'loss': 1.0}"),
        ]:
            with pytest.raises(ValueError, match=f"loss must be a single number, got {said}"):
                monitor.step(wrong)
        monitor.step(loss)
    found = values(monitor.dataset(), "train_loss")
    assert found.tolist() == [2, 0.5, 0.25, 0.75, 1.5, 3.0]
