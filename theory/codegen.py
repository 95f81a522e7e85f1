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

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import sympy
from sympy.printing.pycode import PythonCodePrinter

from theory.losses import ToyLoss, precise

# Operations above which gradients are not brought over one denominator: that takes minutes.
_LARGEST_COMBINED = 300
_ETA, _SHRINK = sympy.symbols("eta a", real=True)


class Inverse(sympy.Function):  # type: ignore[misc]
    """One over its argument, as one shared division."""


class InverseRoot(sympy.Function):  # type: ignore[misc]
    """One over the square root of its argument."""


class Pair(sympy.Function):  # type: ignore[misc]
    """A product of two that other products share, whatever else they have."""


@dataclass(frozen=True)
class Variant:
    """Which terms a generated kernel has; every absent one saves its time.

    Attributes:
        noise: Gaussian gradient noise.
        momentum: heavy ball.
        scheduled: learning rates that change in time.
        sphere: normalise after every step, without decay.
        safe: coordinates carry exponents.
    """

    noise: bool = False
    momentum: bool = False
    scheduled: bool = False
    sphere: bool = False
    safe: bool = False


class _Printer(PythonCodePrinter):  # type: ignore[misc]
    """Prints float64 code: exact literals, and exp in vector instructions."""

    def _print_Integer(self, node: sympy.Integer) -> str:  # noqa: N802
        return repr(float(node))

    _print_Rational = _print_Integer  # noqa: N815

    def _print_Float(self, node: sympy.Float) -> str:  # noqa: N802
        return repr(float(node))

    def _print_exp(self, node: sympy.exp) -> str:
        return f"exp({self._print(node.args[0])})"

    def _print_Inverse(self, node: sympy.Function) -> str:  # noqa: N802
        return f"(1.0 / ({self._print(node.args[0])}))"

    def _print_Pair(self, node: sympy.Function) -> str:  # noqa: N802
        return f"({self._print(node.args[0])} * {self._print(node.args[1])})"

    def _print_InverseRoot(self, node: sympy.Function) -> str:  # noqa: N802
        return f"(1.0 / math.sqrt({self._print(node.args[0])}))"

    def _print_Pow(self, node: sympy.Pow, rational: bool = False) -> str:  # noqa: N802
        base, exponent = f"({self._print(node.base)})", node.exp
        if exponent == sympy.Rational(1, 2):
            return f"math.sqrt{base}"
        if exponent.is_Integer:
            return f"{base}**{int(exponent)}"
        return f"{base}**({self._print(exponent)})"


@dataclass(frozen=True)
class _Forms:
    """A loss over squares where it is even, over coordinates elsewhere.

    Attributes:
        loss: F.
        pulls: R of each even coordinate, dF/dx of each other one.
        even: whether each coordinate is.
        squares: the square of each coordinate.
    """

    loss: sympy.Expr
    pulls: tuple[sympy.Expr, ...]
    even: tuple[bool, ...]
    squares: tuple[sympy.Expr, ...]

    @property
    def inner(self) -> sympy.Expr:
        """``|grad F|^2``."""
        parts = zip(self.squares, self.pulls, self.even, strict=True)
        return sympy.Add(*(u * pull**2 if even else pull**2 for u, pull, even in parts))


@lru_cache(maxsize=64)
def _forms(loss: ToyLoss) -> _Forms:
    form, pulls = loss.expression, []
    names = tuple(sympy.Symbol(f"x{i}", real=True) for i in range(loss.dimension))
    form = form.xreplace(dict(zip(loss.coordinates, names, strict=True)))
    squares = [x**2 for x in names]
    even = [False] * len(names)
    for i, x in enumerate(names):
        u = sympy.Symbol(f"u{i}", positive=True)
        candidate = form.subs(x, sympy.sqrt(u))
        if form.subs(x, -x) == form and not candidate.has(sympy.sqrt(u)):
            form, squares[i], even[i] = candidate, u, True
    for x, u, is_even in zip(names, squares, even, strict=True):
        pulls.append(2 * sympy.diff(form, u) if is_even else sympy.diff(form, x))
    if _operations(pulls) <= _LARGEST_COMBINED and not form.atoms(sympy.Function):
        pulls = min(pulls, [_combined(pull) for pull in pulls], key=_operations)
    return _Forms(form, tuple(pulls), tuple(even), tuple(squares))


