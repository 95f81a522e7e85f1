"""Logs in which one mechanism was planted, as columns by name."""

import numpy as np


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(size=n)


def sawtooth(*, n=3000, period=200, lr=0.5, wd=0.01, decays_at=1.0, seed=0):
    """The norm falls by ``decays_at`` times eta lam a step and jumps within five steps."""
    phase = np.arange(n) % period
    fallen = -decays_at * lr * wd * period
    rising = phase >= period - 5
    log_norm = np.where(rising, fallen * (period - phase) / 5, fallen * phase / (period - 5))
    loss = np.exp(-3 + 2.5 * np.maximum(0, 1 - phase / 20) + 0.1 * noise(n, seed))
    loss[rising] = 1.0
    return {
        "step": np.arange(n), "loss": loss, "lr": lr, "wd": wd, "weight_norm": 5 * np.exp(log_norm),
        "grad_norm": np.exp(0.3 * noise(n, seed + 1)), "steps_per_epoch": 11, "optimizer": "sgd",
    }  # fmt: skip


def epochs(*, n=3000, epoch=50, swing=0.1, seed=0):
    """The loss rises by ``swing`` within an epoch and falls at its border, under noise of 0.1."""
    step = np.arange(n)
    log = -step / n + swing * (step % epoch) / epoch + 0.1 * noise(n, seed)
    return {"step": step, "loss": np.exp(log), "lr": 1e-3, "wd": 0.0, "steps_per_epoch": epoch}


def adam_on_a_parabola(*, n=14000, lr=0.5, beta2=0.999, after=9000):
    """Adam on x^2/2: spikes while v lags, though the curvature never changes (2506.04805).

    The log begins ``after`` the first, enormous one.
    """
    x, m, v, rows = 1.0, 0.0, 0.0, []
    for step in range(n):
        rows.append((step, x * x / 2, abs(x)))
        m, v = 0.9 * m + 0.1 * x, beta2 * v + (1 - beta2) * x * x
        m_hat, v_hat = m / (1 - 0.9 ** (step + 1)), v / (1 - beta2 ** (step + 1))
        x -= lr * m_hat / (np.sqrt(v_hat) + 1e-30)
    step, loss, grad = np.array(rows[after:]).T
    return {"step": step, "loss": loss, "grad_norm": grad, "lr": lr, "wd": 0.0,
            "steps_per_epoch": 1, "optimizer": "adam", "beta2": beta2}  # fmt: skip


def slingshots(*, n=6000, period=1000, stair=0.1, seed=0):
    """The last layer's norm grows by ``stair`` in the hundred steps before each spike."""
    step = np.arange(n)
    phase = step % period
    stairs = step // period + np.clip((phase - period + 100) / 100, 0, 1)
    loss = np.exp(-10 - 5 * phase / period)
    loss[(phase >= period - 10)] *= np.exp(np.arange(10) + 1)[phase[phase >= period - 10] - period]
    grad = np.exp(0.2 * noise(n, seed))
    return {"step": step, "loss": loss, "grad_norm": grad, "lr": 1e-3, "wd": 0.0,
            "last_layer_norm": np.exp(stair * stairs), "steps_per_epoch": 1, "optimizer": "adam",
            "beta2": 0.95}  # fmt: skip


def descent(*, n=2000, lr=0.1, times_lr=2.0):
    """Descent where the curvature along the gradient times eta swings by 2 % about a value."""
    step = np.arange(n)
    grad = np.exp(0.5 * np.sin(2 * np.pi * step / 60))
    curvature = times_lr * (1 + 0.02 * np.sin(2 * np.pi * step / 45))
    change = -lr * grad**2 * (1 - curvature / 2)
    loss = np.cumsum(change)
    return {"step": step, "loss": loss - loss.min() + 1.0, "grad_norm": grad, "lr": lr, "wd": 0.0}


def quiet(*, n=3000, seed=0):
    """A loss that falls under the noise of batches."""
    step = np.arange(n)
    return {"step": step, "loss": np.exp(-step / n + 0.2 * noise(n, seed)), "lr": 0.1, "wd": 0.0,
            "grad_norm": np.exp(0.2 * noise(n, seed + 1)), "steps_per_epoch": 40,
            "weight_norm": 5 + step / n, "optimizer": "sgd"}  # fmt: skip


def diverging(*, n=3000, at=2000, rate=0.02, seed=0):
    """A loss about 0.1 that grows by ``rate`` a step from ``at`` on, to the end."""
    step = np.arange(n)
    log = np.log(0.1) + rate * np.maximum(0, step - at) + 0.1 * noise(n, seed)
    return {"step": step, "loss": np.exp(log), "lr": 0.1}
