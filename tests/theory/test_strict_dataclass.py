from dataclasses import dataclass

import pytest

from theory.strict_dataclass import checked, read


@dataclass(frozen=True)
class Line:
    slope: float
    offset: float = 0.0


@dataclass(frozen=True)
class Model:
    line: Line
    names: tuple[str, ...]
    parts: tuple[Line, ...] = ()
    count: int = 1
    flag: bool = False


def test_tables_become_dataclasses_all_the_way_down():
    table = {"line": {"slope": 2}, "names": ["a", "b"], "parts": [{"slope": 1.5, "offset": 3}]}
    found = read(Model, table)
    assert found == Model(Line(2.0), ("a", "b"), (Line(1.5, 3.0),))
    assert isinstance(found.line.slope, float)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cuont": 1}, "unknown key cuont; did you mean count?"),
        ({"zzz": 1}, "unknown key zzz; known: line, names, parts, count, flag"),
        ({"line": {"slpoe": 1}}, "unknown key line.slpoe; did you mean slope?"),
        ({"line": {}}, "missing key line.slope"),
        ({"line": 3}, "line must be of type Line, got 3"),
        ({"line": {"slope": True}}, "line.slope must be of type float, got True"),
        ({"names": "ab"}, "names must be of type tuple, got 'ab'"),
        ({"names": [1]}, "names must be of type str, got 1"),
        ({"count": 1.5}, "count must be of type int, got 1.5"),
        ({"count": True}, "count must be of type int, got True"),
        ({"flag": 1}, "flag must be of type bool, got 1"),
    ],
)
def test_each_mistake_is_named(change, sentence):
    with pytest.raises(ValueError, match=r"key|must") as refusal:
        read(Model, {"line": {"slope": 1.0}, "names": [], **change})
    assert str(refusal.value) == sentence


def test_keys_read_elsewhere_are_suggested_and_not_missed():
    assert checked(Model, {"names": []}, elsewhere=["line"]) == {"names": ()}
    with pytest.raises(ValueError, match=r"unknown key at.lnie; did you mean line\?"):
        checked(Model, {"names": [], "lnie": 1}, prefix="at.", elsewhere=["line"])
