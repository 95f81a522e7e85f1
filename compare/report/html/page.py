"""Pages of the report as data, and the one template that turns them into HTML."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import jinja2
from markupsafe import Markup

from compare.report.html import output, theme
from compare.report.html.captions import Caption
from compare.report.legible import shortened, visible
from compare.report.tables.cells import Table

WIDTH = re.compile(r'<svg [^>]*width="([0-9.]+)pt"')


@dataclass(frozen=True)
class Card:
    """A number that is to be seen first; ``role`` colours it as ``theory`` or ``network``."""

    value: str
    text: str
    role: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure: its name, its SVG and the words around it."""

    name: str
    svg: str
    caption: Caption

    @property
    def source(self) -> str:
        """The figure as a data URI."""
        return inline(self.svg)

    @property
    def width(self) -> float:
        """The width it was drawn in, CSS pixels; matplotlib gives points."""
        found = WIDTH.search(self.svg)
        return float(found[1]) * 96 / 72 if found else 700.0

    @property
    def least(self) -> str:
        """Width below which a phone scrolls it, in CSS."""
        return f"{min(self.width / 2, 550):.0f}px"

    @property
    def most(self) -> str:
        """Width above which it is not magnified, in CSS."""
        return f"{1.6 * self.width:.0f}px"


@dataclass(frozen=True)
class Fold:
    """Something that most readers skip: text as it is, or a table."""

    title: str
    text: str = ""
    table: Table | None = None


@dataclass(frozen=True)
class Section:
    """A part of a page that folds; what it holds is shown in the order of the attributes.

    Attributes:
        id: its address within the page, unique there.
        title: its heading.
        fragment: template of prose or controls, filled with ``values``.
        values: what the fragment needs.
        text: paragraphs.
        cards: numbers.
        figures: figures.
        tables: tables.
        notes: paragraphs behind them.
        folds: further matter, closed.
        open: whether it is shown unfolded.
    """

    id: str
    title: str
    fragment: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    text: Sequence[str] = ()
    cards: Sequence[Card] = ()
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    folds: Sequence[Fold] = ()
    open: bool = True


@dataclass(frozen=True)
class Page:
    """A whole page.

    Attributes:
        title: of the study.
        subtitle: what was run.
        claim: what it shows, in a sentence with the measured numbers.
        figure: the figure that shows it.
        cards: further numbers of the first screen.
        sections: the evidence.
    """

    title: str
    subtitle: str
    claim: str
    figure: Figure | None = None
    cards: Sequence[Card] = ()
    sections: Sequence[Section] = ()


def render(page: Page) -> str:
    """Turn a page into one self-contained HTML file.

    All text is escaped and freed of what cannot be seen, and a value that is missing is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("compare.report.html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = shortened
    environment.globals["number"] = count(1).__next__
    environment.globals["generator"] = Markup(output.GENERATOR)
    return environment.get_template("page.html").render(page=page, shades=theme.SHADES)


def _visible(value: Any) -> Any:
    """What a template prints, without characters that cannot be seen; markup stays markup."""
    return type(value)(visible(value)) if type(value) in (str, Markup) else value


def figure_sections(drawn: Mapping[str, str], captions: Mapping[str, Caption]) -> list[Section]:
    """A section for each figure that was drawn, in the order of the captions."""
    return [
        Section(name, caption.heading, figures=[Figure(name, drawn[name], caption)])
        for name, caption in captions.items()
        if name in drawn
    ]


def inline(svg: str) -> str:
    """A figure as a data URI, so that the report is one file."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def as_json(content: object) -> str:
    """Something as indented JSON, readable as it is."""
    return json.dumps(content, indent=2, ensure_ascii=False)
