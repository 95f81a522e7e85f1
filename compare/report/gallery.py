"""Draw the figures of the documentation from the study files beside them: ``make gallery``.

A figure lies beside the thinned ``study.nc`` that it is drawn from, in
``results/reference/<study>/``, and is named like in the report. The pages are the list of them.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from compare import report
from compare.study import store
from compare.study.results_folder import STUDY_FILE

IMAGE = re.compile(r"!\[[^\]]*\]\(((?:\.\./)?results/reference/[^)]+\.svg)\)")


def shown(pages: Sequence[Path]) -> list[Path]:
    """The figures that stand in some Markdown pages, each once."""
    named = [
        (page.parent / name).resolve()
        for page in pages
        for name in IMAGE.findall(page.read_text(encoding="utf-8"))
    ]
    return list(dict.fromkeys(named))


def draw(paths: Sequence[Path]) -> None:
    """Draw figures, each from the study file beside it, and remove those not named.

    Raises:
        ValueError: if a study file is missing or has no such figure.
    """
    for folder in sorted({path.parent for path in paths}):
        wanted = {path.stem: path for path in paths if path.parent == folder}
        drawn = report.draw(store.read(folder / STUDY_FILE))
        if unknown := sorted(set(wanted) - set(drawn)):
            raise ValueError(f"{folder} has no figure {unknown[0]}; known: {', '.join(drawn)}")
        for old in folder.glob("*.svg"):
            old.unlink()
        for name, path in wanted.items():
            path.write_text(drawn[name], encoding="utf-8")


if __name__ == "__main__":
    draw(shown([Path(page) for page in sys.argv[1:]]))
