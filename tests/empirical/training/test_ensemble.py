"""The ensemble against an independent network in plain PyTorch, and against its runs alone."""

import dataclasses

import numpy as np
import pytest
import torch

from empirical.data import sources
from empirical.networks import by_name
from empirical.training import checkpoint
from empirical.training.ensemble import Ensemble, run_generators
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

DIGITS = sources.load("digits")
CPU = torch.device("cpu")
RUNS = [
    RunSpec(0.5, 2e-2, 0, 200),
    RunSpec(0.5, 2e-3, 1, 200),
    RunSpec(0.1, 1e-3, 0, 200),
    RunSpec(0.02, 0.0, 7, 200),
]


def ensemble(runs, device=CPU, **changes):
    recipe = Recipe(model="mlp-48-32", **changes)
    network = by_name.build(recipe, DIGITS)
    return Ensemble(runs, recipe, network, DIGITS, eval_every=50, device=device)


def trained(runs, device=CPU, **changes):
    trainer = ensemble(runs, device, **changes)
    while not trainer.done:
        trainer.advance(64)
    return trainer


def series(trainer, row):
    """Recorded quantities of one run, (n_quantities, n_steps)."""
    parts = [
        record.values[:, :, record.rows.tolist().index(row)]
        for record in trainer.records
        if row in record.rows.tolist()
    ]
    return torch.cat(parts, dim=1).numpy()


class PlainNetwork(torch.nn.Module):
    """The same network, written the ordinary way in float64."""

    def __init__(self, weights, last):
        super().__init__()
        first, second = weights[: 48 * 64].view(48, 64), weights[48 * 64 :].view(32, 48)
        self.first = torch.nn.Parameter(first.double())
        self.second = torch.nn.Parameter(second.double())
        self.last = last.view(10, 32).double()
        self.norms = torch.nn.ModuleList(
            torch.nn.BatchNorm1d(width, eps=1e-12, affine=False) for width in (48, 32)
        )

    def forward(self, inputs):
        hidden = torch.relu(self.norms[0](inputs @ self.first.T))
        hidden = torch.relu(self.norms[1](hidden @ self.second.T))
        return hidden @ self.last.T


def reference(run, n_steps):
    """Loss, norm, effective gradient and angle of one network under torch.optim.SGD."""
    init, order, _ = run_generators(run.seed)
    weights, last = by_name.build(Recipe(model="mlp-48-32"), DIGITS).initialise(init)
    network = PlainNetwork(weights, last).double()
    trained_weights = list(network.parameters())
    optimizer = torch.optim.SGD(
        trained_weights, lr=run.learning_rate, weight_decay=run.weight_decay
    )
    pixels = DIGITS.train_images.flatten(1).double()
    inputs = (pixels - pixels.mean()) / pixels.std()
    rows, batches = [], 1437 // 128
    for step in range(n_steps):
        if step % batches == 0:
            permutation = torch.randperm(1437, generator=order)
        batch = permutation[(step % batches) * 128 :][:128]
        loss = torch.nn.functional.cross_entropy(network(inputs[batch]), DIGITS.train_labels[batch])
        optimizer.zero_grad()
        loss.backward()
        before = torch.cat([p.detach().flatten() for p in trained_weights])
        gradient = torch.cat([p.grad.flatten() for p in trained_weights])
        optimizer.step()
        after = torch.cat([p.detach().flatten() for p in trained_weights])
        cosine = before @ after / before.norm() / after.norm()
        norm = before.norm()
        rows.append(
            [loss.item(), norm.item(), (norm * gradient.norm()).item(), cosine.acos().item()]
        )
    return np.array(rows).T


