"""Draw README's gallery from the study files beside its figures: ``make gallery``.

A figure of the gallery lies beside the thinned ``study.nc`` that it is drawn from, in
``results/reference/<study>/``, and is named like in the report. README is the list of them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from compare import report
from compare.study import store
from compare.study.run_study import STUDY_FILE

IMAGE = re.compile(r"!\[[^\]]*\]\((results/reference/[^)]+\.svg)\)")


def shown(readme: Path) -> list[Path]:
    """The gallery's figures, as they stand in a README."""
    names = IMAGE.findall(readme.read_text(encoding="utf-8"))
    return [readme.parent / name for name in names]


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
    draw(shown(Path(sys.argv[1])))