def _combined(form: sympy.Expr) -> sympy.Expr:
    """The form over one denominator, where terms cancel before they are rounded."""
    above, below = sympy.fraction(sympy.together(form))
    return sympy.expand(above) / below


def _operations(forms: list[sympy.Expr]) -> int:
    """Operations that the forms take together, what they share counted once."""
    shared, results = sympy.cse(forms)
    return sum(int(part.count_ops()) for part in [*results, *(value for _, value in shared)])


def carries_exponents(loss: ToyLoss) -> bool:
    """Whether the safe variant differs from the plain one: F is even in some coordinate."""
    return any(_forms(loss).even)


@lru_cache(maxsize=64)
def source(loss: ToyLoss, variant: Variant) -> str:
    """Python source of the module whose ``trajectories`` runs an ensemble on this loss."""
    helpers = Path(__file__).with_name("lanes.py").read_text()
    return helpers + "\n\n" + "\n".join(_kernel(loss, variant)) + "\n"


def _kernel(loss: ToyLoss, variant: Variant) -> list[str]:
    d, forms = loss.dimension, _forms(loss)
    exponents = [i for i in range(d) if variant.safe and forms.even[i]]
    each = range(d)
    lines = [
        "@ensemble",
        "def trajectories(",
        "    start, stop, weights, velocity, learning_rate, weight_decay, growth, seeds, rates,",
        "    momentum, sigma, n_steps, every, weight_norm, grad_norm, loss, path,",
        "):",
        '    """Advance columns start to stop, multiples of LANES, of (d, n) weights."""',
        "    for first in range(start, stop, LANES):",
        "        last = first + LANES",
        # one local array with constant offsets: LLVM then sees without run-time checks that the
        # coordinates do not overlap, and vectorises at any d
        *_local("x", "weights", d),
        "        rate = aligned(LANES)",
        "        decay = aligned(LANES)",
        "        shrink = aligned(LANES)",
        "        rate[:] = learning_rate[first:last]",
        "        decay[:] = weight_decay[first:last]",
        "        shrink[:] = 1.0 - rate * decay",
    ]
    if variant.scheduled:
        lines += ["        grow = aligned(LANES)", "        grow[:] = growth[first:last]"]
    if variant.momentum:
        lines += _local("v", "velocity", d)
    if variant.noise:
        pairs = (d + 1) // 2
        lines += [
            "        state = np.empty(4 * LANES, np.uint64)",
            "        seed_generators(seeds[first:last], state)",
            f"        normals = aligned({2 * pairs} * LANES)",
            "        drawn = aligned(LANES)",
        ]
    if exponents:
        lines += [
            f"        e = aligned({d} * LANES).view(np.int64)",
            "        e[:] = 0",
            f"        m = aligned({d} * LANES)",
            "        m[:] = 1.0",
            *_renormalise(exponents, variant, 8),
        ]
    lines += [
        "        for record in range(weight_norm.shape[0]):",
        "            for i in range(LANES):",
        *_indented(16, _record(forms, variant, exponents)),
        "            if path.shape[0] > 0:",
        "                for i in range(LANES):",
        *[
            f"                    path[record, {k}, first + i] = {_whole(k, exponents)}"
            for k in each
        ],
        "            for step in range(record * every, min((record + 1) * every, n_steps)):",
    ]
    if variant.noise:
        lines += [f"                draw_normals(state, normals, {pairs})"]
    lines += [
        "                for i in range(LANES):",
        *_indented(20, _step(forms, variant, exponents)),
    ]
    if variant.noise:
        lines += [
            "                if step == record * every:",
            "                    for i in range(LANES):",
            "                        grad_norm[record, first + i] = math.sqrt(drawn[i])",
        ]
    if exponents:
        lines += [
            "                if step % RENORMALISE == RENORMALISE - 1:",
            *_renormalise(exponents, variant, 20),
        ]
    lines += ["        for i in range(LANES):"]
    return lines + [f"            weights[{k}, first + i] = {_whole(k, exponents)}" for k in each]


