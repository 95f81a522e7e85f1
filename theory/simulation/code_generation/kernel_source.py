r"""Numba kernels generated from a loss's expression, for up to about 64 weights.

One step is ``w' = (1 - eta lam) w - eta G`` with ``G = grad F(w) + noise``; on the sphere it is
``w' = (w - elr G) / |w - elr G|``; with momentum ``z' = m z + G + lam w``, ``w' = w - eta z'``.
The noise is ``(sigma / rho) P xi``: standard normal xi projected on the tangent space, so that
the squared effective gradient gains ``sigma^2 (d - 1)`` on average (S25).

A coordinate in which F is even enters the code only by its square u: its gradient is ``x R(u)``
with ``R = 2 dF/du``, and its step is a product, ``x' = x (a - eta R)``. In the *safe* variant
such a coordinate carries an exponent of its own, ``x = mantissa 2^exponent`` and ``u = square
mantissa^2`` with ``square = 4^exponent``, renormalised every 16 steps. It can then shrink to
1e-493 of the others and come back, as it does between two jumps, where a float64 is lost at
1e-308. The sign and all digits of a product survive, so this is exact up to rounding.

Sources: S25 = Sadrtdinov et al. 2025 (arXiv 2511.07308); A26 = Amin et al. 2026 (2609.09116), on
the underflow.
"""

from functools import lru_cache
from pathlib import Path

from theory.simulation.code_generation import even_forms
from theory.simulation.code_generation.printer import assignments
from theory.simulation.code_generation.step_code import (
    Variant,
    at,
    gradient,
    normals,
    rates,
    update,
)
from theory.simulation.kernels import kernel_cache
from theory.toy_losses.losses import ToyLoss


@lru_cache(maxsize=64)
def source(loss: ToyLoss, variant: Variant) -> str:
    """Python source of the module whose ``trajectories`` runs an ensemble on this loss."""
    helpers = Path(kernel_cache.__file__).with_name("vector_lanes.py").read_text()
    return helpers + "\n\n" + "\n".join(_Kernel(loss, variant).lines()) + "\n"


