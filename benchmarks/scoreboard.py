"""What was measured beside what is asked, as rows of a file and as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from targets import BY_NAME, Found

Row = dict[str, Any]


def row(what: str, found: Found) -> Row:
    """One ratio beside what is asked of it, or the reason why there is none."""
    target = BY_NAME[what]
    measured = not isinstance(found, str)
    return {
        "what": what,
        "ratio": float(found) if measured else None,
        "unit": target.unit,
        "asked": target.asked,
        "goal": target.goal,
        "at_least": target.at_least,
        "met": target.met(found) if measured else None,
        "reason": "" if measured else found,
    }


def board(rows: list[Row], before: dict[str, float | None] | None = None) -> str:
    """The rows as text, in columns, beside the ratios of an earlier run."""
    head = ["what", *(["before"] if before else []), "ratio"]
    head += [*(["change"] if before else []), "asked", "goal", "met"]
    lines = [head, *(cells(one, before) for one in rows)]
    # a reason takes the rest of its line and widens no column
    widths = [max(len(one[k]) for one in lines if k + 1 < len(one)) for k in range(len(head) - 1)]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, [*widths, 0], strict=False))
        for line in lines
    ]
    return "\n".join(text)


def cells(one: Row, before: dict[str, float | None] | None) -> list[str]:
    """The cells of one line; a reason fills the rest of it."""
    target, now = BY_NAME[one["what"]], one["ratio"]
    then = before.get(one["what"]) if before else None
    found = [one["what"]]
    if before:
        found.append(target.text(then) if then else "-")
    if now is None:
        return [*found, one["reason"]]
    found.append(target.text(now))
    if before:
        found.append(f"{100 * (now / then - 1):+.0f} %" if then else "-")
    bounds = [target.bound(target.asked), target.bound(target.goal)]
    return [*found, *bounds, "yes" if one["met"] else "no"]


def show(found: Iterable[tuple[str, Found]]) -> None:
    """Print the table of one benchmark, once it is done."""
    rows = [row(what, value) for what, value in found]
    print("\n" + board(rows))