def _local(array: str, argument: str, count: int) -> list[str]:
    """Lines that copy one block of an argument into a local array."""
    return [
        f"        {array} = aligned({count} * LANES)",
        f"        for k in range({count}):",
        f"            {array}[k * LANES : (k + 1) * LANES] = {argument}[k, first:last]",
    ]


def _at(array: str, k: int) -> str:
    """Element of a local array that belongs to coordinate k of lane i."""
    return f"{array}[{k} * LANES + i]" if k else f"{array}[i]"


def _whole(k: int, exponents: list[int]) -> str:
    """A coordinate as one float64."""
    return f"scaled({_at('x', k)}, {_at('e', k)})" if k in exponents else _at("x", k)


def _renormalise(exponents: list[int], variant: Variant, width: int) -> list[str]:
    """One call for each run of adjacent coordinates that carry exponents."""
    starts = [i for i in exponents if i - 1 not in exponents]
    stops = [i + 1 for i in exponents if i + 1 not in exponents]
    name, arrays = ("renormalise_pair", "x, v") if variant.momentum else ("renormalise", "x")
    return _indented(
        width,
        [
            f"{name}({arrays}, e, m, {start} * LANES, {stop} * LANES)"
            for start, stop in zip(starts, stops, strict=True)
        ],
    )


def _indented(width: int, lines: list[str]) -> list[str]:
    return [" " * width + line for line in lines]


def _load(forms: _Forms, exponents: list[int]) -> list[str]:
    """Lines that bring one lane's coordinates p and the squares u it needs into scalars."""
    lines = []
    for i, even in enumerate(forms.even):
        lines.append(f"p{i} = {_at('x', i)}")
        if even:
            scale = f" * {_at('m', i)}" if i in exponents else ""
            lines.append(f"u{i} = p{i} * p{i}{scale}")
    return lines


def _record(forms: _Forms, variant: Variant, exponents: list[int]) -> list[str]:
    norm = sympy.Add(*forms.squares)
    code, (square, loss, slope) = _assignments([norm, forms.loss, norm * forms.inner])
    lines = [
        *_load(forms, exponents),
        *code,
        f"weight_norm[record, first + i] = math.sqrt({square})",
        f"loss[record, first + i] = {loss}",
    ]
    if not variant.noise:
        lines.append(f"grad_norm[record, first + i] = math.sqrt({slope})")
    return lines


def _step(forms: _Forms, variant: Variant, exponents: list[int]) -> list[str]:
    """Lines that advance one lane by one step."""
    lines = _load(forms, exponents) + _rates(variant)
    if variant.noise or variant.momentum:
        lines += _general_update(forms, variant)
    else:
        lines += _plain_update(forms, variant)
    d = len(forms.squares)
    if variant.sphere:
        terms = " + ".join(
            f"q{i} * q{i}" + (f" * {_at('m', i)}" if i in exponents else "") for i in range(d)
        )
        lines.append(f"project = 1.0 / math.sqrt({terms})")
    factor = " * project" if variant.sphere else ""
    return [*lines, *[f"{_at('x', i)} = q{i}{factor}" for i in range(d)]]


def _rates(variant: Variant) -> list[str]:
    """Lines that set this step's learning rate and shrink factor."""
    if not variant.scheduled:
        return ["eta = rate[i]", "a = 1.0" if variant.sphere else "a = shrink[i]"]
    return [
        "eta = rate[i] * rates[step]",
        "rate[i] *= grow[i]",
        "a = 1.0" if variant.sphere else "a = 1.0 - eta * decay[i]",
    ]


def _plain_update(forms: _Forms, variant: Variant) -> list[str]:
    """``q = p (a - eta R)`` or ``q = a p - eta G``, with what the coordinates share factored."""
    shrink = sympy.Integer(1) if variant.sphere else _SHRINK
    updates = []
    for i, (pull, even) in enumerate(zip(forms.pulls, forms.even, strict=True)):
        kept = shrink if even else shrink * sympy.Symbol(f"p{i}")
        # distributing eta lets the coordinates share (a + eta N / s^2) and eta / s
        updates.append(kept + sympy.Add(*(-_ETA * term for term in sympy.Add.make_args(pull))))
    code, values = _assignments(updates)
    return code + [
        f"q{i} = p{i} * ({value})" if even else f"q{i} = {value}"
        for i, (value, even) in enumerate(zip(values, forms.even, strict=True))
    ]


