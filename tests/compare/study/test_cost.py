import shutil

import pytest

from compare.study import cost, toml_file, train_networks
from empirical.device import machine

STUDY = {
    "name": "n",
    "title": "N",
    "model": "mlp-8",
    "seeds": 2,
    "eval_every": 50,
    "device": "cpu",
    "settings": [{"learning_rate": 0.5, "weight_decay": 0.02, "steps": 40}],
}


def test_what_is_said_is_what_it_takes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(machine, "HELD", tmp_path / "none")  # or it grows from one to the next
    study, sizes = toml_file.study_of_networks(STUDY), []
    monkeypatch.setattr(
        train_networks.series_file,
        "remove_checkpoint",
        lambda checkpoint: sizes.extend(
            path.stat().st_size for path in checkpoint.parent.glob("*.series*")
        ),
    )
    train_networks.train_alone(study, tmp_path / "n.nc")
    takes = cost.of(study, compared=False)
    assert sizes == [takes.series] == [8 * 5 * 2 * 40]
    assert f"2 networks, 80 steps in all: about {takes.memory / 1e6:.3g} MB" in (
        capsys.readouterr().err
    )


def test_a_disk_without_room_is_refused(tmp_path, monkeypatch):
    takes = cost.of(toml_file.study_of_networks(STUDY), compared=True)
    free = takes.file + takes.series
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": free - 1}))
    takes.check(tmp_path / "n.nc", resumed=True)
    with pytest.raises(OSError, match=r"n.nc needs .* MB, the disk has"):
        takes.check(tmp_path / "n.nc", resumed=False)
