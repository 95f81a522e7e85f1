"""What is planted in a log is named, and nothing else; what is missing is asked for."""

import re

import numpy as np
import pytest

from compare.diagnose.diagnose import diagnose
from compare.diagnose.spikes import find_spikes

from . import made_logs

PLANTED = {
    "sawtooth": made_logs.sawtooth(),
    "epoch": made_logs.epochs(),
    "lagging second moment": made_logs.adam_on_a_parabola(),
    "slingshot": made_logs.slingshots(),
    "edge of stability": made_logs.descent(),
    "none of these": made_logs.quiet(),
}


def finding(found, mechanism):
    return next(one for one in found.findings if one.mechanism == mechanism)


@pytest.mark.parametrize("mechanism", PLANTED)
def test_what_is_planted_is_named(mechanism):
    found = diagnose(PLANTED[mechanism])
    assert (found.verdict, found.sure) == (mechanism, True)
    assert found.evidence[0].startswith(mechanism)
    assert found.remedy and not found.decides


@pytest.mark.parametrize("mechanism", PLANTED)
def test_it_does_not_depend_on_the_unit_of_the_loss(mechanism):
    log = PLANTED[mechanism]
    if mechanism == "edge of stability":
        log = log | {"grad_norm": log["grad_norm"] * 1000**0.5}  # eta stays: g^2 goes like the loss
    assert diagnose(log | {"loss": 1000 * log["loss"]}).verdict == mechanism


@pytest.mark.parametrize("mechanism", PLANTED)
def test_a_log_of_a_few_records_is_too_little(mechanism):
    log = {k: v[:40] if np.ndim(v) else v for k, v in PLANTED[mechanism].items()}
    assert diagnose(log).verdict == "too little data"


@pytest.mark.parametrize("mechanism", PLANTED)
@pytest.mark.parametrize(
    "column",
    ["lr", "wd", "weight_norm", "grad_norm", "steps_per_epoch", "optimizer", "last_layer_norm"],
)
def test_a_missing_column_never_gives_another_mechanism(mechanism, column):
    log = {name: values for name, values in PLANTED[mechanism].items() if name != column}
    assert diagnose(log).verdict in (mechanism, "not sure")


@pytest.mark.parametrize("mechanism", PLANTED)
def test_step_and_loss_alone_decide_nothing(mechanism):
    log = PLANTED[mechanism]
    found = diagnose({"step": log["step"], "loss": log["loss"]})
    assert (found.verdict, found.sure) == ("not sure", False)
    assert "weight_norm" in found.decides


@pytest.mark.parametrize(("decays_at", "verdict"), [(1.0, "sawtooth"), (0.5, "not sure")])
def test_the_norm_must_fall_at_the_rate_of_decay(decays_at, verdict):
    assert diagnose(made_logs.sawtooth(decays_at=decays_at)).verdict == verdict


def test_the_rate_of_decay_is_told():
    (said,) = diagnose(made_logs.sawtooth(lr=0.2, wd=0.02)).evidence
    assert "falls by 0.0041 a step, eta*lam is 0.004 (ratio 1.02)" in said


def test_momentum_divides_the_rate_of_decay():
    log = made_logs.sawtooth(lr=0.05, decays_at=10)
    assert diagnose(log).verdict == "not sure"
    assert "momentum" in diagnose(log).decides
    assert diagnose(log, momentum=0.9).verdict == "sawtooth"


def test_decay_comes_with_the_call_where_the_log_lacks_it():
    log = made_logs.sawtooth()
    del log["lr"], log["wd"]
    assert diagnose(log).decides.startswith("lr; wd")
    assert diagnose(log, learning_rate=0.5, weight_decay=0.01).verdict == "sawtooth"
    assert diagnose(log, learning_rate=0.5, weight_decay=0.0).verdict != "sawtooth"


@pytest.mark.parametrize("epoch", [47, 53, 77])
def test_another_period_is_not_the_epoch(epoch):
    assert diagnose(made_logs.epochs() | {"steps_per_epoch": epoch}).verdict != "epoch"


