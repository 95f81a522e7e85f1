import pytest

from compare.forecast import caution
from compare.forecast.planned_run import PlannedRun
from empirical.training.recipe import Recipe


def planned(**recipe):
    return PlannedRun(0.5, 2e-3, 8000, recipe=Recipe(**recipe))


@pytest.mark.parametrize(
    ("recipe", "resting", "said"),
    [
        ({}, 0.0, ""),
        ({}, 0.62, "has a probability of 62 %."),
        ({}, 0.9999, "has a probability of 99 %."),
        ({"augment": True}, 0.0, "on augmented images, and some that are never jump."),
        ({"label_noise": 0.1}, 0.0, "the first jump has come up to three times later"),
    ],
)
def test_what_cannot_be_known_is_said_and_nothing_else(recipe, resting, said):
    found = caution.sentences(planned(**recipe), resting)
    assert said in found
    assert bool(found) == bool(said)


def test_that_no_pilot_jumped_is_said():
    found = caution.sentences(planned(), 0.0, jumped=False)
    assert found.startswith("No pilot jumped: ")