class _Kernel:
    """Writes the kernel of one loss and variant.

    All that a block of lanes needs lies in one local array, row by row: LLVM then sees without
    run-time checks that nothing overlaps, and vectorises at any d.
    """

    def __init__(self, loss: ToyLoss, variant: Variant) -> None:
        d = loss.dimension
        self.d, self.forms, self.variant = d, even_forms.forms(loss), variant
        self.exponents = [i for i in range(d) if variant.safe and self.forms.even[i]]
        sizes = {"X": d, "RATE": 1, "DECAY": 1, "SHRINK": 1}
        if variant.scheduled:
            sizes["GROW"] = 1
        if variant.momentum:
            sizes["V"] = d
        if variant.noise:
            sizes["STATE"] = 4
        if self.exponents:
            sizes |= {"E": d, "M": d}
        self.sizes = sizes

    def lines(self) -> list[str]:
        """The module's lines behind the helpers."""
        row, names = 0, []
        for name, size in self.sizes.items():
            names.append(f"{name} = {row} * LANES")
            row += size
        return [
            *names,
            "",
            "",
            "@ensemble",
            "def trajectories(",
            "    start, stop, weights, velocity, learning_rate, weight_decay, growth, seeds,",
            "    rates, momentum, sigma, n_steps, every, weight_norm, grad_norm, loss, path,",
            "):",
            '    """Advance columns start to stop, multiples of LANES, of (d, n) weights."""',
            "    use_whole_vectors()",
            f"    block = aligned({row} * LANES)",
            "    for first in range(start, stop, LANES):",
            *_indented(8, self._fill()),
            "        for record in range(weight_norm.shape[0]):",
            "            begin = record * every",
            "            for i in range(LANES):",
            *_indented(16, self._record()),
            "            if path.shape[0] > 0:",
            "                for i in range(LANES):",
            *[
                f"                    path[record, {k}, first + i] = {self._whole(k)}"
                for k in range(self.d)
            ],
            "            for step in range(begin, min(begin + every, n_steps)):",
            *_indented(16, self._advance()),
            "        for i in range(LANES):",
            *[f"            weights[{k}, first + i] = {self._whole(k)}" for k in range(self.d)],
        ]

    def _fill(self) -> list[str]:
        """Lines that copy one block of the arguments into the local array."""
        variant, d = self.variant, self.d
        lines = [
            "for i in range(LANES):",
            *[f"    {at('X', k)} = weights[{k}, first + i]" for k in range(d)],
            "    block[RATE + i] = learning_rate[first + i]",
            "    block[DECAY + i] = weight_decay[first + i]",
            "    block[SHRINK + i] = 1.0 - block[RATE + i] * block[DECAY + i]",
        ]
        if variant.scheduled:
            lines.append("    block[GROW + i] = growth[first + i]")
        if variant.momentum:
            lines += [f"    {at('V', k)} = velocity[{k}, first + i]" for k in range(d)]
        if self.exponents:
            for k in range(d):
                lines += [f"    {at('E', k)} = float_of(0)", f"    {at('M', k)} = 1.0"]
            lines += self._renormalise()
        if variant.noise:
            lines.append("seed_generators(seeds, first, block, STATE)")
        return lines

    def _advance(self) -> list[str]:
        """Lines that advance all lanes by one step."""
        lines = []
        if self.variant.noise:
            lines += [
                "if step == begin:",
                "    for i in range(LANES):",
                *_indented(8, self._record_slope()),
            ]
        lines += ["for i in range(LANES):", *_indented(4, self._step())]
        if self.exponents:
            lines.append("if step % RENORMALISE == RENORMALISE - 1:")
            lines += _indented(4, self._renormalise())
        return lines

    def _whole(self, k: int) -> str:
        """A coordinate as one float64."""
        carried = k in self.exponents
        return f"scaled({at('X', k)}, bits_of({at('E', k)}))" if carried else at("X", k)

    def _renormalise(self) -> list[str]:
        """One call for each run of adjacent coordinates that carry exponents."""
        carried = self.exponents
        starts = [i for i in carried if i - 1 not in carried]
        stops = [i + 1 for i in carried if i + 1 not in carried]
        pair = self.variant.momentum
        name, rows = ("renormalise_pair", "XEMV") if pair else ("renormalise", "XEM")
        return [
            f"{name}({', '.join(_rows(row, start, stop) for row in rows)})"
            for start, stop in zip(starts, stops, strict=True)
        ]

    def _load(self) -> list[str]:
        """Lines that bring one lane's coordinates p and the squares u it needs into scalars."""
        lines = []
        for i, even in enumerate(self.forms.even):
            lines.append(f"p{i} = {at('X', i)}")
            if even:
                scale = f" * {at('M', i)}" if i in self.exponents else ""
                lines.append(f"u{i} = p{i} * p{i}{scale}")
        return lines

    def _record(self) -> list[str]:
        """Lines that record one lane's norm and loss and, without noise, its gradient."""
        forms, norm = self.forms, self.forms.norm
        code, (square, loss, slope) = assignments([norm, forms.loss, norm * forms.inner])
        lines = self._load()
        # the same however far the mantissas are from 1, which neighbours decide
        for i in self.exponents:
            lines.append(f"u{i} = squared({at('X', i)}, bits_of({at('E', i)}))")
        lines += [
            *code,
            f"weight_norm[record, first + i] = math.sqrt({square})",
            f"loss[record, first + i] = {loss}",
        ]
        if not self.variant.noise:
            lines.append(f"grad_norm[record, first + i] = math.sqrt({slope})")
        return lines

    def _record_slope(self) -> list[str]:
        """Lines that record one lane's effective gradient with its noise."""
        terms = " + ".join(f"g{i} * g{i}" for i in range(self.d))
        return [
            *self._load(),
            *normals(self.forms, keep=False),
            *gradient(self.forms, noise=True),
            f"grad_norm[record, first + i] = math.sqrt(({terms}) / inverse)",
        ]

    def _step(self) -> list[str]:
        """Lines that advance one lane by one step."""
        variant = self.variant
        lines = self._load() + (normals(self.forms, keep=True) if variant.noise else [])
        lines += rates(variant)
        lines += self._heavy_ball() if variant.momentum else update(self.forms, variant)
        if variant.sphere:
            squares = [f"q{i} * q{i}" for i in range(self.d)]
            for i in self.exponents:
                squares[i] += f" * {at('M', i)}"
            lines.append(f"project = 1.0 / math.sqrt({' + '.join(squares)})")
        factor = " * project" if variant.sphere else ""
        return [*lines, *[f"{at('X', i)} = q{i}{factor}" for i in range(self.d)]]

    def _heavy_ball(self) -> list[str]:
        """Lines of a step with momentum: the gradient first, then what uses it."""
        lines = gradient(self.forms, noise=self.variant.noise)
        for i in range(self.d):
            lines += [
                f"h{i} = momentum * {at('V', i)} + g{i} + block[DECAY + i] * p{i}",
                f"{at('V', i)} = h{i}",
                f"q{i} = p{i} - eta * h{i}",
            ]
        return lines


def _rows(name: str, start: int, stop: int) -> str:
    """Rows of a name in the local array."""
    return f"block[{name} + {start} * LANES : {name} + {stop} * LANES]"


def _indented(width: int, lines: list[str]) -> list[str]:
    return [" " * width + line for line in lines]
