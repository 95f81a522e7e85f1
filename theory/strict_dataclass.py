"""Dataclasses from the tables of TOML and JSON, read strictly: each mistake is named."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")
TOO_LARGE = 2**1023


def read(kind: type[T], table: Mapping[str, Any]) -> T:
    """A dataclass, with the dataclasses and tuples inside it, from a table.

    Raises:
        ValueError: for an unknown or missing key or a value of another type, and what the
            dataclasses themselves refuse.
    """
    return kind(**checked(kind, table))


def checked(
    kind: type, table: Mapping[str, Any], *, prefix: str = "", elsewhere: Iterable[str] = ()
) -> dict[str, Any]:
    """Keyword arguments of a dataclass from a table.

    Args:
        kind: the dataclass; its fields are bool, int, float, str, dataclasses or tuples of these.
        table: its values by key; an int is taken where a float is due.
        prefix: of the keys in messages.
        elsewhere: keys that are not read here, but suggested for a misspelt one.

    Raises:
        ValueError: for an unknown or missing key, or a value of another type.
    """
    hints, elsewhere = get_type_hints(kind), tuple(elsewhere)
    expected = {one.name: one for one in fields(kind) if one.name not in elsewhere}
    for key in table:
        if key not in expected:
            raise ValueError(f"unknown key {prefix}{key}; {hint(key, expected, elsewhere)}")
    for name, one in expected.items():
        if name not in table and one.default is MISSING and one.default_factory is MISSING:
            raise ValueError(f"missing key {prefix}{name}")
    return {key: _converted(prefix + key, value, hints[key]) for key, value in table.items()}


def hint(word: str, known: Iterable[str], elsewhere: Iterable[str] = ()) -> str:
    """What a word that is not known may have been meant to be, or all that are.

    Args:
        word: the word.
        known: words that could stand there.
        elsewhere: others that are suggested, but not listed.
    """
    known = list(known)
    close = difflib.get_close_matches(word, [*known, *elsewhere], n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"


def _converted(name: str, value: Any, kind: Any) -> Any:
    """A value as the declared type.

    Raises:
        ValueError: if it is of another one.
    """
    if isinstance(kind, type) and is_dataclass(kind) and isinstance(value, Mapping):
        inside: type = kind
        return inside(**checked(inside, value, prefix=f"{name}."))
    if get_origin(kind) is tuple and isinstance(value, list | tuple):
        return tuple(_converted(name, one, get_args(kind)[0]) for one in value)
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is float and whole:
        if abs(value) >= TOO_LARGE:
            raise ValueError(f"{name} leaves the range of floating point")
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and (kind is not int or whole):
        return value
    raise ValueError(f"{name} must be of type {getattr(kind, '__name__', kind)}, got {value!r}")
