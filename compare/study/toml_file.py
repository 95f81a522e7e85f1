"""Study files: TOML, read strictly into the dataclasses of ``compare.study.design``."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from compare.study.design import RECIPE_KEYS, Setting, Study, ToyStudy
from empirical.training.recipe import Recipe

KINDS = ("networks", "toys")
TYPES: dict[Any, type] = {"float": float, "int": int, "str": str, "bool": bool}


def read(
    path: Path, overrides: Mapping[str, Any] | None = None, *, full: bool = False
) -> Study | ToyStudy:
    """Read a study file; its key ``kind`` says of what, of networks by default.

    Args:
        path: a TOML file.
        overrides: values that replace the file's, by key; None leaves the file's value. A key of
            the recipe and the number of ``steps`` are replaced in every setting.
        full: put what the file's table ``[full]`` holds, the published size, in the place of
            the small size's.

    Raises:
        ValueError: for a missing or malformed file, an unknown key or a bad value.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ValueError(f"cannot read study {path}: {reason}") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from error
    try:
        study = from_table(_sized(table, full=full))
        given = {key: value for key, value in (overrides or {}).items() if value is not None}
        return _override(study, given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _sized(table: Mapping[str, Any], *, full: bool) -> dict[str, Any]:
    """The table of the small size, or of the full one."""
    small = {key: value for key, value in table.items() if key != "full"}
    if not full:
        return small
    if not isinstance(table.get("full"), dict):
        raise ValueError("the study has no table [full], so it has one size only")
    return {**small, **table["full"]}


def _override(study: Study | ToyStudy, given: Mapping[str, Any]) -> Study | ToyStudy:
    """The study with other values, those of recipe and length in every setting."""
    if isinstance(study, ToyStudy):
        for key, value in given.items():
            if not hasattr(study, key):
                raise ValueError(f"a study of toys has no {key}, got {value}")
        return replace(study, **given)
    recipe = {key: value for key, value in given.items() if key in RECIPE_KEYS}
    rest = {key: value for key, value in given.items() if key not in recipe}
    length = {"steps": rest["steps"]} if "steps" in rest else {}
    settings = tuple(
        replace(setting, recipe=replace(setting.recipe, **recipe), **length)
        for setting in study.settings
    )
    return replace(study, settings=settings, **rest)


def from_table(table: Mapping[str, Any]) -> Study | ToyStudy:
    """Build a study from parsed TOML.

    Raises:
        ValueError: for an unknown or missing key, a wrong type or a bad value.
    """
    kind = table.get("kind", "networks")
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind == "toys":
        return ToyStudy(**_typed(ToyStudy, table, ""))
    return study_of_networks(table)


def study_of_networks(table: Mapping[str, Any]) -> Study:
    """Build a study of networks from parsed TOML; raises like ``from_table``."""
    rows = table.get("settings", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("settings must be [[settings]] tables")
    shared = {key: value for key, value in table.items() if key in RECIPE_KEYS}
    given = {key: value for key, value in table.items() if key not in (*shared, "kind", "settings")}
    numbers = _typed(Study, given, "", known=[*RECIPE_KEYS, "settings", "kind"])
    return Study(settings=tuple(_setting(row, shared) for row in rows), **numbers)


def assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Values of ``KEY=VALUE`` texts as in TOML; what is no TOML value is a string.

    Raises:
        ValueError: for a text without ``=``.
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"must have the form KEY=VALUE, got {text!r}")
        try:
            values[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            values[key] = value
    return values


def _setting(row: Mapping[str, Any], shared: Mapping[str, Any]) -> Setting:
    """A [[settings]] table; what it leaves out of the recipe is the study's."""
    own = {key: value for key, value in row.items() if key in RECIPE_KEYS}
    rest = {key: value for key, value in row.items() if key not in RECIPE_KEYS}
    recipe = {**_typed(Recipe, shared, ""), **_typed(Recipe, own, "settings.")}
    numbers = _typed(Setting, rest, "settings.", known=RECIPE_KEYS)
    return Setting(recipe=Recipe(**recipe), **numbers)


def _typed(
    kind: type, table: Mapping[str, Any], prefix: str, known: Iterable[str] = ()
) -> dict[str, Any]:
    """Check the keys and types of a table against a dataclass; integers become floats.

    ``known`` are keys that are read elsewhere, to be suggested for a misspelt one.
    """
    expected = {one.name: one for one in fields(kind) if one.type in TYPES}
    for key in table:
        if key not in expected:
            close = difflib.get_close_matches(key, [*expected, *known], n=1)
            hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(expected)}"
            raise ValueError(f"unknown key {prefix}{key}; {hint}")
    for name in ("name", "title", "learning_rate", "weight_decay"):
        if name in expected and name not in table:
            raise ValueError(f"missing key {prefix}{name}")
    return {
        key: _coerce(prefix + key, value, str(expected[key].type)) for key, value in table.items()
    }


def _coerce(name: str, value: Any, kind: str) -> Any:
    """Return a TOML value as the declared type: 1 is a float where a float is due."""
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    allowed = TYPES[kind]
    if not isinstance(value, allowed) or (kind == "int" and isinstance(value, bool)):
        raise ValueError(f"{name} must be of type {kind}, got {value!r}")
    return value
