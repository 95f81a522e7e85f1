"""The published architectures against a functional float64 network written here."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from empirical.data import sources
from empirical.networks import by_name
from empirical.training.ensemble import Ensemble, run_generators
from empirical.training.recipe import Recipe
from theory.trajectory import RunSpec

FAKE = sources.load("fake:200")
CPU = torch.device("cpu")


def ensemble(runs, data=FAKE, **changes):
    recipe = Recipe(**{"batch_size": 50} | changes)
    network = by_name.build(recipe, data)
    return Ensemble(runs, recipe, network, data, eval_every=1000, device=CPU)


def trained(runs, **changes):
    trainer = ensemble(runs, **changes)
    while not trainer.done:
        trainer.advance(50)
    return trainer


def normal(x):
    """Batch normalisation, without affine parameters and without epsilon."""
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True, correction=0)
    return (x - mean) / std


def convnet(weights, last, images):
    for depth, weight in enumerate(weights):
        images = normal(F.conv2d(images, weight, padding=1)).relu()
        images = F.max_pool2d(images, 2) if depth else images
    return F.max_pool2d(images, 4).flatten(1) @ last[0].T + last[1]


def resnet18(weights, last, images):
    weights = iter(weights)
    stream = F.conv2d(images, next(weights), padding=1)
    for stage in range(4):
        for block in range(2):
            stride = 2 if stage and not block else 1
            active = normal(stream).relu()
            inner = F.conv2d(active, next(weights), stride=stride, padding=1)
            inner = F.conv2d(normal(inner).relu(), next(weights), padding=1)
            carried = stream
            if stride == 2:
                carried = F.conv2d(normal(active), next(weights), stride=2)
            stream = inner + carried
    return normal(stream).relu().mean((2, 3)) @ last[0].T


REFERENCES = {"convnet-4": convnet, "resnet18-2": resnet18}


def reference(model, run, n_steps):
    """Loss, norm, effective gradient and angle of one network in float64, by plain autograd."""
    init, order, _ = run_generators(run.seed)
    network = by_name.build(Recipe(model=model), FAKE)
    flat, frozen = network.initialise(init)
    weights = [w[0].double().requires_grad_() for w in network.layers.split(flat[None])]
    last = [w[0].double() for w in network.frozen.split(frozen[None])]
    # rounded as the networks' own, for a difference of 1e-7 in an image can change a maximum
    images = FAKE.normalise(FAKE.train_images).double()
    rows = []
    for step in range(n_steps):
        if step % 4 == 0:
            permutation = torch.randperm(200, generator=order)
        batch = permutation[(step % 4) * 50 :][:50]
        logits = REFERENCES[model](weights, last, images[batch])
        loss = F.cross_entropy(logits, FAKE.train_labels[batch])
        gradients = torch.autograd.grad(loss, weights)
        before = torch.cat([w.detach().flatten() for w in weights])
        gradient = torch.cat([g.flatten() for g in gradients])
        with torch.no_grad():
            for weight, g in zip(weights, gradients, strict=True):
                weight -= run.learning_rate * (g + run.weight_decay * weight)
        after = torch.cat([w.detach().flatten() for w in weights])
        cosine = before @ after / before.norm() / after.norm()
        norm = before.norm()
        rows.append([loss.item(), norm, norm * gradient.norm(), cosine.acos()])
    return np.array(rows, dtype=float).T


@pytest.mark.slow
@pytest.mark.parametrize("model", REFERENCES)
def test_agrees_with_an_independent_network_in_float64(model):
    run = RunSpec(0.1, 0.05, 3, 6)
    runs = [RunSpec(0.3, 0.01, 0, 6), run]
    measured = trained(runs, model=model, precision="float64").records[0].values[..., 1]
    # BatchNorm's epsilon of 1e-12, which the reference has not, is all that is left
    np.testing.assert_allclose(measured, reference(model, run, 6), rtol=2e-8)


@pytest.mark.slow
@pytest.mark.parametrize("model", REFERENCES)
def test_float32_agrees_until_rounding_changes_a_maximum(model):
    run = RunSpec(0.01, 0.05, 3, 3)
    measured = trained([RunSpec(0.3, 0.01, 0, 3), run], model=model).records[0].values[..., 1]
    expected = reference(model, run, 3)
    np.testing.assert_allclose(measured[0, 0], expected[0, 0], rtol=1e-5)
    np.testing.assert_allclose(measured[1], expected[1], rtol=1e-5)
    np.testing.assert_allclose(measured[2:, 0], expected[2:, 0], rtol=3e-4)


@pytest.mark.slow
@pytest.mark.parametrize("model", REFERENCES)
def test_together_equals_alone_bit_for_bit(model):
    runs = [RunSpec(0.3, 0.01, 0, 8), RunSpec(0.1, 0.05, 3, 8)]
    together = trained(runs, model=model).records[0].values
    for column, run in enumerate(runs):
        alone = trained([run], model=model).records[0].values[..., 0]
        assert torch.equal(together[..., column], alone)


@pytest.mark.parametrize(
    ("model", "n_weights", "squared_norm"),
    [("convnet-32", 387_936, 160), ("resnet18-16", 697_776, 400)],
)
def test_initial_state_is_the_published_one(model, n_weights, squared_norm):
    network = by_name.build(Recipe(model=model), FAKE)
    weights, frozen = network.initialise(torch.Generator().manual_seed(1))
    assert weights.shape == (n_weights,)
    assert network.invariant == network.layers
    assert weights.square().sum().item() == pytest.approx(squared_norm, rel=0.01)
    last = network.frozen.split(frozen[None])[0]
    assert last.norm().item() == pytest.approx(10, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp-16-16", "convnet-4", "resnet18-2"])
def test_all_weights_are_trained_if_asked(model):
    network = by_name.build(Recipe(model=model, trained="all"), FAKE)
    assert network.frozen.n_weights == 0
    assert 0 < network.invariant.n_weights < network.layers.n_weights
    assert network.invariant.names == network.layers.names[: len(network.invariant.names)]
    trainer = trained([RunSpec(0.1, 0.05, 0, 20)], model=model, trained="all")
    others = trainer.records[0].values.numpy()
    assert others[1, 1, 0] == pytest.approx(
        np.hypot(0.995 * others[1, 0, 0], 0.1 * others[2, 0, 0] / others[1, 0, 0]), rel=3e-6
    )


def test_mlp_as_a_module_is_the_batched_one():
    recipe = Recipe(model="mlp-16-16")
    batched, network = by_name.build(recipe, FAKE), by_name.module(recipe, FAKE)
    weights, frozen = batched.initialise(torch.Generator().manual_seed(0))
    parts = [*batched.layers.split(weights[None]), frozen.view(1, 10, 16)]
    with torch.no_grad():
        for parameter, part in zip(network.parameters(), parts, strict=True):
            parameter.copy_(part[0])
    images, labels = FAKE.normalise(FAKE.train_images[:64]), FAKE.train_labels[:64]
    loss = F.cross_entropy(network(images), labels)
    many = batched.losses(parts[:2], frozen[None], images[None], labels[None])
    assert many.item() == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize("weights", ["scale-invariant", "all"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("n_runs", "batch_size"), [(1, 128), (3, 100), (3, 33)])
def test_gradients_of_the_mlp_are_those_of_autograd_bit_for_bit(
    n_runs, batch_size, precision, weights
):
    runs = [RunSpec(0.5, 1e-2, seed, 20) for seed in range(n_runs)]
    changes = {"batch_size": batch_size, "precision": precision, "trained": weights}
    trainer = ensemble(runs, model="mlp-24-16-8", **changes)
    trainer.advance(5)
    batch = trainer.batches.take(trainer.batches.draw(5, 6, range(n_runs)).chosen[0])
    own = [leaf.detach().requires_grad_() for leaf in trainer.leaves]
    expected = trainer.network.losses(own, trainer.frozen, *batch)
    parts = torch.autograd.grad(expected.sum(), own)
    found, n = torch.zeros_like(trainer.weights), trainer.network.layers.n_weights
    losses = trainer.network.gradients(trainer.leaves, trainer.frozen, *batch, out=found)
    assert torch.equal(losses, expected)
    assert torch.equal(found[:, :n], torch.cat([part.flatten(1) for part in parts], dim=1))
    assert (found[:, :n] != 0).any(dim=1).all()
    assert (found[:, n:] == 0).all()  # the end of a row, which aligns the next one


@pytest.mark.slow
def test_test_images_are_classified_with_the_population_s_statistics():
    trainer = trained([RunSpec(0.1, 0.05, 0, 10), RunSpec(0.1, 0.05, 1, 10)], model="convnet-4")
    trainer = ensemble(trainer.runs, model="convnet-4")
    measured = trainer.evaluator.before(trainer.leaves, trainer.frozen)
    weights = [leaf[1].detach().double() for leaf in trainer.leaves]
    last = [part[1].double() for part in trainer.network.frozen.split(trainer.frozen)]
    hidden = FAKE.normalise(FAKE.train_images).double()
    test = FAKE.normalise(FAKE.test_images).double()
    for depth, weight in enumerate(weights):
        one, other = (F.conv2d(x, weight, padding=1) for x in (hidden, test))
        mean, std = one.mean((0, 2, 3), True), one.std((0, 2, 3), keepdim=True, correction=0)
        hidden, test = (((x - mean) / std).relu() for x in (one, other))
        if depth:
            hidden, test = F.max_pool2d(hidden, 2), F.max_pool2d(test, 2)
    logits = F.max_pool2d(test, 4).flatten(1) @ last[0].T + last[1]
    loss = F.cross_entropy(logits, FAKE.test_labels)
    # torch's running variance is the unbiased one: 1 / (2 n) with n >= 200 * 4 * 4 values
    assert measured["test_loss"][1].item() == pytest.approx(loss.item(), rel=1e-3)


def tiny(image_shape, n_classes):
    """A user's own network."""
    return torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(image_shape[0] * image_shape[1] * image_shape[2], 16),
        torch.nn.BatchNorm1d(16, eps=1e-10),
        torch.nn.ReLU(),
        torch.nn.Linear(16, n_classes),
    )


