r"""A toy loss over the squares of the coordinates in which it is even.

Such a coordinate's gradient is ``x R(u)`` with ``u = x^2`` and ``R = 2 dF/du``, so that its step
is a product, which keeps the sign and all digits however small the coordinate is.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import sympy

from theory.toy_losses.losses import ToyLoss

# Operations above which gradients are not brought over one denominator: that takes minutes.
_LARGEST_COMBINED = 300
_MOST_TERMS = 1000  # likewise
_MOST_OPERATIONS = 2000  # of all gradients: a kernel of more takes minutes to compile


@dataclass(frozen=True)
class EvenForms:
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
    def norm(self) -> sympy.Expr:
        """``|w|^2``."""
        return sympy.Add(*self.squares)

    @property
    def inner(self) -> sympy.Expr:
        """``|grad F|^2``."""
        parts = zip(self.squares, self.pulls, self.even, strict=True)
        return sympy.Add(*(u * pull**2 if even else pull**2 for u, pull, even in parts))


@lru_cache(maxsize=64)
def forms(loss: ToyLoss) -> EvenForms:
    """The loss over squares wherever it depends on no sign.

    Raises:
        ValueError: if its gradients are too long to compile.
    """
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
    needed = _operations(pulls)
    if needed > _MOST_OPERATIONS:
        raise ValueError(
            f"the gradients of {loss.name} take {needed} operations, "
            f"at most {_MOST_OPERATIONS} can be compiled"
        )
    if needed <= _LARGEST_COMBINED and not form.atoms(sympy.Function):
        pulls = min(pulls, [_combined(pull) for pull in pulls], key=_operations)
    return EvenForms(form, tuple(pulls), tuple(even), tuple(squares))


def _combined(form: sympy.Expr) -> sympy.Expr:
    """The form over one denominator, where terms cancel before they are rounded."""
    above, below = sympy.fraction(sympy.together(form))
    return sympy.expand(above) / below if _terms(above) <= _MOST_TERMS else form


def _terms(form: sympy.Expr) -> int:
    """Terms that expanding a form makes, at most."""
    if form.is_Add:
        return sum(map(_terms, form.args))
    if form.is_Mul:
        return math.prod(map(_terms, form.args))
    if form.is_Pow and form.exp.is_Integer and form.exp > 0:
        base, power = _terms(form.base), int(form.exp)
        return math.comb(base + power - 1, power)
    return 1


def _operations(forms: list[sympy.Expr]) -> int:
    """Operations that the forms take together, what they share counted once."""
    shared, results = sympy.cse(forms)
    return sum(int(part.count_ops()) for part in [*results, *(value for _, value in shared)])


def carries_exponents(loss: ToyLoss) -> bool:
    """Whether the safe variant differs from the plain one: F is even in some coordinate."""
    return any(forms(loss).even)
