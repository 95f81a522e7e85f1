import pickle
import resource

import pytest
import torch

from empirical.training import checkpoint


def test_round_trip(tmp_path):
    path = tmp_path / "new" / "checkpoint.pt"
    state = {"weights": torch.arange(3.0), "step": 7, "reasons": ["", "x"]}
    checkpoint.save(path, state, config="a")
    loaded = checkpoint.load(path, config="a")
    assert torch.equal(loaded["weights"], state["weights"])
    assert (loaded["step"], loaded["reasons"]) == (7, ["", "x"])
    assert [file.name for file in path.parent.iterdir()] == ["checkpoint.pt"]


def test_another_configuration_is_refused(tmp_path):
    checkpoint.save(tmp_path / "c.pt", {}, config="a")
    with pytest.raises(ValueError, match="belongs to another configuration"):
        checkpoint.load(tmp_path / "c.pt", config="b")


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "c.pt"
    checkpoint.save(path, {"weights": torch.arange(1000.0)}, config="a")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        checkpoint.load(path, config="a")


def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path):
    path = tmp_path / "c.pt"
    checkpoint.save(path, {"weights": torch.arange(50.0), "step": 7}, config="a")
    whole, noticed = path.read_bytes(), 0
    for place in range(0, len(whole), 11):
        flipped = bytearray(whole)
        flipped[place] ^= 4
        path.write_bytes(flipped)
        try:
            found = checkpoint.load(path, config="a")
            assert torch.equal(found["weights"], torch.arange(50.0)) and found["step"] == 7
        except ValueError as error:
            noticed += "does not match its checksum" in str(error)
    assert noticed > 0.9 * len(range(0, len(whole), 11))


@pytest.mark.parametrize(
    ("saved", "sentence"),
    [
        ({"step": 7}, "state lacks or should not hold rows"),
        ({"step": "7", "rows": torch.arange(3)}, "state.step is str, not int"),
        (
            {"step": 7, "rows": torch.arange(3.0)},
            r"state.rows has the shape \(3,\) and torch.float32",
        ),
        ({"step": 7, "rows": torch.zeros(3, 3).long()}, r"state.rows has the shape \(3, 3\)"),
    ],
)
def test_a_state_of_another_shape_is_refused_in_a_sentence(saved, sentence, tmp_path):
    whole = {"step": 0, "rows": torch.arange(5)}
    checkpoint.check_like({"step": 7, "rows": torch.arange(3)}, whole)
    refused = pytest.raises(ValueError, match=f"c.pt is not a whole checkpoint .*{sentence}")
    with refused, checkpoint.restoring(tmp_path / "c.pt"):
        checkpoint.check_like(saved, whole)


class Foreign:
    def __reduce__(self):
        return (pytest.fail, ("foreign code was executed",))


def test_foreign_objects_are_not_unpickled(tmp_path):
    path = tmp_path / "c.pt"
    torch.save({"config": "a", "state": Foreign()}, path)
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        checkpoint.load(path, config="a")
    with pytest.raises(pytest.fail.Exception):
        pickle.loads(pickle.dumps(Foreign()))


def test_a_failed_write_keeps_the_older_checkpoint(tmp_path):
    path = tmp_path / "c.pt"
    checkpoint.save(path, {"step": 1}, config="a")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # as on a full disk
    try:
        with pytest.raises(OSError, match="File too large") as said:
            checkpoint.save(path, {"weights": torch.arange(1e6)}, config="a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert said.value.filename == str(path)
    assert checkpoint.load(path, config="a") == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]
