r"""SymPy forms as lines of float64 code for Numba: what forms share once, few divisions and roots.

Coordinates ``x0`` are printed as ``p0``, the scalar of one lane; ``eta`` and ``a`` are the
learning rate and the shrink factor of the step.
"""

import sympy
from sympy.printing.pycode import PythonCodePrinter

from theory.toy_losses.losses import precise

ETA, SHRINK = sympy.symbols("eta a", real=True)


class Inverse(sympy.Function):  # type: ignore[misc]
    """One over its argument, as one shared division."""


class InverseRoot(sympy.Function):  # type: ignore[misc]
    """One over the square root of its argument."""


class Pair(sympy.Function):  # type: ignore[misc]
    """A product of two that other products share, whatever else they have."""


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


def assignments(forms: list[sympy.Expr]) -> tuple[list[str], list[str]]:
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
    if not (form.is_Mul and ETA in form.args):
        return form
    for part in form.args:
        base, exponent = part.as_base_exp()
        if isinstance(base, Inverse) and exponent.is_Integer and exponent > 0:
            rest = [other for other in form.args if other not in (ETA, part)]
            return sympy.Mul(Pair(ETA, base), base ** (exponent - 1), *rest)
    return form