@pytest.mark.slow
@pytest.mark.parametrize("row", range(len(RUNS)))
def test_agrees_with_an_independent_float64_network(row):
    measured = series(trained(RUNS), row)[:, :20]
    expected = reference(RUNS[row], 20)
    np.testing.assert_allclose(measured[:3], expected[:3], rtol=2e-4)
    np.testing.assert_allclose(measured[1], expected[1], rtol=1e-5)
    np.testing.assert_allclose(measured[3], expected[3], rtol=1e-3, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("row", range(len(RUNS)))
def test_together_equals_alone_bit_for_bit_over_200_steps(row):
    together = series(trained(RUNS), row)
    alone = series(trained([RUNS[row]]), 0)
    assert together.shape == (4, 200)
    np.testing.assert_array_equal(together, alone)


def test_initial_state_is_the_published_one():
    init, _, _ = run_generators(3)
    model = by_name.build(Recipe(model="mlp-64-64"), DIGITS)
    weights, last = model.initialise(init)
    assert weights.shape == (model.layers.n_weights,) == (8192,)
    assert last.norm().item() == pytest.approx(10, rel=1e-6)
    assert weights.norm().item() == pytest.approx(np.sqrt(128 / 3), rel=0.02)


def test_loss_is_invariant_to_the_scale_of_each_layer():
    trainer = ensemble(RUNS[:1])
    batch = trainer.batches.take(trainer.batches.draw(0, 1, [0]).chosen[0])
    before = trainer.network.losses(trainer.leaves, trainer.frozen, *batch)
    scaled = [trainer.leaves[0] * 8, trainer.leaves[1] / 4]
    after = trainer.network.losses(scaled, trainer.frozen, *batch)
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


def test_runs_leave_at_their_own_length():
    runs = [dataclasses.replace(RUNS[0], n_steps=30), dataclasses.replace(RUNS[1], n_steps=75)]
    trainer = trained(runs)
    assert series(trainer, 0).shape[1] == 30
    assert series(trainer, 1).shape[1] == 75
    longer = trained([dataclasses.replace(run, n_steps=80) for run in runs])
    np.testing.assert_array_equal(series(trainer, 1), series(longer, 1)[:, :75])


@pytest.mark.slow
def test_a_run_that_blows_up_is_marked_and_leaves_the_others_alone():
    broken = RunSpec(1e38, 0.0, 0, 200)
    trainer = trained([broken, RUNS[1]])
    assert "was not finite at step" in trainer.reasons[0]
    assert trainer.reasons[1] == ""
    assert int(trainer.end[0]) < 200
    np.testing.assert_array_equal(series(trainer, 1), series(trained([RUNS[1]]), 0))


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"prediction_examples": 50}])
def test_restored_equals_uninterrupted(tmp_path, changes):
    runs = [
        dataclasses.replace(run, n_steps=n) for run, n in zip(RUNS, (90, 150, 150, 40), strict=True)
    ]
    straight = ensemble(runs, **changes)
    for _ in range(5):
        straight.advance(25)
    checkpoint.save(tmp_path / "c.pt", straight.state(), config="")
    resumed = ensemble(runs, **changes)
    resumed.restore(checkpoint.load(tmp_path / "c.pt", config=""))
    resumed.records.extend(straight.records)
    while not straight.done:
        straight.advance(25)
    while not resumed.done:
        resumed.advance(25)
    for row in range(4):
        np.testing.assert_array_equal(series(resumed, row), series(straight, row))
    assert ("test_probability" in straight.evaluations[0].values) == bool(changes)
    for one, other in zip(resumed.evaluations, straight.evaluations, strict=True):
        assert one.values.keys() == other.values.keys()
        for name, values in other.values.items():
            assert torch.equal(one.values[name], values)


@pytest.mark.parametrize("chunks", [(1, 1, 28), (7, 1, 22)])
def test_records_do_not_depend_on_chunks(chunks):
    runs = [dataclasses.replace(run, n_steps=30) for run in RUNS[:2]]
    whole, parts = ensemble(runs), ensemble(runs)
    whole.advance(30)
    for chunk in chunks:
        parts.advance(chunk)
    for row in range(2):
        np.testing.assert_array_equal(series(parts, row), series(whole, row))


