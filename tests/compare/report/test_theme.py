import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest

from compare.report.figures import style as figures
from compare.report.html import theme


def test_contrast_is_that_of_wcag():
    assert theme.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert theme.contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert theme.contrast("#ffffff", "#ff0000") == pytest.approx(4.0, abs=0.005)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_can_be_read_on_every_ground(mode):
    for text in theme.TEXT:
        for ground in theme.GROUNDS:
            colors = (getattr(theme.SHADES[name], mode) for name in (text, ground))
            assert theme.contrast(*colors) >= 4.5, (text, ground)


def seen_without_red(color):
    """What is left of a colour where long wavelengths are not told from middle ones."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return (0.6 * green + 0.4 * red, blue)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_theory_and_network_differ_without_red_and_green(mode):
    theory, network = (
        seen_without_red(getattr(theme.SHADES[n], mode)) for n in ("theory", "network")
    )
    assert abs(theory[1] - network[1]) > 100


def test_figures_are_drawn_in_the_colours_of_the_page():
    assert theme.SHADES["network"].light == figures.NETWORK
    assert theme.SHADES["theory"].light == figures.THEORY


@pytest.mark.parametrize(
    "color", ["#440154", "#fde725", "#21918c", "#000000", "#009e73", "#0072b2"]
)
def test_every_colour_of_a_line_is_seen_on_a_dark_page(color):
    assert theme.contrast(theme.dark_twin(color), theme.SHADES["back"].dark) >= 3


def test_greys_turn_over():
    paper, ink = (theme.luminance(theme.dark_twin(grey)) for grey in ("#f0f0f0", "#101010"))
    assert paper < 0.05 and ink > 0.6


def test_figures_turn_dark_with_the_page_and_stay_whole():
    figure, axis = plt.subplots()
    axis.plot([0, 1], [0, 1], color=figures.NETWORK)
    axis.plot([0, 1], [1, 0], "o", color="#440154")
    drawn = figures.svg(figure)
    ElementTree.fromstring(drawn)
    assert drawn.count("prefers-color-scheme: dark") == 1
    style = re.search(r"dark\)\{(.*)\}</style>", drawn)[1]
    for kind, color in set(theme.PAINT.findall(drawn)):
        assert f'[style*="{kind}: {color}"]{{{kind}:{theme.dark_twin(color)} !important}}' in style
    assert '[style*="fill: #ffffff"]{fill:#14171a' in style
