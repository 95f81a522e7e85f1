"""A study in parts must have the numbers of the study as a whole, whoever trains it."""

import json
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from compare.cli.main import main
from compare.study import cost, run_study, train_networks
from compare.study.design import Setting, Study
from compare.study.parts import dask_workers, dealing, part_files, schedule, train_part
from compare.study.parts.part_files import PartFiles
from empirical.training.recipe import Recipe
from empirical.training.surroundings import Remote

RECIPE = Recipe(model="mlp-8", train_per_class=20, test_per_class=5, batch_size=50)


def study(**changes):
    settings = (
        Setting(0.5, 0.02, recipe=RECIPE, steps=30),
        Setting(0.5, 0.01, recipe=RECIPE, steps=50),
        Setting(0.5, 0.01, recipe=RECIPE, steps=40, momentum=0.5),
    )
    options = {"seeds": 2, "eval_every": 10, "group_size": 3, "device": "cpu"} | changes
    return Study(name="parts", title="Parts", settings=settings, **options)


class AtOnce(Executor):
    """Does what is submitted at once, as a worker that was lost ``n_lost`` times before."""

    def __init__(self, n_lost=0):
        self.n_lost, self.submitted = n_lost, []

    def submit(self, function, part, *rest):
        self.submitted.append(part.name)
        future = Future()
        try:
            if self.n_lost:
                self.n_lost -= 1
                raise KilledWorker
            future.set_result(function(part, *rest))
        except Exception as error:
            future.set_exception(error)
        return future


class KilledWorker(Exception):  # noqa: N818 - as Dask calls it
    pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train_networks.trained(
        study(), tmp_path_factory.mktemp("whole"), resume=False, overwrite=False
    )[0]


def trained(folder, executor, **changes):
    return train_networks.trained(
        study(**changes), folder, resume=True, overwrite=False, executor=executor
    )[0]


def test_parts_hold_every_run_once_longest_first_and_of_one_kind():
    parts = dealing.deal(study(seeds=5))
    runs = [run for part in parts for run in part.runs]
    assert sorted(runs) == sorted(run.id for run in study(seeds=5).runs)
    assert [len(part.runs) for part in parts] == [3, 3, 3, 3, 2, 1]
    assert [part.n_steps for part in parts] == [150, 130, 120, 90, 80, 30]
    assert {len(part.jobs) for part in parts} == {1}
    assert len({part.name for part in parts}) == 6


def test_what_is_done_is_dealt_no_more():
    done = {run.id for run in study().runs[:3]}
    runs = {run for part in dealing.deal(study(), done=done) for run in part.runs}
    assert runs == {run.id for run in study().runs} - done


def test_shards_share_the_work_evenly():
    shards = [dealing.shard(study(), i, 2) for i in (1, 2)]
    assert sorted(shards[0].runs + shards[1].runs) == sorted(run.id for run in study().runs)
    assert [shard.n_steps for shard in shards] == [120, 120]


@pytest.mark.parametrize("executor", [AtOnce, lambda: ThreadPoolExecutor(1)])
def test_parts_are_the_whole_bit_for_bit(tmp_path, whole, executor):
    with executor() as workers:
        xr.testing.assert_identical(trained(tmp_path, workers), whole)


def test_what_it_takes_is_said_before_the_first_part(tmp_path, capsys):
    trained(tmp_path, AtOnce())
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith("6 networks, 240 steps in all: about ")
    assert "on disk" in first and "memory" not in first


