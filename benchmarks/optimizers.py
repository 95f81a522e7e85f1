"""Every optimizer of torch on a small network: norm and rotation at rest, measured and predicted.

    python benchmarks/optimizers.py [--steps 4000] [--out results/reference/optimizers]

A layer of 40 x 30 before a batch norm, random labels, batches of 32, monitored to the end; means
over the last half. Two minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

import sawtooth
from compare.predict.optimizer_equilibrium import Measured
from theory.trajectory import read_runs

Make = Callable[[list[nn.Parameter]], Optimizer]


class Lion(Optimizer):
    """Lion (Chen et al. 2023, arXiv 2302.06675), which torch does not have."""

    def __init__(self, params: Any, lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "betas": (0.9, 0.99)})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_((b1 * m + (1 - b1) * p.grad).sign(), alpha=group["lr"])
                m.lerp_(p.grad, 1 - b2)


class SGDW(Optimizer):
    """SGD with decoupled decay (Loshchilov & Hutter 2019, arXiv 1711.05101)."""

    def __init__(self, params: Any, lr: float, weight_decay: float, momentum: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                buffer = self.state[p].setdefault("buffer", torch.zeros_like(p))
                buffer.mul_(group["momentum"]).add_(p.grad)
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(buffer, alpha=group["lr"])


class IndependentAdamW(torch.optim.AdamW):
    """AdamW whose decay does not depend on the rate."""


def cases() -> dict[str, tuple[Make, str]]:
    """Optimizers with decay where they have it; and the rule that a user may name."""
    o, moments = torch.optim, {"betas": (0.9, 0.99), "weight_decay": 1.0, "lr": 1e-2}
    heavy = {"lr": 0.1, "weight_decay": 0.05, "momentum": 0.9}
    coupled = {"lr": 1e-2, "weight_decay": 1e-2, "betas": (0.9, 0.99)}
    made: dict[str, tuple[Make, str]] = {
        "SGD": (lambda w: o.SGD(w, lr=0.5, weight_decay=0.02), ""),
        "SGD, momentum 0.9": (lambda w: o.SGD(w, **heavy), ""),
        "SGD, Nesterov": (lambda w: o.SGD(w, **heavy, nesterov=True), ""),
        "SGD, dampening 0.5": (lambda w: o.SGD(w, **heavy, dampening=0.5), ""),
        "SGDW, momentum 0.9 (named)": (lambda w: SGDW(w, 0.1, 0.05, 0.9), "sgdw"),
        "AdamW": (lambda w: o.AdamW(w, **moments), ""),
        "AdamW, amsgrad": (lambda w: o.AdamW(w, **moments, amsgrad=True), ""),
        "AdamW, eps 0.01": (lambda w: o.AdamW(w, **moments, eps=1e-2), ""),
        "AdamW of another class": (lambda w: IndependentAdamW(w, **moments), ""),
        "Adam + L2": (lambda w: o.Adam(w, **coupled), ""),
        "NAdam, decoupled": (lambda w: o.NAdam(w, **moments, decoupled_weight_decay=True), ""),
        "NAdam + L2": (lambda w: o.NAdam(w, **coupled), ""),
        "RAdam, decoupled": (lambda w: o.RAdam(w, **moments, decoupled_weight_decay=True), ""),
        "RAdam + L2": (lambda w: o.RAdam(w, **coupled), ""),
        "RMSprop": (lambda w: o.RMSprop(w, lr=1e-2, weight_decay=1e-2), ""),
        "RMSprop, momentum 0.8": (
            lambda w: o.RMSprop(w, lr=2e-3, weight_decay=1e-2, momentum=0.8),
            "",
        ),
        "Lion (named)": (lambda w: Lion(w, 1e-3, 1.0), "lion"),
        "Lion (class alone)": (lambda w: Lion(w, 1e-3, 1.0), ""),
        "Muon": (lambda w: o.Muon(w, lr=2e-2, weight_decay=0.5), ""),
        "Muon, without Nesterov": (
            lambda w: o.Muon(w, lr=2e-2, weight_decay=0.5, nesterov=False),
            "",
        ),
    }
    known = {"SGD", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Muon", "Optimizer"}
    for name, kind in vars(o).items():
        if isinstance(kind, type) and name not in known | {"LBFGS", "SparseAdam", "Rprop"}:
            made[name] = (lambda w, kind=kind: kind(w, weight_decay=1e-2), "")
    return made


def watched(make: Make, rule: str, n_steps: int) -> dict[str, Any]:
    """Train until the norm rests; what was measured, and predicted or refused."""
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(30, affine=False, eps=1e-12)
    model = nn.Sequential(nn.Linear(40, 30, bias=False), norm, nn.ReLU(), nn.Linear(30, 5))
    model[3].requires_grad_(False)
    optimizer = make([model[0].weight])
    monitor = sawtooth.Monitor(model, optimizer, parameters=["0.weight"], update_rule=rule or None)
    generator = torch.Generator().manual_seed(1)
    for _ in range(n_steps):
        x: Tensor = torch.randn(32, 40, generator=generator)
        y = torch.randint(5, (32,), generator=generator)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        monitor.step(loss)
    found = monitor.dataset()
    ((run, recorded),) = read_runs(found).items()
    measured = Measured.of(recorded)
    row: dict[str, Any] = {"norm": measured.norm, "angle": measured.angular_update}
    try:
        rest = sawtooth.predict_equilibrium(found, run)
        row |= {"predicted_norm": rest.norm, "predicted_angle": rest.angular_update}
    except ValueError as refusal:
        row["refusal"] = str(refusal)
    return row


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Markdown."""
    lines = [
        "| optimizer | norm | predicted | | rad a step | predicted | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        if reason := row.get("refusal"):
            lines.append(f"| {name} | {row['norm']:.4g} | {reason} | | {row['angle']:.4g} | | |")
            continue
        cells = []
        for what in ("norm", "angle"):
            found, said = row[what], row[f"predicted_{what}"]
            cells += [f"{found:.4g}", f"{said:.4g}", f"{100 * (said / found - 1):+.1f} %"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=Path("results/reference/optimizers"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = {name: watched(make, rule, options.steps) for name, (make, rule) in cases().items()}
    options.out.mkdir(parents=True, exist_ok=True)
    kept = {
        name: {
            k: v if isinstance(v, str) or math.isnan(v) else float(f"{v:.5g}")
            for k, v in row.items()
        }
        for name, row in rows.items()
    }
    (options.out / "table.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    main()