def test_a_hard_batch_in_every_epoch_is_the_epoch():
    log = made_logs.quiet()
    log["loss"][17::40] *= 20
    assert diagnose(log).verdict == "epoch"


def test_spikes_at_other_phases_are_not_the_epoch():
    log = made_logs.epochs()
    for at in (157, 380, 702, 1200, 1911, 2534, 2827):
        log["loss"][at : at + 20] *= np.exp(np.minimum(np.arange(20), np.arange(20)[::-1]) / 3)
    found = diagnose(log)
    assert finding(found, "epoch").answer == "against"
    assert found.verdict != "epoch"


def test_bad_batches_at_random_times_are_none():
    log = made_logs.quiet()
    log["loss"][[157, 380, 702, 1200, 1900, 2511, 2804]] *= 20
    found = diagnose(log)
    assert found.verdict == "none of these"
    assert str(found).startswith("none of these (sure): single bad batches\n")
    assert found.remedy.endswith("these steps: 157, 380, 702, 1200, 1900, ...")


def test_spikes_that_follow_restarts_are_none():
    log = made_logs.quiet()
    phase = log["step"] % 300
    log |= {"lr": 0.1 * (1 + np.cos(np.pi * phase / 300)) + 1e-4}
    log["loss"] = log["loss"] * np.exp(3 * np.exp(-(((phase - 5) / 10) ** 2)) * (log["step"] > 200))
    found = diagnose(log)
    assert found.verdict == "none of these"
    assert "begin where the learning rate is raised" in found.evidence[0]
    assert str(found).startswith("none of these (sure): restarts of the learning rate\n")


@pytest.mark.parametrize("cycle", [8, 10])
def test_spikes_at_random_places_are_not_said_to_follow_frequent_restarts(cycle):
    """Logged once an epoch, a window about each restart covers much of the log."""
    rng = np.random.default_rng(0)
    for seed in range(30):
        log = made_logs.quiet(n=400, seed=seed)
        log["lr"] = 0.05 * (1 + np.cos(np.pi * (log["step"] % cycle) / cycle)) + 1e-4
        log["loss"][rng.choice(400, 4, replace=False)] *= 20
        assert "where the learning rate is raised" not in diagnose(log).evidence[0]


@pytest.mark.parametrize(("factor", "n_spikes"), [(1.7, 5), (1.3, 0)])
def test_spikes_of_a_large_model_double_no_loss(factor, n_spikes):
    """From 2.5 to 4.3 within ten records, five times; lower ones are not called nothing."""
    log = made_logs.quiet()
    log["loss"] = 2.5 * np.exp(0.02 * made_logs.noise(len(log["step"])))
    for at in (400, 900, 1500, 2000, 2600):
        log["loss"][at : at + 10] *= factor ** np.minimum(1, np.linspace(0.2, 2, 10))
    assert len(find_spikes(np.log(log["loss"]))) == n_spikes
    found = diagnose(log)
    assert not found.sure and "no record of the loss stands out" not in str(found)
    if not n_spikes:
        assert "none of them by a factor of 1.5" in found.evidence[0]
        assert "rises by half" in found.decides


@pytest.mark.parametrize(("every", "answer"), [(1, "against"), (25, "possible")])
def test_a_coarse_log_does_not_exclude_a_norm_that_seems_to_fall_slowly(every, answer):
    log = made_logs.sawtooth(decays_at=0.3, wd=0.02)
    log = {key: v[::every] if np.ndim(v) else v for key, v in log.items()}
    assert finding(diagnose(log), "sawtooth").answer == answer


@pytest.mark.parametrize(("times", "answer"), [(3, "possible"), (1000, "against")])
def test_no_momentum_lets_a_norm_fall_a_thousand_times_as_fast_as_decay(times, answer):
    log = made_logs.sawtooth()
    log["wd"] = log["wd"] / times
    assert finding(diagnose(log), "sawtooth").answer == answer


@pytest.mark.parametrize(("times_lr", "answer"), [(2.0, "shown"), (1.5, "against")])
def test_the_edge_is_at_two_over_the_rate(times_lr, answer):
    log = made_logs.descent(times_lr=times_lr) | {"optimizer": "sgd"}
    assert finding(diagnose(log), "edge of stability").answer == answer


