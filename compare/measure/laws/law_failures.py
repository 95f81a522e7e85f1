"""Why an exact law does not hold: what the record itself says was done to the weights."""

from __future__ import annotations

import numpy as np

from theory.arrays import FloatArray
from theory.trajectory import RecordedRun

RADIAL = 0.01  # share of the gradient along the weights that is not rounding
FELT_EPS = 1e-8  # of a normalisation; what is smaller no float32 activation feels
FEELS_SCALE = (
    "something in the loss feels the scale of the weights, such as a penalty, or they are not "
    "scale-invariant"
)
LOW_PRECISION = {"bfloat16": "8", "float16": "11"}  # bits that a weight keeps


def radial_cosine(run: RecordedRun) -> FloatArray:
    """Cosine of gradient and weights in each step of plain SGD, from norms alone, (n_records,).

    Square the step ``w' = a w - eta grad``:
    ``|w'|^2 = a^2 |w|^2 + eta^2 |grad|^2 - 2 a eta <grad, w>``. It is 0 for a loss that does not
    feel the scale of the weights (Euler). NaN where the norm after the step was not recorded, and
    where the step is too short to tell it from rounding.
    """
    if run.next_weight_norm is None or run.update_norm is not None:
        return np.full(len(run.weight_norm), np.nan)
    rate, rho = run.step_learning_rate, run.weight_norm
    a = 1 - rate * run.weight_decay
    with np.errstate(divide="ignore", invalid="ignore"):
        turn = rate * run.effective_grad_norm / rho**2  # about the angle of the step
        excess = a**2 + turn**2 - (run.next_weight_norm / rho) ** 2
        cosine = excess / (2 * a * turn)
    return np.where(turn > 1e-6 / RADIAL, cosine, np.nan)


def explain(
    run: RecordedRun,
    *,
    weights_dtype: str = "",
    optimizer: str = "",
    normalisation_eps: float = 0.0,
) -> str:
    """What the record shows that breaks the norm law, or what else may have.

    Args:
        run: a run whose norm law does not hold.
        weights_dtype: in which the weights are stored, "" where unknown.
        optimizer: qualified name of its class, "" where unknown.
        normalisation_eps: largest epsilon of the network's normalisations, 0 where unknown.
    """
    if weights_dtype in LOW_PRECISION:
        return (
            f"the weights are stored in {weights_dtype}, which keeps "
            f"{LOW_PRECISION[weights_dtype]} bits: the optimizer's own step is rounded"
        )
    cosine = radial_cosine(run)
    known = cosine[np.isfinite(cosine)]
    typical = float(np.sqrt(np.mean(known**2))) if len(known) else 0.0
    if typical > RADIAL:
        return (
            f"the gradient has a radial part (cosine {np.mean(known):.2g} with the weights, root "
            f"mean square {typical:.2g}): {FEELS_SCALE}"
        )
    if optimizer and not optimizer.startswith("torch.optim."):
        return f"the class {optimizer} may do more in a step than the optimizer it is derived from"
    if len(known) and normalisation_eps >= FELT_EPS:
        return (
            f"the gradient is tangential but for a cosine of {typical:.1g} with the weights, which "
            f"a normalisation with epsilon = {normalisation_eps:g} leaves where what it divides by "
            "is small; low precision of gradients or gradients of older weights do the same"
        )
    if len(known):
        return (
            f"the gradient is tangential (cosine {typical:.1g}) but the step is not that of the "
            "gradient, rate and decay that were recorded: low precision of gradients, gradients "
            "of older weights, or an optimizer that does something else"
        )
    return "the step is not that of the gradient, rate and decay that were recorded"