def _general_update(forms: _Forms, variant: Variant) -> list[str]:
    """The step with noise or momentum: the gradient first, then what uses it."""
    d, norm = len(forms.squares), sympy.Add(*forms.squares)
    root = [1 / sympy.sqrt(norm)] if variant.noise else []
    code, values = _assignments([*forms.pulls, *root])
    code += [
        f"g{i} = p{i} * ({value})" if even else f"g{i} = {value}"
        for i, (value, even) in enumerate(zip(values, forms.even, strict=False))
    ]
    if variant.noise:
        code += [
            f"near = {values[-1]}",
            *[f"z{i} = {_at('normals', i)}" for i in range(d)],
            "radial = near * near * (" + " + ".join(f"p{i} * z{i}" for i in range(d)) + ")",
            *[f"g{i} += sigma * near * (z{i} - p{i} * radial)" for i in range(d)],
            "drawn[i] = (" + " + ".join(f"g{i} * g{i}" for i in range(d)) + ") / (near * near)",
        ]
    if variant.momentum:
        for i in range(d):
            code += [
                f"h{i} = momentum * {_at('v', i)} + g{i} + decay[i] * p{i}",
                f"{_at('v', i)} = h{i}",
                f"q{i} = p{i} - eta * h{i}",
            ]
        return code
    return code + [f"q{i} = a * p{i} - eta * g{i}" for i in range(d)]


def _assignments(forms: list[sympy.Expr]) -> tuple[list[str], list[str]]:
    """Lines that compute what the forms share, and the code of each form."""
    printer = _Printer({"fully_qualified_modules": True})
    rooted = {
        power.base
        for form in forms
        for power in form.atoms(sympy.Pow)
        if power.exp.is_Rational and power.exp.q == 2 and power.exp < 0
    }
    cheap = [_paired(_cheap(precise(form), rooted)) for form in forms]
    named = [
        form.xreplace({s: sympy.Symbol(_scalar(s.name)) for s in form.free_symbols})
        for form in cheap
    ]
    shared, results = sympy.cse(named, symbols=sympy.numbered_symbols("k"))
    lines = [f"{symbol} = {printer.doprint(value)}" for symbol, value in shared]
    return lines, [printer.doprint(result) for result in results]


def _scalar(name: str) -> str:
    """Name of the scalar that holds a coordinate inside the loop over lanes."""
    return "p" + name[1:] if name[0] == "x" and name[1:].isdigit() else name


def _cheap(form: sympy.Expr, rooted: set[sympy.Expr]) -> sympy.Expr:
    """The form with one division or one root for each base instead of negative powers.

    Args:
        form: the form.
        rooted: bases of which an inverse root is taken anywhere, so that it serves for all.
    """
    if not form.args:
        return form
    if not (form.is_Pow and form.exp.is_Rational and not form.base.is_number):
        return form.func(*(_cheap(part, rooted) for part in form.args))
    base, exponent = _cheap(form.base, rooted), form.exp
    if form.base in rooted and exponent < 0:
        return InverseRoot(base) ** (-2 * exponent)
    if form.base in rooted and exponent.q == 2:
        return base ** (exponent + sympy.Rational(1, 2)) * InverseRoot(base)
    if exponent.is_Integer and exponent < 0:
        return Inverse(base) ** (-exponent)
    if exponent.q == 2 and exponent > 1:
        return base ** (exponent - sympy.Rational(1, 2)) * sympy.sqrt(base)
    return form.func(base, exponent)


def _paired(form: sympy.Expr) -> sympy.Expr:
    """The form with ``eta / b`` as one quantity, in ``eta / b^2`` too.

    It is shared then, and ``eta / b^2`` neither overflows nor underflows before ``eta / b`` does.
    """
    if not form.args:
        return form
    form = form.func(*(_paired(part) for part in form.args))
    if not (form.is_Mul and _ETA in form.args):
        return form
    for part in form.args:
        base, exponent = part.as_base_exp()
        if isinstance(base, Inverse) and exponent.is_Integer and exponent > 0:
            rest = [other for other in form.args if other not in (_ETA, part)]
            return sympy.Mul(Pair(_ETA, base), base ** (exponent - 1), *rest)
    return form
