"""Pages and figures as files, written over nothing but older pages and figures."""

from collections.abc import Callable
from pathlib import Path

from compare.report.html import theme
from theory import files

# In the head of each page, and what pages had there before they had that.
GENERATOR = '<meta name="generator" content="Sawtooth">'
OLDER = "– Sawtooth</title>"


def write_page(path: Path, html: Callable[[], str]) -> None:
    """Make a page and write it whole.

    Raises:
        FileExistsError: if there is something that is no page of ours.
        OSError: if it cannot be written; an older one stays.
    """
    check_page(path)
    files.write_text(path, html())


def check_page(path: Path) -> None:
    """Refuse to write a page over something else.

    Raises:
        FileExistsError: if there is something that is no page of ours.
    """
    files.check_ours(path, "report", files.holds(GENERATOR, OLDER))


def write_figures(drawn: dict[Path, str]) -> None:
    """Write figures, SVG by path, each of them whole.

    Raises:
        FileExistsError: if one of the paths has something that is no figure of ours.
        OSError: if they cannot be written.
    """
    for path in drawn:
        files.check_ours(path, "figure", files.holds(theme.DARK_RULES))
    for path, svg in drawn.items():
        files.write_text(path, svg)
