r"""Losses as SymPy expressions: read safely, and proved scale-invariant or refused by name.

A loss is scale-invariant when it is homogeneous of degree 0, ``F(c w) = F(w)`` for ``c > 0``;
equivalently, by Euler's identity, ``<grad F(w), w> = 0``. The proof goes over the tree of the
expression by the rules of degrees (a product adds them, a sum needs them equal, a function needs
0), which also names the culprit. What those rules cannot decide, such as ``log x - log y``, is
left to Euler's identity.

Source: Euler's homogeneous function theorem; L21 = Lobacheva et al. 2021 (arXiv 2106.15739).
"""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sympy

from theory.validate import is_finite

FUNCTIONS: dict[str, Any] = {
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "sin": sympy.sin,
    "cos": sympy.cos,
    "tanh": sympy.tanh,
    "atan": sympy.atan,
    "abs": sympy.Abs,
}
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
# What is larger than this is refused before SymPy evaluates any of it.
_LONGEST_TEXT = 10_000
_DEEPEST_TREE = 200  # of Python, in which each term of a sum is a level
_DEEPEST_FORM = 40  # of SymPy, in which a sum is one
_LARGEST_EXPONENT = 100
_MOST_TO_SIMPLIFY = 100  # operations


class _NotHomogeneousError(Exception):
    """The degree rules do not apply; the message names the term."""


def parse(text: str) -> sympy.Expr:
    """Read an expression in Python's notation, without evaluating any code.

    Args:
        text: numbers, names, ``+ - * / **`` and the functions of ``FUNCTIONS``. Exponents are
            numbers of at most 100, multiplied where powers are nested.

    Raises:
        ValueError: if it holds anything else, is not real, or too long or deep to work with.
    """
    if len(text) > _LONGEST_TEXT:
        raise ValueError(
            f"a loss expression must have at most {_LONGEST_TEXT} characters, got {len(text)}"
        )
    try:
        tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
    except RecursionError:
        raise ValueError(f"loss expression {text!r} is nested too deeply") from None
    except (SyntaxError, ValueError, MemoryError) as error:
        raise ValueError(f"loss expression {text!r} cannot be read: {error}") from None
    if _depth(tree, ast.iter_child_nodes) > _DEEPEST_TREE:
        raise ValueError(f"loss expression {text!r} has too many terms or is nested too deeply")
    form = sympy.sympify(_convert(tree, text))
    if _depth(form, lambda part: part.args) > _DEEPEST_FORM:
        raise ValueError(f"loss expression {text!r} is nested more than {_DEEPEST_FORM} deep")
    _check_numbers(form, text)
    return form


