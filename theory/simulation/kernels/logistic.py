r"""A kernel for the logistic loss of many points: loops over points, where generated code unrolls.

    F = mean_j log(1 + e^(-z_j)),  z_j = scale <p_j, x> / rho,
    grad F = c x - b,  b = (scale/rho) sum_j s_j p_j,  c = (scale/rho^3) sum_j s_j <p_j, x>,

with ``s_j = 1 / (n (1 + e^(z_j)))``. Lanes and their generators are those of generated kernels
(``theory.simulation.code_generation.kernel_source``); no coordinate carries an exponent.
"""

from __future__ import annotations

import math

from theory.simulation.kernels.vector_lanes import (
    LANES,
    aligned,
    draw_normals,
    ensemble,
    exp,
    fast,
    seed_generators,
    use_whole_vectors,
)


@fast
def norms(x, d, near):
    """Fill ``near`` with one over the norm of each lane."""
    use_whole_vectors()
    for i in range(LANES):
        near[i] = 0.0
    for k in range(d):
        for i in range(LANES):
            near[i] += x[k * LANES + i] * x[k * LANES + i]
    for i in range(LANES):
        near[i] = 1.0 / math.sqrt(near[i])


@fast
def slopes(x, d, points, scale, near, inner, pull, along, value, recording):
    """Fill ``pull`` with b, ``along`` with c and, to record it, ``value`` with F.

    ``inner`` is scratch.
    """
    use_whole_vectors()
    n = points.shape[0]
    for k in range(d):
        for i in range(LANES):
            pull[k * LANES + i] = 0.0
    for i in range(LANES):
        along[i] = 0.0
        value[i] = 0.0
    for j in range(n):
        for i in range(LANES):
            inner[i] = 0.0
        for k in range(d):
            p = points[j, k]
            for i in range(LANES):
                inner[i] += p * x[k * LANES + i]
        if recording:
            for i in range(LANES):
                z = scale * near[i] * inner[i]
                value[i] += max(-z, 0.0) + math.log1p(math.exp(-abs(z)))
        for i in range(LANES):
            z = scale * near[i] * inner[i]
            small = exp(-abs(z))
            share = (small if z > 0.0 else 1.0) / (1.0 + small)
            along[i] += share * inner[i]
            inner[i] = share
        for k in range(d):
            p = points[j, k]
            for i in range(LANES):
                pull[k * LANES + i] += p * inner[i]
    for i in range(LANES):
        value[i] /= n
        along[i] *= scale * near[i] * near[i] * near[i] / n
        inner[i] = scale * near[i] / n
    for k in range(d):
        for i in range(LANES):
            pull[k * LANES + i] *= inner[i]


@ensemble
def logistic(
    start, stop, weights, velocity, learning_rate, weight_decay, growth, seeds, rates, momentum,
    sigma, n_steps, every, weight_norm, grad_norm, loss, path, points, scale, sphere,
):  # fmt: skip
    """Advance columns start to stop, multiples of LANES, of (d, n) weights.

    ``points`` is (n_points, d); ``rates`` is (n_steps,), or (1,) where the learning rate does not
    change.
    """
    use_whole_vectors()
    d = weights.shape[0]
    pairs = (d + 1) // 2
    x, v, pull = aligned(d * LANES), aligned(d * LANES), aligned(d * LANES)
    noise = aligned((4 + 2 * pairs) * LANES)
    normals = noise[4 * LANES :]
    near, inner, along, value = aligned(LANES), aligned(LANES), aligned(LANES), aligned(LANES)
    rate, radial = aligned(LANES), aligned(LANES)
    for first in range(start, stop, LANES):
        for k in range(d):
            for i in range(LANES):
                x[k * LANES + i] = weights[k, first + i]
                v[k * LANES + i] = velocity[k, first + i]
        for i in range(LANES):
            rate[i] = learning_rate[first + i]
            radial[i] = 0.0
        normals[:] = 0.0
        seed_generators(seeds, first, noise, 0)
        for step in range(n_steps):
            norms(x, d, near)
            slopes(x, d, points, scale, near, inner, pull, along, value, step % every == 0)
            if sigma > 0.0:
                draw_normals(noise, 0, 4 * LANES, pairs)
                for i in range(LANES):
                    radial[i] = 0.0
                for k in range(d):
                    for i in range(LANES):
                        radial[i] += x[k * LANES + i] * normals[k * LANES + i]
                for i in range(LANES):
                    radial[i] *= near[i] * near[i]
            # the gradient with its noise, in place of b
            for k in range(d):
                for i in range(LANES):
                    p = x[k * LANES + i]
                    kick = sigma * near[i] * (normals[k * LANES + i] - p * radial[i])
                    pull[k * LANES + i] = along[i] * p - pull[k * LANES + i] + kick
            if step % every == 0:
                record = step // every
                for i in range(LANES):
                    inner[i] = 0.0
                for k in range(d):
                    for i in range(LANES):
                        inner[i] += pull[k * LANES + i] * pull[k * LANES + i]
                for i in range(LANES):
                    weight_norm[record, first + i] = 1.0 / near[i]
                    grad_norm[record, first + i] = math.sqrt(inner[i]) / near[i]
                    loss[record, first + i] = value[i]
                if path.shape[0] > 0:
                    for k in range(d):
                        for i in range(LANES):
                            path[record, k, first + i] = x[k * LANES + i]
            factor = rates[step] if rates.shape[0] > 1 else 1.0
            for k in range(d):
                for i in range(LANES):
                    eta = rate[i] * factor
                    g, p = pull[k * LANES + i], x[k * LANES + i]
                    if momentum > 0.0:
                        g += momentum * v[k * LANES + i] + weight_decay[first + i] * p
                        v[k * LANES + i] = g
                        x[k * LANES + i] = p - eta * g
                    else:
                        shrink = 1.0 if sphere else 1.0 - eta * weight_decay[first + i]
                        x[k * LANES + i] = shrink * p - eta * g
            for i in range(LANES):
                rate[i] *= growth[first + i]
            if sphere:
                norms(x, d, near)
                for k in range(d):
                    for i in range(LANES):
                        x[k * LANES + i] *= near[i]
        for k in range(d):
            for i in range(LANES):
                weights[k, first + i] = x[k * LANES + i]
