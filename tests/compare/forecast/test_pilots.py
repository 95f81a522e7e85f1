import re
from dataclasses import replace

import numpy as np
import pytest

from compare.calibration.laws import priors
from compare.calibration.laws.evidence import still_young
from compare.calibration.laws.regularised import Laws
from compare.forecast import pilots
from compare.forecast.pilots import Pilot
from compare.forecast.planned_run import PlannedRun

PLANNED = PlannedRun(0.5, 4e-4, 36_000)


@pytest.fixture(scope="module")
def before():
    return Laws(priors.prior_for("mlp-64-64"))


def total(plan):
    return sum(one.n_seeds * one.n_steps for one in plan)


@pytest.mark.parametrize("budget", [0.02, 0.1, 0.3])
def test_pilots_keep_to_the_budget_and_are_long_enough(before, budget):
    plan = pilots.choose(PLANNED, before, budget=budget)
    assert 0.9 * budget < total(plan) / PLANNED.n_steps <= budget
    for one in plan:
        assert one.decay >= PLANNED.decay
        period = np.exp(before.of("log_kick", one.decay)[0]) / (-2 * np.log1p(-one.decay))
        assert one.n_steps > 3 * period
        assert before.of("growth", one.decay)[0] < -1  # still a sawtooth


def test_more_budget_leaves_less_uncertainty(before):
    left = [
        pilots._uncertainty(PLANNED, before, pilots.choose(PLANNED, before, budget=budget))[0]
        for budget in (0.02, 0.1, 0.5)
    ]
    assert left == sorted(left, reverse=True)
    assert left[0] > 1.2 * left[-1]


def test_the_plan_is_the_best_of_the_grid(before):
    """No single decay with all of the budget is better than what was chosen."""
    chosen = pilots._uncertainty(PLANNED, before, pilots.choose(PLANNED, before, budget=0.1))[0]
    for decay in (4e-3, 8e-3, 1.2e-2):
        single = [Pilot(decay, 3, 1200)]
        assert pilots._uncertainty(PLANNED, before, single)[0] >= chosen - 1e-12


def test_pilots_are_as_much_faster_as_is_asked_for(before):
    plan = pilots.choose(PLANNED, before, budget=0.1, least_speedup=20)
    assert min(one.decay for one in plan) == pytest.approx(20 * PLANNED.decay, rel=1e-3)


def test_what_nothing_can_decay_as_fast_as_is_refused(before):
    with pytest.raises(ValueError, match=r"least_speedup = 1000 .* 0.2 of .* at most 0.05"):
        pilots.choose(PLANNED, before, budget=0.1, least_speedup=1000)


@pytest.mark.parametrize("momentum", [0.99, 0.998])
def test_with_much_momentum_pilots_stay_below_the_decay_that_oscillates(momentum):
    run = PlannedRun(0.05, 1e-6, 4_000_000, momentum)
    plan = pilots.choose(run, Laws(priors.prior_for("mlp-64-64"), momentum=momentum), budget=0.1)
    assert max(one.decay for one in plan) < 0.91 * (1 - momentum**0.5)
    for one in plan:
        trained = replace(run, weight_decay=run.weight_decay_for(one.decay))
        assert trained.decay == pytest.approx(one.decay, rel=1e-6)
    with pytest.raises(ValueError, match=rf"momentum {momentum} decay takes at most"):
        run.weight_decay_for(1.01 * (1 - momentum**0.5))


def test_a_budget_for_no_pilot_is_refused_with_what_it_takes(before):
    short = replace(PLANNED, n_steps=600)
    with pytest.raises(ValueError, match=r"allows 60 pilot steps, .* takes [0-9]+") as refused:
        pilots.choose(short, before, budget=0.1)
    share, steps = re.search(
        r"give a budget of (.*) or plan (.*) steps", str(refused.value)
    ).groups()
    assert pilots.choose(short, before, budget=float(share))
    with pytest.raises(ValueError, match="allows"):
        pilots.choose(short, before, budget=float(share) - 0.02)
    assert pilots.choose(replace(short, n_steps=int(steps)), before, budget=0.1)
    with pytest.raises(ValueError, match=r"takes [0-9]+; plan [0-9]+ steps$"):
        pilots.choose(replace(short, n_steps=50), before, budget=0.1)