def _depth(tree: Any, children: Callable[[Any], Iterable[Any]]) -> int:
    """Levels of a tree."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for one in level for child in children(one)]
    return depth


def _check_numbers(form: sympy.Expr, text: str) -> None:
    """Refuse what is complex or beyond floating point; innermost first, before it gets worse."""
    for part in sympy.postorder_traversal(form):
        if part.is_number and not _is_real_float(part):
            raise ValueError(f"loss expression {text!r} holds what is no finite real number")


def _is_real_float(number: sympy.Expr) -> bool:
    try:
        return is_finite(float(number))
    except (TypeError, ValueError, OverflowError):  # complex, infinite, or beyond all bounds
        return False


def _convert(node: ast.AST, text: str, power: Any = 1) -> Any:
    """SymPy's form of one node of Python's syntax tree, which is raised to a power as a whole."""
    if (
        isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    ):
        if not is_finite(node.value):
            raise ValueError(f"{text!r} holds a number beyond the range of floating point")
        return sympy.Rational(str(node.value))
    if isinstance(node, ast.Name):
        return sympy.pi if node.id == "pi" else sympy.Symbol(node.id, real=True)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        is_power = isinstance(node.op, ast.Pow)
        right = _convert(node.right, text, 1 if is_power else power)
        if is_power:
            power = _nested(power, right, text)
        return _OPERATORS[type(node.op)](_convert(node.left, text, power), right)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_convert(node.operand, text, power))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        if node.func.id not in FUNCTIONS:
            allowed = ", ".join(FUNCTIONS)
            raise ValueError(f"unknown function {node.func.id} in {text!r}; known are {allowed}")
        return FUNCTIONS[node.func.id](_convert(node.args[0], text, power))
    raise ValueError(f"{ast.unparse(node)!r} is not allowed in the loss expression {text!r}")


def _nested(power: Any, exponent: Any, text: str) -> Any:
    """The power to which a base is raised whose power is raised to another.

    Raises:
        ValueError: if the exponent is no number, or too large together with the other.
    """
    exponent = sympy.sympify(exponent)
    if not exponent.is_number:
        raise ValueError(f"an exponent in {text!r} must be a number")
    _check_numbers(exponent, text)
    together = power * max(1, abs(exponent))
    if together > _LARGEST_EXPONENT:
        raise ValueError(
            f"an exponent in {text!r} must be a number of at most {_LARGEST_EXPONENT}, "
            "with those around it multiplied"
        )
    return together


def coordinates_of(
    expression: sympy.Expr, names: Sequence[str] | None
) -> tuple[sympy.Expr, tuple[sympy.Symbol, ...]]:
    """The expression over real coordinates, and those coordinates in order.

    Args:
        expression: any SymPy expression.
        names: coordinates in order; all symbols of the expression, sorted, by default.

    Raises:
        ValueError: if a symbol is not a coordinate, or there are fewer than two coordinates.
    """
    found = sorted((s.name for s in expression.free_symbols), key=_natural)
    chosen = found if names is None else list(names)
    unknown = [name for name in found if name not in chosen]
    if unknown:
        raise ValueError(
            f"unknown symbol {', '.join(unknown)} in {expression}; "
            f"the coordinates are {', '.join(chosen)}"
        )
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise ValueError(f"a loss needs at least two different coordinates, got {chosen}")
    symbols = {name: sympy.Symbol(name, real=True) for name in chosen}
    return expression.xreplace({s: symbols[s.name] for s in expression.free_symbols}), tuple(
        symbols.values()
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorting key that puts x2 before x10."""
    return [(int(part or -1), "") if part.isdigit() else (-1, part) for part in
            re.findall(r"\d+|\D+", name)]  # fmt: skip


def euler_defect(expression: sympy.Expr, coordinates: Sequence[sympy.Symbol]) -> sympy.Expr:
    """``<grad F(w), w>``, simplified: 0 exactly for a scale-invariant loss."""
    return sympy.simplify(sum(x * sympy.diff(expression, x) for x in coordinates))


def prove_scale_invariance(expression: sympy.Expr, coordinates: Sequence[sympy.Symbol]) -> None:
    """Return if ``F(c w) = F(w)`` for all ``c > 0`` can be proved.

    Raises:
        ValueError: if not, naming the term that breaks it.
    """
    try:
        degree = _degree(expression, frozenset(coordinates))
        culprit = "" if degree == 0 else f"all of {expression} has degree {degree}"
    except _NotHomogeneousError as error:
        culprit = str(error)
    if not culprit:
        return
    # simplifying more takes minutes
    if expression.count_ops() > _MOST_TO_SIMPLIFY or euler_defect(expression, coordinates) != 0:
        raise ValueError(f"the loss is not scale-invariant: {culprit}, must be 0 overall")


def _degree(node: sympy.Basic, coordinates: frozenset[sympy.Symbol]) -> sympy.Expr:
    """Degree d of ``node(c w) = c^d node(w)``."""
    if not node.free_symbols & coordinates:
        return sympy.Integer(0)
    if node in coordinates:
        return sympy.Integer(1)
    if isinstance(node, sympy.Mul):
        return sympy.Add(*(_degree(factor, coordinates) for factor in node.args))
    if isinstance(node, sympy.Pow) and node.exp.is_number:
        return node.exp * _degree(node.base, coordinates)
    if isinstance(node, sympy.Abs):
        return _degree(node.args[0], coordinates)
    degrees = {part: _degree(part, coordinates) for part in node.args}
    if isinstance(node, sympy.Add):
        return _common_degree(node, degrees)
    for argument, degree in degrees.items():
        if degree != 0:
            raise _NotHomogeneousError(f"{argument} inside {node} has degree {degree}")
    return sympy.Integer(0)


def _common_degree(node: sympy.Basic, degrees: dict[sympy.Basic, sympy.Expr]) -> sympy.Expr:
    """The degree of a sum whose terms all have the same one."""
    values = list(degrees.values())
    common = max(sorted(set(values), key=abs), key=values.count)
    for term, degree in degrees.items():
        if degree != common:
            raise _NotHomogeneousError(
                f"the term {term} has degree {degree} where the rest of {node} has {common}"
            )
    return common
