"""Which sentence a report opens with."""

import numpy as np
import pytest
import xarray as xr

from compare.report.pages import headline
from compare.report.pages.headline import Evidence

SCORES = {"n_runs": 4.0, "n_periodic": 3.0, "n_steps": 1200.0, "largest_residual": 2e-7}


def settings(**columns):
    n = 2
    base = {
        "role": ["calibration", "held_out"],
        "expected_regime": [""] * n,
        "n_as_expected": [0.0] * n,
        "n_seeds": [2.0] * n,
        "variant": ["one", "two"],
        "learning_rate": [0.5] * n,
        "weight_decay": [0.01] * n,
    }
    return xr.Dataset({name: ("setting", values) for name, values in {**base, **columns}.items()})


TWINS = {"first_direction_error": [3e-7, np.nan], "parted_step": [np.nan, np.nan]}
EDGE = {"stability_before_jump": [1.94, 0.12], "stability_before_jump_sem": [0.07, 0.01]}
SAID = {"expected_regime": ["periodic", ""], "n_as_expected": [1.0, 0.0]}
PREDICTED = {"model_error": 1.5, "baseline_error": 7.7, "n_held_out": 4.0}


@pytest.mark.parametrize(
    ("scores", "columns", "sentence", "figure"),
    [
        (PREDICTED, TWINS | EDGE | SAID, "4 settings it has not seen to", "periods"),
        ({}, TWINS | EDGE, "In 0 of 1 settings an instability", "twins"),
        ({}, EDGE | SAID, "(one), 0.120 ± 0.010 (two)", "sharpness"),
        (
            {"share_as_expected": 50.0},
            SAID,
            "1 of 2</span> runs are in the regime that the study expects",
            "sphere",
        ),
        ({}, {}, "3 of 4 networks destabilise again and again", "settings"),
    ],
)
def test_the_strongest_claim_comes_first(scores, columns, sentence, figure):
    claim = headline.choose(Evidence(SCORES | scores, settings(**columns)))
    assert sentence in claim.sentence.replace("\N{NO-BREAK SPACE}", " ")
    assert claim.figures[0] == figure


def test_a_single_twin_among_many_settings_is_not_the_claim():
    columns = {name: [*values, np.nan, np.nan][:2] for name, values in TWINS.items()}
    many = xr.concat(
        [settings(**columns), settings(**dict.fromkeys(TWINS, [np.nan] * 2))], "setting"
    )
    assert headline.choose(Evidence(SCORES, many)).figures[0] != "twins"


def test_numbers_of_claims_are_not_broken_across_lines_and_names_are_escaped():
    evil = settings(**EDGE, variant=["<i>", "two"])
    claim = headline.choose(Evidence(SCORES, evil))
    assert "1.940\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.070" in claim.sentence
    assert "<i>" not in claim.sentence and "&lt;i&gt;" in claim.sentence


def test_the_exact_law_is_claimed_as_far_as_it_was_checked():
    def sentence(**changed):
        scores = {**{n: v for n, v in SCORES.items() if n != "largest_residual"}, **changed}
        return headline.choose(Evidence(scores, settings())).sentence

    assert "law" not in sentence() and sentence().endswith("again and again.")
    assert "holds, in the worst step to" in sentence(largest_residual=1e-7)
    assert "fails, in the worst step by" in sentence(largest_residual=0.01)
