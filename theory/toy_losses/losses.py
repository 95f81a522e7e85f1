r"""Toy losses, each written once as a SymPy expression over its coordinates.

    Rayleigh quotient   F = sum_i alpha_i x_i^2 / (2 |x|^2)
    multi-block         F = sum_i alpha_i y_i^2 / (2 (x_i^2 + y_i^2))            (K22)
    isotropic           F = 1 - x_0 / |x|                              (A26; with noise, S25)
    logistic            F = mean_k log(1 + exp(-z_k)),  z_k = scale <p_k, x> / |x|
    custom              any expression that is scale-invariant

Everything else is derived from the expression: gradient, Hessian, curvature on the sphere, the
functions for NumPy here and the kernels for Numba in
``theory.simulation.code_generation.kernel_source``.

Sources: K22 = Kodryan et al. 2022 (arXiv 2209.03695); A26 = Amin et al. 2026 (2609.09116); S25 =
Sadrtdinov et al. 2025 (2511.07308), whose noise toy ``1 + <mu, w>/|w|`` is the isotropic loss
with the sign of mu turned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy
from sympy.codegen.cfunctions import log1p

from theory import validate
from theory.arrays import FloatArray
from theory.toy_losses import closed_forms
from theory.toy_losses import expression as expressions
from theory.toy_losses.closed_forms import NumpyLoss

# Above this, expressions with a term per coordinate are no longer differentiated or unrolled.
LARGEST_SYMBOLIC = 64
LARGEST_SPECTRUM = 100_000  # of a Rayleigh quotient, whose kernel has loops


@dataclass(frozen=True)
class ToyLoss:
    """A scale-invariant loss.

    Attributes:
        name: what the ``model`` coordinate of a Dataset says.
        expression: F over the coordinates.
        coordinates: the weights, in order.
        spectrum: the alpha_i if F is a Rayleigh quotient, else empty.
    """

    name: str
    expression: sympy.Expr
    coordinates: tuple[sympy.Symbol, ...]
    spectrum: tuple[float, ...] = ()

    @property
    def dimension(self) -> int:
        """Number of weights d."""
        return len(self.coordinates)


def rayleigh(spectrum: Sequence[float]) -> ToyLoss:
    """Rayleigh quotient, the anisotropic quadratic on the sphere.

    Descent while ``phi <= 2 / L`` with L the difference of the extreme alphas.

    Args:
        spectrum: the alpha_i, at least two finite numbers that are not all equal.

    Raises:
        ValueError: if the spectrum is not that.
    """
    validate.within("number of alphas", len(spectrum), 1, LARGEST_SPECTRUM)
    alphas = [sympy.Rational(str(float(alpha))) for alpha in _finite("spectrum", spectrum)]
    if not np.isfinite(float(max(spectrum)) - float(min(spectrum))):
        raise ValueError("the alphas of a spectrum differ by more than floating point can hold")
    if len(set(alphas)) < 2:
        raise ValueError(
            f"a spectrum needs at least two different values, got {list(spectrum)[:4]}"
        )
    x = _symbols("x", len(alphas))
    lowest = min(alphas)
    # measured from the lowest alpha, gradients keep their precision next to the minimum
    excess = sympy.Add(*((alpha - lowest) / 2 * xi**2 for alpha, xi in zip(alphas, x, strict=True)))
    form = lowest / 2 + excess / sympy.Add(*(xi**2 for xi in x))
    return ToyLoss("rayleigh", form, x, tuple(float(alpha) for alpha in alphas))


def multi_block(strengths: Sequence[float]) -> ToyLoss:
    """Independent blocks (x_i, y_i) that share one norm; coordinates x0, y0, x1, y1, ...

    On the sphere every block converges iff ``elr < 2 / sum(alpha)``.

    Source: K22.

    Args:
        strengths: the alpha_i, positive.

    Raises:
        ValueError: if one is not, or there are more than 32.
    """
    for alpha in _finite("strengths", strengths):
        validate.positive("strength", alpha)
    _check_dimension(2 * len(strengths))
    x, y = _symbols("x", len(strengths)), _symbols("y", len(strengths))
    terms = (
        sympy.Rational(str(float(alpha))) / 2 * yi**2 / (xi**2 + yi**2)
        for alpha, xi, yi in zip(strengths, x, y, strict=True)
    )
    pairs = tuple(symbol for pair in zip(x, y, strict=True) for symbol in pair)
    return ToyLoss("multi-block", sum(terms), pairs)


def isotropic(dimension: int = 2) -> ToyLoss:
    """One minus the cosine to a fixed direction, here the first axis.

    Source: A26; S25 with noise.

    Raises:
        ValueError: if the dimension is below 2 or above 64.
    """
    x = _symbols("x", validate.within("dimension", dimension, 2, LARGEST_SYMBOLIC))
    return ToyLoss("isotropic", 1 - x[0] / sympy.sqrt(sum(xi**2 for xi in x)), x)


def logistic(points: Sequence[Sequence[float]], scale: float = 10.0) -> ToyLoss:
    """Logistic loss of a linear classifier on the sphere; separable points are interpolated.

    Gradient and curvature vanish with the loss, down to about ``exp(-scale margin)``.

    Args:
        points: inputs times their labels +-1, (n_points, d), at most 64 numbers.
        scale: factor on the cosine, which is the norm of the frozen last layer.

    Raises:
        ValueError: if the points are not a finite matrix with at least two columns, or too many.
    """
    matrix = np.asarray(points, dtype=float)
    if matrix.ndim != 2 or matrix.shape[1] < 2 or not np.isfinite(matrix).all():
        raise ValueError(f"points must be a finite (n, d >= 2) matrix, got shape {matrix.shape}")
    if matrix.size > LARGEST_SYMBOLIC:
        raise ValueError(f"points must hold at most {LARGEST_SYMBOLIC} numbers, got {matrix.size}")
    factor = sympy.Rational(str(validate.positive("scale", scale)))
    x = _symbols("x", matrix.shape[1])
    near = 1 / sympy.sqrt(sympy.Add(*(xi**2 for xi in x)))
    terms = []
    for point in matrix.tolist():
        weighted = (-factor * sympy.Rational(str(p)) * xi for p, xi in zip(point, x, strict=True))
        # unevaluated: looking for simplifications takes a quarter of a second a point
        decay = sympy.exp(sympy.Add(*weighted) * near, evaluate=False)
        terms.append(sympy.log(1 + decay, evaluate=False))
    return ToyLoss("logistic", sympy.Add(*terms) / len(terms), x)


def custom(
    expression: str | sympy.Expr, coordinates: Sequence[str] | None = None, *, name: str = "custom"
) -> ToyLoss:
    """Any expression that can be proved scale-invariant.

    Args:
        expression: SymPy expression, or text such as ``"x**2 / (x**2 + y**2)"``.
        coordinates: names of the weights in order; all symbols, sorted, by default.
        name: what the Dataset calls it.

    Raises:
        ValueError: if it cannot be read, has unknown symbols or more than 64 weights, or is not
            scale-invariant.
    """
    form = expressions.parse(expression) if isinstance(expression, str) else expression
    form, symbols = expressions.coordinates_of(form, coordinates)
    _check_dimension(len(symbols))
    expressions.prove_scale_invariance(form, symbols)
    return ToyLoss(name, form, symbols)


def gradient(loss: ToyLoss) -> list[sympy.Expr]:
    """``dF/dx_i``, symbolic."""
    return [sympy.diff(loss.expression, x) for x in loss.coordinates]


def hessian(loss: ToyLoss) -> sympy.Matrix:
    """``d2F/dx_i dx_j``, symbolic; a kink, as of ``abs(x)`` at 0, counts as straight."""
    matrix = sympy.hessian(loss.expression, loss.coordinates)
    return matrix.replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))


@lru_cache(maxsize=64)
def for_numpy(loss: ToyLoss) -> NumpyLoss:
    """Functions for NumPy, from closed forms where there are too many terms to differentiate."""
    if loss.spectrum and loss.dimension > LARGEST_SYMBOLIC:
        return closed_forms.rayleigh(np.array(loss.spectrum))
    d = loss.dimension
    return NumpyLoss(
        _compiled(loss, [loss.expression], ()),
        _compiled(loss, gradient(loss), (d,)),
        _compiled(loss, list(hessian(loss)), (d, d)),
    )


def precise(form: sympy.Expr) -> sympy.Expr:
    """The form with ``log1p`` where a float64 ``log(1 + y)`` would lose a small y."""

    def replacement(argument: sympy.Expr) -> sympy.Expr:
        has_one = argument.is_Add and sympy.Integer(1) in argument.args
        return log1p(argument - 1) if has_one else sympy.log(argument)

    return form.replace(sympy.log, replacement)


def spherical_sharpness(loss: ToyLoss, weights: FloatArray) -> float:
    """Top eigenvalue of the Hessian on the unit sphere, ``|w|^2 P H P`` with ``P`` tangential.

    Args:
        loss: the loss.
        weights: (d,), of any norm.
    """
    tangential = np.eye(len(weights)) - np.outer(weights, weights) / (weights @ weights)
    curvature = tangential @ for_numpy(loss).hessian(weights) @ tangential
    return float(np.linalg.eigvalsh(curvature * (weights @ weights))[-1])


def _compiled(
    loss: ToyLoss, forms: list[sympy.Expr], shape: tuple[int, ...]
) -> Callable[[FloatArray], FloatArray]:
    """A NumPy function of the weights that returns the forms, reshaped, on the leading axes."""
    forms = [precise(form) for form in forms]
    function = sympy.lambdify(loss.coordinates, forms, modules="numpy", cse=True)

    def evaluate(weights: FloatArray) -> FloatArray:
        weights = np.asarray(weights, dtype=float)
        members = weights.shape[1:]
        values = [np.broadcast_to(value, members) for value in function(*weights)]
        return np.stack(values).reshape(shape + members)

    return evaluate


def _symbols(letter: str, count: int) -> tuple[sympy.Symbol, ...]:
    return tuple(sympy.Symbol(f"{letter}{i}", real=True) for i in range(count))


def _check_dimension(d: int) -> None:
    """Refuse losses that are neither differentiated nor simulated."""
    if d > LARGEST_SYMBOLIC:
        raise ValueError(
            f"a loss must have at most {LARGEST_SYMBOLIC} weights, but for a Rayleigh quotient, "
            f"got {d}"
        )


def _finite(name: str, values: Sequence[float]) -> list[float]:
    """The values as floats, all of them finite."""
    numbers = [float(value) for value in values]
    if not numbers or not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite numbers, got {numbers}")
    return numbers
