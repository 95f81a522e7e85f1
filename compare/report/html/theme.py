"""Colours of the report, for light and dark; pages, tables and figures take them from here.

Theory and network keep their colours everywhere. Both differ in lightness and in blue against
orange, which every kind of colour vision tells apart; further series are Okabe and Ito's.
"""

import colorsys
import re
from dataclasses import dataclass

DARK_RULES = "<style>@media screen and (prefers-color-scheme: dark){"  # at the end of each figure


@dataclass(frozen=True)
class Shade:
    """A colour on a light page and on a dark one, as ``#rrggbb``."""

    light: str
    dark: str


SHADES = {
    "back": Shade("#ffffff", "#14171a"),
    "panel": Shade("#f4f5f6", "#1e2226"),
    "ink": Shade("#1c1c1c", "#e6e8ea"),
    "soft": Shade("#565b60", "#a9b0b7"),
    "line": Shade("#d8dade", "#3a4047"),
    "network": Shade("#0072b2", "#4aa3e0"),
    "theory": Shade("#b54d00", "#ff8c42"),
    "baseline": Shade("#62666a", "#9aa1a8"),
    "holds": Shade("#00694b", "#4fd1a5"),
    "fails": Shade("#b00020", "#ff8a80"),
}
TEXT = ("ink", "soft", "network", "theory", "baseline", "holds", "fails")
GROUNDS = ("back", "panel")

# further series of a figure, which are neither theory nor network
SERIES = {
    "green": Shade("#009e73", "#2fd0a0"),
    "pink": Shade("#cc79a7", "#e8a5c9"),
    "sky": Shade("#56b4e9", "#a5dcff"),
    "amber": Shade("#e69f00", "#ffd166"),
    "black": Shade("#000000", SHADES["ink"].dark),
    "brown": Shade("#8c6d31", "#c9a765"),
}
# grounds behind a curve, one for each phase of a period, apart in lightness too
PHASES = {
    "A": Shade("#e8f3fa", "#1a2630"),
    "B": Shade("#f8dc9a", "#5c4614"),
    "C": Shade("#d9a6c1", "#6b3553"),
}
GRID = Shade("#e6e6e6", "#2b3036")
DARK = {
    shade.light: shade.dark
    for shade in (*SHADES.values(), *SERIES.values(), *PHASES.values(), GRID)
}
VISIBLE = 3.0  # contrast that a line needs
PAINT = re.compile(r"(fill|stroke): (#[0-9a-f]{6})")


def luminance(color: str) -> float:
    """Relative luminance of a colour, from 0 to 1.

    Source: WCAG 2.2, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance.
    """
    weights = (0.2126, 0.7152, 0.0722)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in _rgb(color)]
    return sum(weight * value for weight, value in zip(weights, linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, from 1 to 21; WCAG 2.2."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def dark_twin(color: str) -> str:
    """What stands for a figure's colour on a dark page.

    A colour that has no twin of its own keeps its hue and inverts its lightness, as far as it
    stays visible; a grey stays between paper and ink.
    """
    if color in DARK:
        return DARK[color]
    hue, lightness, saturation = colorsys.rgb_to_hls(*_rgb(color))
    if saturation == 0:
        paper, ink = (_rgb(SHADES[name].dark) for name in ("back", "ink"))
        return _hex([p + (1 - lightness) * (i - p) for p, i in zip(paper, ink, strict=True)])
    lightness = 1 - lightness
    while contrast(found := _hex(colorsys.hls_to_rgb(hue, lightness, saturation)), _dark()) < (
        VISIBLE
    ):
        lightness += 0.02
    return found


def with_dark(svg: str) -> str:
    """A figure that turns dark where its reader prefers that; programs that cannot show it light.

    Args:
        svg: as matplotlib writes it, with a colour in every style.
    """
    rules = "".join(
        f'[style*="{kind}: {color}"]{{{kind}:{dark_twin(color)} !important}}'
        for kind, color in sorted(set(PAINT.findall(svg)))
    )
    # what is black by default, and what is an image inside, such as a cloud of points
    rules = f"svg{{fill:{SHADES['ink'].dark}}}image{{filter:brightness(1.5)}}{rules}"
    style = f"{DARK_RULES}{rules}}}</style>"
    return svg.replace("</svg>", f"{style}</svg>")


def _dark() -> str:
    return SHADES["back"].dark


def _rgb(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _hex(rgb: list[float] | tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * value):02x}" for value in rgb)
