"""Runs trained together against one after another, and against a plain PyTorch loop."""

from __future__ import annotations

import torch
from timing import alternate, table

from empirical import data, models
from empirical.ensemble import Ensemble, run_generators
from theory.trajectory import RunSpec

N_RUNS, N_STEPS, BATCH, ROUNDS = 16, 100, 128, 7
DIGITS = data.load("digits")
MODEL = models.build("mlp-64-64", DIGITS)
RUNS = [RunSpec(0.5, 2e-3, seed, N_STEPS) for seed in range(N_RUNS)]


def train(runs):
    ensemble = Ensemble(
        runs, MODEL, DIGITS, batch_size=BATCH, eval_every=N_STEPS, device=torch.device("cpu")
    )
    while not ensemble.done:
        ensemble.advance(N_STEPS)


def one_after_another():
    for run in RUNS:
        train([run])


class PlainNetwork(torch.nn.Sequential):
    def __init__(self):
        super().__init__(
            torch.nn.Linear(64, 64, bias=False),
            torch.nn.BatchNorm1d(64, affine=False),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 64, bias=False),
            torch.nn.BatchNorm1d(64, affine=False),
            torch.nn.ReLU(),
            torch.nn.Linear(64, 10, bias=False),
        )
        self[-1].weight.requires_grad_(False)


def plain_loop():
    """What one would write: data in memory, one network after another, nothing but the loss."""
    inputs, labels = DIGITS.normalise(DIGITS.train_images).flatten(1), DIGITS.train_labels
    for run in RUNS:
        _, order = run_generators(run.seed)
        network = PlainNetwork()
        trained = [p for p in network.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=run.learning_rate, weight_decay=run.weight_decay)
        losses, step = [], 0
        while step < N_STEPS:
            permutation = torch.randperm(len(labels), generator=order)
            for batch in permutation.split(BATCH)[: min(11, N_STEPS - step)]:
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(network(inputs[batch]), labels[batch])
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
                step += 1


def main():
    seconds = alternate(
        {
            "together": lambda: train(RUNS),
            "one after another": one_after_another,
            "plain PyTorch loop": plain_loop,
        },
        rounds=ROUNDS,
    )
    each = {name: 1e3 * value / (N_RUNS * N_STEPS) for name, value in seconds.items()}
    rows = [(name, f"{value:.3f} ms per network-step") for name, value in each.items()]
    for name in ("one after another", "plain PyTorch loop"):
        rows.append((f"{name} / together", f"{each[name] / each['together']:.2f}"))
    print(table(f"training: {N_RUNS} digits MLPs, {N_STEPS} steps, every step recorded", rows))


if __name__ == "__main__":
    main()
