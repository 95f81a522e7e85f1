"""Runs made of arrays, as if they had been recorded."""

import numpy as np

from theory.trajectory import RecordedRun


def recorded_run(norm, g, lr, wd, *, finite=True, rates=None, every=1):
    """A run of plain SGD with these norms and effective gradients."""
    norm, nothing = np.asarray(norm, dtype=float), np.full(len(norm), np.nan)
    rates = np.full(len(norm), float(lr)) if rates is None else rates
    return RecordedRun(
        id="run",
        learning_rate=lr,
        weight_decay=wd,
        momentum=0.0,
        update_rule="sgd",
        finite=finite,
        start=0,
        every=every,
        weight_norm=norm,
        effective_lr=rates / norm**2,
        effective_grad_norm=np.asarray(g, dtype=float),
        angular_update=nothing,
        train_loss=nothing,
        step_learning_rate=rates,
        update_norm=None,
        radial_update=None,
        next_weight_norm=None,
        whole_gradient=np.ones(len(norm), dtype=bool),
    )