def test_descent_on_all_data_that_rose_early_is_not_called_quiet():
    step = np.arange(2000)
    loss = 1 + np.exp(-step / 500) * (1 + 0.1 * np.sin(step / 2) * (step < 500))
    log = {"step": step, "loss": loss, "lr": 0.1, "wd": 0.0, "steps_per_epoch": 1}
    assert diagnose(log, optimizer="sgd").verdict == "not sure"
    assert diagnose(log).verdict == "not sure"
    unknown = {name: values for name, values in log.items() if name != "steps_per_epoch"}
    assert finding(diagnose(unknown), "edge of stability").answer == "possible"
    many = finding(diagnose(log | {"steps_per_epoch": 40}), "edge of stability")
    assert many.answer == "against"
    assert diagnose(log | {"loss": 1 + np.exp(-step / 500)}, optimizer="sgd").sure


def test_a_norm_that_does_not_climb_is_no_slingshot():
    assert diagnose(made_logs.slingshots(stair=0.005)).verdict != "slingshot"


def test_a_short_memory_does_not_lag():
    log = made_logs.adam_on_a_parabola() | {"beta2": 0.5}
    assert finding(diagnose(log), "lagging second moment").answer != "shown"


def test_an_optimizer_is_adaptive_if_the_norm_moves_too_far():
    log = made_logs.slingshots()
    del log["optimizer"]
    log["weight_norm"] = log.pop("last_layer_norm")
    assert diagnose(log).verdict == "not sure"
    far = log | {"grad_norm": 1e-4 * log["grad_norm"]}
    assert diagnose(far).verdict == "not sure"  # the norm rests for most of the time
    moving = far | {"weight_norm": log["weight_norm"] * (1 + 1e-4 * (log["step"] % 2))}
    assert diagnose(moving).verdict == "slingshot"


@pytest.mark.parametrize("lost", [False, True])
def test_a_run_that_diverged_is_told_so_and_from_where(lost):
    log = made_logs.diverging()
    if lost:
        log["loss"][2500:] = np.nan
    found = diagnose(log)
    assert (found.verdict, found.sure, found.decides) == ("diverged", True, "")
    assert found.evidence[0].startswith("diverged: from about step 200")
    assert ("from step 2500 to the end the loss is no finite number" in found.evidence[0]) == lost
    assert "this rise is none" in found.evidence[1]
    assert found.evidence[1].endswith("the weight norm was not logged")
    assert "rows without a step or a finite loss" not in str(found)


def test_a_sawtooth_that_then_diverges_is_told_with_its_end():
    log = made_logs.sawtooth()
    log["loss"][2800:] = np.inf
    found = diagnose(log)
    assert found.verdict == "sawtooth"
    assert found.evidence[1] == ("diverged: from step 2800 to the end the loss is no finite number")


COLUMNS = ["lr", "wd", "weight_norm", "grad_norm", "steps_per_epoch", "optimizer", "momentum"]


def with_bad_batches():
    log = made_logs.quiet()
    log["loss"][[157, 380, 702, 1200, 1900, 2511, 2804]] *= 20
    return log


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize("lost", [[], *([one] for one in COLUMNS), COLUMNS[2:], COLUMNS[:2]])
def test_what_would_decide_is_not_there_and_is_asked_for_once(lost, every):
    for log in (*PLANTED.values(), with_bad_batches(), made_logs.sawtooth(decays_at=10)):
        kept = {name: v[::every] if np.ndim(v) else v for name, v in log.items()}
        kept = {name: values for name, values in kept.items() if name not in lost}
        decides = diagnose(kept).decides
        asked = [word for word in re.findall(r"\w+", decides) if word in COLUMNS]
        assert len(set(asked)) == len(asked)
        assert not set(asked) & set(kept)
        assert every > 1 or "a log of every step" not in decides


