import numpy as np
import pytest

from compare.calibration.beginning import Beginning
from compare.calibration.calibrate import laws_from_json
from compare.predict.next_jump import ahead, known_cycles, outlook
from compare.study import layout, store
from theory.cycle_models import kick_model
from theory.cycle_models.next_jump import KnownCycles
from theory.laws import decay_rate
from theory.trajectory import RecordedRun

from ...kick_model import LR, TRUE_MODEL


@pytest.fixture(scope="module")
def laws(study):
    return laws_from_json(study["comparison"].attrs["calibration"])[0]


@pytest.fixture(scope="module")
def study_file(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study.nc"
    groups = {name: study[name].to_dataset() for name in (*layout.GROUPS, "calibration")}
    texts = {name: study.attrs[name] for name in ("config", "provenance")}
    store.write(path, groups, **texts)
    return path


@pytest.fixture
def one(networks):
    """A run at a decay that the study was not calibrated on."""
    return networks.sel(run=[f"lr{LR}-wd0.004-seed3"])


def until(one, step):
    """What had been recorded by a step."""
    return one.isel(step=slice(step + 1)).assign(n_steps=("run", [step + 1]))


def onsets(one):
    return RecordedRun.of(one, str(one["run"].values[0])).jumps.onsets


def test_a_study_knows_the_cycles_of_the_model_that_made_it(laws):
    decay = 2e-3
    known, true = known_cycles(laws, decay), kick_model.mean_cycle(TRUE_MODEL, decay)
    assert known.reference == pytest.approx(true.onset - true.drop, abs=0.1)
    assert known.onset_after(known.reference).mean == pytest.approx(true.onset, abs=0.1)
    growing = kick_model.growing_share(np.exp(TRUE_MODEL.growth(decay)))
    share = true.drop / (true.kick * (1 - growing))
    assert np.exp(known.share.coefficients[0]) == pytest.approx(share, rel=0.1)
    assert known.fall == pytest.approx(growing * true.period, rel=0.3)


def test_before_its_first_period_a_run_needs_a_study(one, study_file):
    first, second, *_ = onsets(one)
    for step in (first // 2, (first + second) // 2):
        with pytest.raises(ValueError, match="no period is complete so far: the next jump can be"):
            outlook(until(one, step))
        assert outlook(until(one, step), study=study_file).median_wait > 0


def test_records_that_end_before_the_run_tell_no_jump(one, study_file):
    early = until(one, onsets(one)[4]).assign(status=("run", ["stopped"]))
    for study in (None, study_file):
        with pytest.raises(ValueError, match="the records ended early, and where the norm is by"):
            outlook(early, study=study)


def test_the_first_jump_is_awaited_where_the_model_has_it(networks, laws):
    """Over all seeds, as the study knows the law of first jumps and not that of one run."""
    runs = networks.isel(run=np.isclose(networks["intrinsic_lr"], 2e-3))
    first = [onsets(runs.isel(run=[i]))[0] for i in range(runs.sizes["run"])]
    start = RecordedRun.of(until(runs.isel(run=[0]), 3), str(runs["run"].values[0]))
    found = ahead(start, laws)
    assert found.median_wait + 3 == pytest.approx(np.mean(first), rel=0.15)
    assert found.low < min(first) + 20 and max(first) - 20 < found.high
    # what is passed lies behind: half-way there the wait is half of it
    later = RecordedRun.of(until(runs.isel(run=[0]), min(first) // 2), start.id)
    expected = found.onset.mean - later.log_elr[0]
    assert ahead(later, laws).start == pytest.approx(
        later.log_elr[0] + decay_rate(2e-3) * (min(first) // 2)
    )
    assert ahead(later, laws).median_wait < expected / decay_rate(2e-3)


def test_own_cycles_take_over_from_the_study(one, laws):
    """How much onsets scatter: the study says it at first, the run in the end."""
    steps, study = onsets(one), known_cycles(laws, 2e-3)
    for k, nearer in ((1, "study"), (40, "run")):
        seen = RecordedRun.of(until(one, (steps[k] + steps[k + 1]) // 2), str(one["run"].values[0]))
        own, both = KnownCycles.of(seen), KnownCycles.of(seen, study)
        assert both.onset.freedom - study.onset.freedom == pytest.approx(k)
        spreads = np.log([known.onset.spread for known in (study, own, both)])
        far = abs(spreads[:2] - spreads[2])
        assert ["study", "run"][int(np.argmin(far))] == nearer
        assert ahead(seen, laws).onset.freedom == both.onset.freedom


def test_it_reads_files_and_chooses_the_run(one, networks, study_file, tmp_path):
    path, step = tmp_path / "run.nc", (onsets(one)[5] + onsets(one)[6]) // 2
    seen = until(one, step)
    seen.to_netcdf(path, engine="h5netcdf")
    direct = outlook(seen)
    assert outlook(path) == direct == outlook(str(path), run=str(one["run"].values[0]))
    assert outlook(seen, n_steps=77).n_steps == 77
    assert "within the next 77 steps" in outlook(path, n_steps=77).sentence()
    # a study holds runs as well
    assert outlook(study_file, run=str(one["run"].values[0])) == outlook(one)


def test_what_it_cannot_do_it_says(one, laws, study_file, tmp_path):
    with pytest.raises(ValueError, match=r"run must be one of lr0.5-wd0.004-seed3, got 'other'"):
        outlook(one, run="other")
    with pytest.raises(ValueError, match=r"cannot read .*missing.nc: no such file"):
        outlook(tmp_path / "missing.nc")
    with pytest.raises(ValueError, match="n_steps must be >= 1, got 0"):
        outlook(one, n_steps=0)
    with pytest.raises(ValueError, match="it lacks effective_grad_norm"):
        outlook(one.drop_vars("effective_grad_norm"))
    heavy = one.assign_coords(momentum=("run", [0.9]))
    with pytest.raises(ValueError, match=r"the study's momentum must be the run's, 0.9, got 0"):
        outlook(heavy, study=study_file)
    other = one.assign(update_rule=("run", ["adamw"]))
    with pytest.raises(ValueError, match=r"follows from sgd, and the run was made by adamw"):
        outlook(other, study=study_file)
    young = until(one, onsets(one)[0] // 2).isel(step=slice(10, None))
    with pytest.raises(ValueError, match=r"the first jump is told from the beginning, .* step 10"):
        outlook(young, study=study_file)


def test_a_study_of_another_network_is_refused(one, study_file, study, tmp_path):
    sized = study["empirical"].to_dataset()
    sized = sized.assign(n_weights=("run", np.full(sized.sizes["run"], 500)))
    groups = {name: study[name].to_dataset() for name in (*layout.GROUPS, "calibration")}
    texts = {name: study.attrs[name] for name in ("config", "provenance")}
    path = tmp_path / "sized.nc"
    store.write(path, groups | {"empirical": sized}, **texts)
    run = until(one, onsets(one)[0] // 2)
    without = outlook(run, study=study_file).median_wait
    assert outlook(run, study=path).median_wait == without  # the run's own size is not known
    for size in (500, 560):  # with gains that a monitor follows
        assert outlook(run.assign(n_weights=("run", [size])), study=path).median_wait == without
    with pytest.raises(ValueError, match=r"another network: it has 500 .* that of the run 700"):
        outlook(run.assign(n_weights=("run", [700])), study=path)


def test_the_first_jump_at_another_rate_is_told_from_how_runs_begin(one, laws):
    run = RecordedRun.of(until(one, 3), str(one["run"].values[0]))
    start = float(run.log_elr[0])
    same = ahead(run, laws, Beginning(start, 0.8)).median_wait
    assert same == ahead(run, laws).median_wait
    # at a quarter of the rate of the study what decay has to reach is lower by (1 + 0.8)/2 * 3/4
    sooner = ahead(run, laws, Beginning(start + np.log(4), 0.8)).median_wait
    rate = decay_rate(run.decay)
    assert same - sooner == pytest.approx(0.9 * 0.75 / rate, rel=0.1)
