r"""Hand-written kernels for the Rayleigh quotient with many weights.

Above about 64 weights lanes no longer pay: one trajectory at a time, vectorised over its weights.
One fused sweep updates the weights, ``x_i' = x_i (c - e alpha_i)`` with ``e = eta / s`` and ``c =
a + e N / s``, and sums ``s' = |x'|^2`` and ``N' = <x', A x'>`` for the next step.

In the safe kernel a weight is ``mantissa 2^exponent``; see
``theory.simulation.code_generation.kernel_source``.

Source: Rayleigh quotient, theory of power iteration with a shift.
"""

import math

from theory.simulation.kernels.vector_lanes import (
    RENORMALISE,
    aligned,
    bits_of,
    ensemble,
    fast,
    float_of,
    renormalise,
    scaled,
    use_whole_vectors,
)


@fast
def plain_step(x, alphas, e, c):
    """Update the weights and return the next ``s`` and ``N``."""
    use_whole_vectors()
    s = 0.0
    form = 0.0
    for k in range(x.shape[0]):
        new = x[k] * (c - e * alphas[k])
        x[k] = new
        square = new * new
        s += square
        form += alphas[k] * square
    return s, form


@fast
def safe_step(x, m, alphas, e, c):
    """The same with squares of mantissas brought to scale by m."""
    use_whole_vectors()
    s = 0.0
    form = 0.0
    for k in range(x.shape[0]):
        new = x[k] * (c - e * alphas[k])
        x[k] = new
        square = new * new * m[k]
        s += square
        form += alphas[k] * square
    return s, form


@fast
def squared_slope(x, m, alphas, s, form):
    """``g^2 = |w|^2 |grad F|^2 = sum x_i^2 (alpha_i - N/s)^2 / s``."""
    use_whole_vectors()
    total = 0.0
    mean = form / s
    for k in range(x.shape[0]):
        distance = alphas[k] - mean
        total += x[k] * x[k] * m[k] * distance * distance
    return total / s


@ensemble
def rayleigh(
    start, stop, weights, alphas, lowest, learning_rate, weight_decay, growth, rates, sphere, safe,
    n_steps, every, weight_norm, grad_norm, loss, path,
):  # fmt: skip
    """Advance columns start to stop of (d, n) weights; alphas (d,) count from ``lowest``.

    Records are (n_records, n). ``rates`` is (n_steps,), or (1,) where the
    learning rate does not change.
    """
    use_whole_vectors()
    d = weights.shape[0]
    x, alpha, m, e = aligned(d), aligned(d), aligned(d), aligned(d)
    alpha[:] = alphas
    for lane in range(start, stop):
        x[:] = weights[:, lane]
        m[:] = 1.0
        e[:] = float_of(0)
        if safe:
            renormalise(x, e, m)
        eta = learning_rate[lane]
        s, form = 0.0, 0.0
        for k in range(d):
            s += x[k] * x[k] * m[k]
            form += alpha[k] * x[k] * x[k] * m[k]
        for step in range(n_steps):
            if step % every == 0:
                record = step // every
                weight_norm[record, lane] = math.sqrt(s)
                loss[record, lane] = 0.5 * (lowest + form / s)
                grad_norm[record, lane] = math.sqrt(squared_slope(x, m, alpha, s, form))
                if path.shape[0] > 0:
                    for k in range(d):
                        path[record, k, lane] = scaled(x[k], bits_of(e[k]))
            now = eta * rates[step] if rates.shape[0] > 1 else eta
            eta *= growth[lane]
            shrink = 1.0 if sphere else 1.0 - now * weight_decay[lane]
            pull = now / s
            c = shrink + pull * form / s
            if safe:
                s, form = safe_step(x, m, alpha, pull, c)
                if step % RENORMALISE == RENORMALISE - 1:
                    renormalise(x, e, m)
            else:
                s, form = plain_step(x, alpha, pull, c)
            if sphere:
                project = 1.0 / math.sqrt(s)
                for k in range(d):
                    x[k] *= project
                s, form = 1.0, form * project * project
        for k in range(d):
            weights[k, lane] = scaled(x[k], bits_of(e[k]))
