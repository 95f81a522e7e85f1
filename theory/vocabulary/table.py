"""The vocabulary as tables: ``python -m theory.vocabulary.table docs/data.md`` writes them."""

import sys
from pathlib import Path

from theory.vocabulary import OBSERVABLES, SCORES, TRAJECTORIES, Variable

BAR = "\\|"  # a bar inside a cell
BEGIN, END = "<!-- vocabulary -->\n", "<!-- end of vocabulary -->\n"
PARTS = {
    "Settings and trajectories": TRAJECTORIES,
    "Observables of a run": OBSERVABLES,
    "Scores of a study": SCORES,
}


def as_markdown() -> str:
    """One table for each part of the vocabulary."""
    return "\n".join(_table(title, variables) for title, variables in PARTS.items())


def _table(title: str, variables: dict[str, Variable]) -> str:
    rows = [
        f"| `{name}` | {one.symbol.replace('|', BAR)} | {one.units} | {one.long_name} |"
        for name, one in variables.items()
    ]
    return "\n".join(
        [f"### {title}\n", "| name | symbol | unit | meaning |", "|---|---|---|---|", *rows, ""]
    )


def updated(page: str) -> str:
    """A page with the present tables between its two marks."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{as_markdown()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