def test_a_disk_that_is_full_is_seen_before_the_first_part(tmp_path, monkeypatch):
    monkeypatch.setattr(cost.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    workers = AtOnce()
    with pytest.raises(OSError, match=r"the disk has 0\.001 MB"):
        trained(tmp_path, workers)
    assert not workers.submitted


def test_a_worker_that_does_not_see_the_folder_sends_its_runs_back(tmp_path, whole, monkeypatch):
    (tmp_path / "parts").mkdir()
    monkeypatch.setattr(PartFiles, "seen", lambda self: False)
    xr.testing.assert_identical(trained(tmp_path, AtOnce()), whole)
    assert not list((tmp_path / "parts").glob("*.pt"))


def test_a_part_that_lost_its_worker_is_submitted_again(tmp_path, whole):
    workers = AtOnce(n_lost=2)
    xr.testing.assert_identical(trained(tmp_path, workers), whole)
    assert len(workers.submitted) == 2 + len(dealing.deal(study()))


def test_a_part_that_loses_every_worker_is_given_up(tmp_path):
    with pytest.raises(
        ValueError, match="given up 3 times for lost workers, without getting further"
    ):
        trained(tmp_path, AtOnce(n_lost=1000))


def test_finished_parts_are_kept_when_another_one_fails(tmp_path, monkeypatch):
    keep = PartFiles.keep

    def full_disk(self, part, trajectories):
        if list(self.folder.glob("*.nc")):
            raise OSError("no room")
        keep(self, part, trajectories)

    monkeypatch.setattr(PartFiles, "keep", full_disk)
    with pytest.raises(OSError, match="no room"):
        trained(tmp_path, AtOnce())
    monkeypatch.undo()
    workers = AtOnce()
    trained(tmp_path, workers)
    assert len(workers.submitted) == len(dealing.deal(study())) - 1


def test_workers_stop_where_the_stop_file_appears_and_go_on_from_there(tmp_path, whole):
    files = PartFiles.of(study(), tmp_path)
    files.make(study())
    files.stop_file.touch()
    part, settings = dealing.deal(study())[0], train_part.settings_of(study())
    with pytest.raises(schedule.Interrupted):
        train_part.on_worker(part, settings, files)
    assert files.checkpoint(part).exists()
    assert not files.steps_file(part).exists()
    xr.testing.assert_identical(trained(tmp_path, AtOnce()), whole)


def test_a_running_part_says_how_far_it_is(tmp_path):
    files = PartFiles(tmp_path, "")
    part = dealing.deal(study())[0]
    around = Remote(stop_file=files.stop_file, steps_file=files.steps_file(part))
    with around.watching("training", total=10, done=0) as watch:
        watch.show(4.0, "")
        assert files.steps_of_running() == {part.name: 4.0}
        assert not watch.stop_requested
        files.stop_file.touch()
        assert watch.stop_requested
    assert files.steps_of_running() == {}


def test_parts_of_another_study_are_refused(tmp_path):
    trained_files = PartFiles.of(study(), tmp_path)
    trained_files.make(study())
    with pytest.raises(ValueError, match="parts of another study; use --overwrite"):
        trained(tmp_path, AtOnce(), seeds=1)


def test_a_checkpoint_without_workers_is_not_thrown_away(tmp_path):
    (tmp_path / "checkpoint.pt").touch()
    with pytest.raises(ValueError, match=r"checkpoint.pt is of a run without workers"):
        trained(tmp_path, AtOnce())


def test_shards_merge_to_the_study(tmp_path, whole):
    for i in (1, 2):
        run_study.run_shard(study(), tmp_path / str(i), i, 2)
    with pytest.raises(ValueError, match="3 of 6 runs are missing: "):
        run_study.merge([tmp_path / "1"], tmp_path / "all")
    assert run_study.merge([tmp_path / "1", tmp_path / "2"], tmp_path / "all") == []
    merged = run_study.open_study(tmp_path / "all")
    xr.testing.assert_identical(merged["empirical"].to_dataset(), whole)
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["report.html", "study.nc"]
    assert (tmp_path / "1" / "parts").is_dir()
    assert np.isfinite(merged["comparison"]["norm_law_residual"]).all()


def test_a_lock_that_a_killed_shard_left_does_not_let_a_study_be_trained_again(
    tmp_path, monkeypatch
):
    for i in (1, 2):
        run_study.run_shard(study(), tmp_path, i, 2)
    (tmp_path / "parts" / ".shard-2-of-3.lock").touch()
    run_study.merge([tmp_path], tmp_path)
    monkeypatch.delattr(train_networks, "_train")
    assert run_study.run(study(), tmp_path, resume=True) == []


def test_a_shard_twice_is_refused_resumed_or_replaced(tmp_path):
    kept, _ = run_study.run_shard(study(), tmp_path, 1, 2)
    before = kept.stat().st_mtime_ns
    with pytest.raises(ValueError, match=r"holds shard 1/2 already.*--resume.*--overwrite"):
        run_study.run_shard(study(), tmp_path, 1, 2)
    run_study.run_shard(study(), tmp_path, 1, 2, resume=True)
    assert kept.stat().st_mtime_ns == before
    run_study.run_shard(study(), tmp_path, 1, 2, overwrite=True)
    assert kept.stat().st_mtime_ns > before


@pytest.mark.parametrize(
    "text", ["0/2", "3/2", "1/7", "1", "a/b", "1/2/3", "-1/2", "1/99999999999"]
)
def test_no_such_shard(tmp_path, capsys, text):
    toml = tmp_path / "small.toml"
    toml.write_text(
        'name = "small"\ntitle = "x"\nseeds = 2\nmodel = "mlp-8"\n'
        "[[settings]]\nlearning_rate = 0.5\nweight_decay = 0.01\nsteps = 5\n"
    )
    assert main(["run", str(toml), "--out", str(tmp_path / "out"), f"--shard={text}"]) == 2
    assert "shard must be i/n with 1 <= i <= n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("workers", "sentence"),
    [
        ("0", "workers must be 1 .. "),
        ("-3", "workers must be 1 .. "),
        ("1000000000000", "workers must be 1 .. "),
        ("nowhere.json", "no scheduler file nowhere.json"),
        ("tcp://127.0.0.1:1", "no scheduler answers at tcp://127.0.0.1:1"),
    ],
)
def test_workers_that_cannot_be(tmp_path, capsys, monkeypatch, workers, sentence):
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_workers, "CONNECT_SECONDS", 0.2)
    arguments = ["run", "studies/digits.toml", "--out", str(tmp_path / "out")]
    assert main([*arguments, f"--workers={workers}"]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_provenance_names_every_device_and_the_number_of_parts(tmp_path):
    parts = dealing.deal(study())
    files = PartFiles.of(study(), tmp_path)
    files.make(study())
    settings = train_part.settings_of(study())
    for i, part in enumerate(parts):
        one = train_part.train_runs(part, settings, files)
        files.keep(part, one.assign_attrs(provenance=f'{{"device": "gpu {i % 2}"}}'))
    _, provenance = part_files.joined(study(), files.paths())
    assert json.loads(provenance) == {"device": "gpu 0; gpu 1", "n_parts": len(parts)}


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda d: d.drop_attrs(deep=False), r"part\.nc lacks 'config'"),
        (lambda d: d.assign_attrs(provenance="{}"), r"part\.nc lacks 'device'"),
        (lambda d: d.assign_attrs(provenance="{"), r"part\.nc: Expecting property name"),
        (lambda d: d.drop_vars("epoch"), r"part\.nc: .*'epoch'"),
    ],
)
def test_a_part_that_was_edited_is_named(whole, edit, sentence, tmp_path):
    part = whole.assign_attrs(config="x", provenance='{"device": "cpu"}')
    part.to_netcdf(tmp_path / "part.nc", engine="h5netcdf")
    assert part_files.joined(study(), [tmp_path / "part.nc"])[0].equals(whole)
    edit(part).to_netcdf(tmp_path / "part.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=sentence):
        part_files.joined(study(), [tmp_path / "part.nc"])