def test_test_error_is_that_of_a_plain_evaluation():
    trainer = ensemble(RUNS[:2])
    trainer.advance(60)
    measured = trainer.evaluator.before(trainer.leaves, trainer.frozen)
    for run in range(2):
        images = DIGITS.train_images, DIGITS.test_images
        hidden, test = (DIGITS.normalise(part).flatten(1).double() for part in images)
        for layer in trainer.leaves:
            weights = layer[run].detach().double()
            train_product, test_product = hidden @ weights.T, test @ weights.T
            mean, std = train_product.mean(0), train_product.std(0, correction=0)
            hidden, test = ((x - mean).div(std).relu() for x in (train_product, test_product))
        logits = test @ trainer.frozen[run].view(10, 32).double().T
        loss = torch.nn.functional.cross_entropy(logits, DIGITS.test_labels)
        error = (logits.argmax(1) != DIGITS.test_labels).double().mean()
        assert measured["test_loss"][run].item() == pytest.approx(loss.item(), rel=1e-4)
        assert measured["test_error"][run].item() == pytest.approx(error.item(), abs=1e-12)


def test_kept_predictions_are_those_of_the_test_error_and_change_nothing():
    plain, keeping = (trained(RUNS[:2], prediction_examples=n) for n in (0, 1000))
    np.testing.assert_array_equal(series(plain, 1), series(keeping, 1))
    last = keeping.evaluations[-1].values
    kept = last["test_probability"]
    assert kept.shape == (2, 360, 10) and kept.dtype == torch.float16
    torch.testing.assert_close(kept.float().sum(dim=2), torch.ones(2, 360), rtol=0, atol=5e-3)
    labels = keeping.evaluator.kept_labels
    assert torch.equal(labels, DIGITS.test_labels)
    error = (kept.argmax(dim=2) != labels).double().mean(dim=1)
    torch.testing.assert_close(error, last["test_error"], rtol=0, atol=1 / 360)


def test_a_part_of_the_predictions_is_evenly_spread():
    trainer = ensemble(RUNS[:1], prediction_examples=7)
    measured = trainer.evaluator.before(trainer.leaves, trainer.frozen)
    whole = ensemble(RUNS[:1], prediction_examples=360)
    every = whole.evaluator.before(whole.leaves, whole.frozen)["test_probability"]
    chosen = torch.linspace(0, 359, 7).long()
    assert torch.equal(measured["test_probability"], every[:, chosen])
    assert torch.equal(trainer.evaluator.kept_labels, DIGITS.test_labels[chosen])


def test_digits_are_split_once_and_for_all():
    assert DIGITS.train_images.shape == (1437, 1, 8, 8)
    assert DIGITS.test_images.shape == (360, 1, 8, 8)
    assert DIGITS.train_labels[:8].tolist() == sources.load("digits").train_labels[:8].tolist()
    normal = DIGITS.normalise(DIGITS.train_images)
    assert normal.mean().item() == pytest.approx(0, abs=1e-6)
    assert normal.std().item() == pytest.approx(1, rel=1e-5)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match=r"batch_size must be in 1 \.\. 1437, got 1438"):
        ensemble(RUNS[:1], batch_size=1438)


@pytest.mark.parametrize("name", ["resnet", "mlp-0", "mlp-64-x", "convnet-8-8", "mlpx"])
def test_unknown_models_are_refused(name):
    with pytest.raises(ValueError, match="model must be mlp"):
        by_name.build(Recipe(model=name), DIGITS)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_gpu_follows_the_cpu():
    cpu = series(trained(RUNS), 0)[:, :20]
    gpu = series(trained(RUNS, torch.device("cuda")), 0)[:, :20]
    np.testing.assert_allclose(gpu[:3], cpu[:3], rtol=1e-2)