def test_batches_that_spike_within_a_step_are_decided_by_their_number():
    log = with_bad_batches()
    del log["steps_per_epoch"], log["weight_norm"], log["lr"]
    asked = diagnose(log).decides.split("; ")
    assert "steps_per_epoch" in asked and "lr" in asked
    assert "a log of every step" not in asked
    coarse = {name: v[::2] if np.ndim(v) else v for name, v in log.items()}
    coarse["loss"][[70, 200, 500, 1100]] *= 20
    assert "a log of every step" in diagnose(coarse).decides


def test_an_optimizer_whose_kind_is_not_known_is_not_asked_for_by_its_name():
    log = made_logs.slingshots() | {"optimizer": "lion"}
    asked = diagnose(log).decides.split("; ")
    assert "whether lion divides by a second moment, as adam, or not, as sgd" in asked
    assert "optimizer" not in asked


def test_a_long_log_is_not_asked_for_as_many_records_as_it_has():
    log = made_logs.quiet() | {"wd": 0.01}
    log["weight_norm"] = 5 * np.exp(-0.1 * 0.01 * log["step"])  # no rest, and no jump
    found = diagnose(log)
    assert found.verdict == "too little data"
    assert "the norm still falls at 1.00 of what decay takes" in found.evidence[0]
    assert found.decides == "a longer log: 3 jumps of the norm, or a norm that rests"


def test_a_spike_that_may_come_again_is_waited_for():
    log = made_logs.quiet()
    log["loss"][[1000, 2200]] *= 20
    del log["steps_per_epoch"]
    found = diagnose(log)
    assert found.verdict == "too little data"
    assert found.decides == "a longer log: 3 spikes, or none until step 5800"
    short = {name: v[:150] if np.ndim(v) else v for name, v in made_logs.quiet().items()}
    assert diagnose(short).decides == "a longer log: 200 records"


def test_a_loss_that_does_not_spike_is_told_so_though_a_norm_beneath_it_may_jump():
    log = made_logs.quiet()
    assert str(diagnose(log)).startswith("none of these (sure): the loss does not spike\n")
    del log["weight_norm"], log["wd"]
    found = diagnose(log)
    assert (found.verdict, found.sure) == ("not sure", False)
    assert found.cause == "the loss does not spike" and found.decides == "weight_norm"


def test_the_growth_of_norms_is_told_of_each():
    log = made_logs.slingshots()
    (said,) = diagnose(log).evidence
    assert "the norm grows by more than around it, that of the last layer by 9.8 %" in said


def test_a_loss_that_ends_far_above_its_lowest_is_not_called_quiet():
    log = made_logs.quiet() | {"loss": made_logs.quiet()["loss"].copy()}
    log["loss"][-300:] *= 10
    found = diagnose(log)
    assert found.verdict == "not sure"
    (above,) = re.findall(r"at its end it is (\S+) times its lowest", str(found))
    assert float(above) == pytest.approx(10, rel=0.15)
    assert found.decides == "a longer log"


@pytest.mark.parametrize("period", [137, 200, 300])
def test_spikes_that_are_short_against_their_period_tell_all_of_it(period):
    """A third of 300 has narrower phases, in which a spike of eight records stands out more."""
    step = np.arange(6000)
    loss = np.exp(0.05 * made_logs.noise(6000)) * np.where(step % period < 8, 1.4, 1.0)
    (told,) = re.findall(
        r"repeats itself every (\d+) steps", str(diagnose({"step": step, "loss": loss}))
    )
    assert int(told) == pytest.approx(period, abs=1)


def test_a_log_with_a_gap_of_a_million_steps_is_read_at_once():
    step = np.append(np.arange(3000), 10_000_000 + np.arange(3000))
    found = diagnose({"step": step, "loss": np.exp(0.1 * made_logs.noise(6000))})
    assert "records that are so uneven show no period" in str(found)


def test_an_optimizer_of_an_unknown_kind_may_be_told():
    log = made_logs.sawtooth() | {"optimizer": "muon"}
    assert "was not used" in str(
        diagnose(made_logs.sawtooth() | {"optimizer": "sgd"}, optimizer="adam")
    )
    assert "was not used" not in str(diagnose(log, optimizer="sgd"))
