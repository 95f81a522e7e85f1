import re

import matplotlib.pyplot as plt
import numpy as np
import pytest

from compare.report.figures import style
from compare.report.tables import cells
from theory.vocabulary import label


def test_thinning_keeps_the_extremes_in_order():
    values = np.sin(np.arange(10_000) / 700)
    values[4321], values[8000] = 7.0, -7.0
    steps, thinned = style.thin(values, 400)
    assert len(steps) == 400
    assert thinned.max() == 7.0 and thinned.min() == -7.0
    assert (np.diff(steps) >= 0).all()
    np.testing.assert_array_equal(thinned, values[steps.astype(int)])
    short, same = style.thin(values[:10], 400)
    assert short.tolist() == list(range(10)) and same.tolist() == values[:10].tolist()


def test_labels_come_from_the_vocabulary():
    assert label("weight_norm") == "weight norm ρ"
    assert label("train_loss") == "training loss L [nats]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0123456, "0.0123"),
        (1234.5, "1234"),
        (0.97, "0.970"),
        (3.2e-5, "3.2 × 10⁻⁵"),
        (0, "0"),
        (float("nan"), "–"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert cells.number(value) == text


def test_percent_is_signed():
    assert cells.percent(-0.0312) == "-3.1 %"
    assert cells.percent(float("nan")) == "–"


@pytest.mark.parametrize("n_steps", [60, 1_000, 35_000, 391_000])
def test_ticks_of_steps_are_few_and_short(n_steps):
    figure, axis = plt.subplots(figsize=(3, 2))
    axis.plot([0, n_steps], [1, 2])
    style.count_steps(axis)
    figure.canvas.draw()
    low, high = axis.get_xlim()
    shown = [t.get_text() for t in axis.get_xticklabels() if low <= t.get_position()[0] <= high]
    plt.close(figure)
    assert 2 <= len(shown) <= 5
    assert max(map(len, shown)) <= 4


def glyphs(draw):
    """Names of the glyphs that a figure is drawn with."""
    with plt.rc_context(style.STYLE):
        figure, axes = plt.subplots()
        axes.set_xticks([])
        axes.set_yticks([])
        draw(axes)
        style.arrange(figure)
        return set(re.findall(r'id="(DejaVuSans-[^"]*)"', style.svg(figure)))


def test_ticks_of_logarithmic_axes_are_powers_of_ten_and_names_are_as_they_are():
    (dollar,) = glyphs(lambda axes: axes.set_title("$"))
    (backslash,) = glyphs(lambda axes: axes.set_title("\\"))
    ticks = glyphs(lambda axes: axes.loglog([1e-5, 1e3], [2, 9]))
    assert ticks and not ticks & {dollar, backslash}
    named = glyphs(lambda axes: axes.set_title("a$b$c"))
    assert dollar in named and len(named) == 4


def test_ticks_are_powers_of_ten_without_markup():
    with plt.rc_context(style.STYLE):
        figure, axes = plt.subplots(figsize=(4, 4))
        axes.loglog([2e-5, 2e3], [2e-5, 8e-5])
        axes.set_position((0.2, 0.4, 0.05, 0.5))
        style.arrange(figure)
        axes.set_position((0.2, 0.4, 0.7, 0.5))  # room for more ticks
        figure.draw_without_rendering()
        across = [text.get_text() for text in axes.get_xticklabels()]
        upwards = [text.get_text() for text in axes.get_yticklabels(which="both")]
        plt.close(figure)
    assert "10⁻⁵" in across and "10" in across and "10³" in across
    assert "3×10⁻⁵" in upwards
    assert not any(mark in text for text in across + upwards for mark in "$\\^{}")
