"""Runs with other numbers that follow the same path of directions ``w / rho``.

Sources: L22 = Li et al. 2022 (arXiv 2202.00980); LA19 = Li & Arora 2019 (1910.07454).
"""

from theory.arrays import Real
from theory.laws.momentum import momentum_shrink


def equivalent_setting(
    learning_rate: Real, weight_decay: Real, weight_norm: Real, c: Real
) -> tuple[Real, Real, Real]:
    """Rate, decay and initial norm whose run follows the same path of ``w / rho``.

    ``(eta, lam, w0) -> (c^2 eta, lam / c^2, c w0)``: only ``eta lam`` and the initial effective
    learning rate matter.

    Source: L22.
    """
    return c**2 * learning_rate, weight_decay / c**2, c * weight_norm


def growing_learning_rate(
    step: Real, learning_rate: float, weight_decay: float, momentum: float = 0.0
) -> Real:
    """Rate of the twin run without decay that follows the same path of ``w / rho``.

    ``eta_t = eta alpha^(-2t-1)``, with alpha of ``momentum_shrink``; the twin's norm is
    ``rho_t alpha^-t``. The twin of a heavy-ball run has momentum ``m / alpha^2`` and sets out
    from ``v_0 = w_0``, ``v_-1 = alpha w_-1``.

    Source: LA19.
    """
    alpha = momentum_shrink(learning_rate, weight_decay, momentum)
    return learning_rate * alpha ** (-2 * step - 1)