def wrong(image_shape, n_classes):
    return tiny(image_shape, n_classes + 1)


def bare(image_shape, n_classes):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, n_classes))


def test_a_users_network_is_trained(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mine", __import__(__name__, fromlist=["x"]))
    network = by_name.build(Recipe(model="mine:tiny"), FAKE)
    assert network.invariant.names == ("1.weight",)
    values = trained([RunSpec(0.1, 0.05, 0, 10)], model="mine:tiny").records[0]
    values = values.values[..., 0].numpy()
    predicted = np.hypot(0.995 * values[1, :-1], 0.1 * values[2, :-1] / values[1, :-1])
    np.testing.assert_allclose(values[1, 1:], predicted, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mine:wrong", "maps 64 images to (64, 11), but the data has 10 classes"),
        ("mine:bare", "has no scale-invariant weight"),
        ("mine:missing", "cannot be imported"),
        ("nowhere_at_all:net", "cannot be imported"),
        ("mine:FAKE", "is not callable"),
    ],
)
def test_users_networks_that_do_not_fit_are_refused(monkeypatch, name, said):
    monkeypatch.setitem(__import__("sys").modules, "mine", __import__(__name__, fromlist=["x"]))
    with pytest.raises(ValueError, match="model") as error:
        by_name.build(Recipe(model=name), FAKE)
    assert said in str(error.value)


@pytest.mark.parametrize("name", ["convnet-4", "resnet18-4"])
def test_building_leaves_the_random_numbers_of_the_process_alone(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", pytest.fail)  # none of a GPU is put back
    torch.default_generator.manual_seed(5)
    expected = torch.rand(3, generator=torch.Generator().manual_seed(5))
    network = by_name.build(Recipe(model=name), sources.load("digits"))
    network.initialise(torch.Generator().manual_seed(1))
    assert torch.equal(torch.rand(3), expected)
