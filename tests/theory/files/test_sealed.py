import re

import pytest

from theory.files import check_seal, replacing_sealed, sealed


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "x.nc"
    with replacing_sealed(path) as file:
        file.write(b"content")
    return path


def test_a_changed_byte_is_noticed_wherever_it_is(path):
    whole = path.read_bytes()
    assert len(whole) == len(b"content") + sealed.SEAL_SIZE
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ValueError, match=re.escape(f"{path} is damaged")):
            check_seal(path)
    path.write_bytes(whole)
    check_seal(path)


def test_a_file_without_a_seal_passes(path):
    path.write_bytes(b"written by others, and long enough to hold a seal" * 5)
    assert not sealed.is_sealed(path)
    check_seal(path)
