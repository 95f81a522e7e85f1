"""What the page of a forecast says first."""

import pytest

from compare.report.pages import forecast

SETTLING = {
    "regime": "equilibrium",
    "regime_probability": 0.9,
    "equilibrium_norm": 2.5,
    "rest_probability": 0.0,
}


@pytest.mark.parametrize(
    ("never", "how"),
    [(0.0, "jumps come so often"), (0.3, "jumps come so often"), (0.6, "without destabilising")],
)
def test_a_norm_rests_for_want_of_jumps_or_for_too_many(never, how):
    said = str(forecast.sentence({**SETTLING, "rest_probability": never}))
    assert how in said
    assert said.startswith("This run will settle: its weight norm comes to rest near")


def test_of_older_files_nothing_new_is_said():
    older = {name: value for name, value in SETTLING.items() if name != "rest_probability"}
    assert str(forecast.sentence(older)).endswith("without destabilising.")


def test_pilots_are_called_faster_where_they_are():
    assert forecast._speed(1.0) == "They are shorter and decay no faster."
    assert "at least 12.5 times as fast" in forecast._speed(12.5)