def test_pilots_of_a_very_slow_run_are_as_fast_as_any(before):
    """A thousand steps are enough for a pilot, however slow the decay of the planned run."""
    run = replace(PLANNED, weight_decay=2e-7, n_steps=100_000)
    plan = pilots.choose(run, before, budget=0.01)
    assert max(one.decay for one in plan) > 5e-3
    assert total(plan) <= 1000


def test_pilots_at_a_lower_rate_wait_longer_for_their_first_jump(before):
    """ln(elr) starts ln(100) lower; of what it gains, 3/4 (1 - 1/100) are not needed."""
    decay = 5e-3
    at_usual, lower = (PlannedRun(rate, 2e-4 / rate, 36_000) for rate in (0.5, 0.005))
    waits = [pilots._first(run, before, decay) for run in (at_usual, lower)]
    further = np.log(100) - 0.75 * 0.99
    assert waits[1] - waits[0] == pytest.approx(further / (-2 * np.log1p(-decay)), rel=1e-6)
    momentum = PlannedRun(0.05, 2e-3, 36_000, 0.9)  # the usual rate there
    assert pilots._rise(momentum) == pilots._rise(at_usual)


def test_a_fast_run_has_pilots_of_its_own_decay(before):
    fast = PlannedRun(0.5, 0.5, 3000)
    (pilot,) = {one.decay for one in pilots.choose(fast, before, budget=0.5)}
    assert pilot == pytest.approx(0.25)


def test_expected_pilots_tell_what_they_would(before):
    """Twice as many runs, each as long: the mean is known to 1/sqrt(2) of the error."""
    seen = [pilots.expecting(before, Pilot(2e-3, n, 3000), 8.0).evidence for n in (4, 8)]
    errors = [dict(zip(one.quantity, one.error, strict=True)) for one in seen]
    for name in ("onset", "reach", "loss_floor"):
        assert errors[1][name] == pytest.approx(errors[0][name] / 2**0.5, rel=1e-9)
    young = float(still_young(np.array(8.0))) * before.of("youth", 2e-3)[1]  # alike in all runs
    kicks = [one["log_kick"] ** 2 - young**2 for one in errors]
    assert kicks[1] == pytest.approx(kicks[0] / 2, rel=1e-9)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_weight_decay_and_decay_belong_together(momentum):
    run = PlannedRun(0.05, 1e-3, 1000, momentum)
    for decay in (1e-4, 3e-3, 2e-2):
        again = replace(run, weight_decay=run.weight_decay_for(decay))
        assert again.decay == pytest.approx(decay, rel=1e-9)
        assert run.near(decay) == pytest.approx(decay, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weight_decay": 0.0}, "weight_decay must be a positive"),
        ({"n_steps": 0}, "steps must be >= 1"),
        ({"n_steps": 10**10}, "steps must be at most"),
        ({"momentum": 1.0}, "momentum must be from 0"),
        ({"momentum": 0.9, "learning_rate": 1.0, "weight_decay": 0.5}, r"at most \(1 - sqrt"),
    ],
)
def test_runs_that_cannot_be_forecast_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        replace(PLANNED, **change)


@pytest.mark.parametrize(
    "recipe", [{"schedule": "cosine"}, {"fixed_norm": True}, {"normalised": False}]
)
def test_recipes_without_a_sawtooth_are_refused(recipe):
    with pytest.raises(ValueError, match=r"a forecast is for|needs weight_decay"):
        replace(PLANNED, recipe=replace(PLANNED.recipe, **recipe))
