"""Study files: TOML, read strictly into the dataclasses of ``compare.study.design``."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from compare.study.design import RECIPE_KEYS, Setting, Study, ToyStudy
from empirical.training.recipe import Recipe
from theory import validate
from theory.strict_dataclass import checked
from theory.strict_dataclass import read as read_dataclass

KINDS = ("networks", "toys")
LARGEST_FILE = 2**20  # bytes
# tomllib takes time and memory with the square of a key's parts
LONG_KEY = re.compile(r"""(?<![\w"'.-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){16}""")


def read(
    path: Path, overrides: Mapping[str, Any] | None = None, *, full: bool = False
) -> Study | ToyStudy:
    """Read a study file; its key ``kind`` says of what, of networks by default.

    Args:
        path: a TOML file.
        overrides: values that replace the file's, by key; None leaves the file's value. A key of
            the recipe and the number of ``steps`` are replaced in every setting.
        full: use the published size: values of the table ``[full]`` replace the small size's.

    Raises:
        ValueError: for a missing or malformed file, an unknown key or a bad value.
    """
    text = _text(path)
    try:
        table = parse(text)
    except ValueError as error:
        raise ValueError(f"{path} is not valid TOML: {error}") from error
    try:
        study = from_table(_sized(table, full=full))
        given = {key: value for key, value in (overrides or {}).items() if value is not None}
        return _override(study, given)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _text(path: Path) -> str:
    """A study file's text.

    Raises:
        ValueError: if it cannot be read, is not text or too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise OSError(0, f"a study file has at most {LARGEST_FILE} bytes")
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ValueError(f"cannot read study {path}: {reason}") from error


def parse(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        ValueError: if it is none, or nested more deeply than any study is.
    """
    if key := LONG_KEY.search(text):
        raise ValueError(f"a key has too many parts: {key[0][:40]}...")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("its arrays or tables are nested too deeply") from error
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # Python reads no integer of more than 4300 digits
        raise ValueError("it holds a number of too many digits") from error


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
    kind = validate.one_of("kind", table.get("kind", "networks"), KINDS)
    if kind == "toys":
        return read_dataclass(ToyStudy, table)
    return study_of_networks(table)


def study_of_networks(table: Mapping[str, Any]) -> Study:
    """Build a study of networks from parsed TOML; raises like ``from_table``."""
    rows = table.get("settings", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("settings must be [[settings]] tables")
    shared = {key: value for key, value in table.items() if key in RECIPE_KEYS}
    given = {key: value for key, value in table.items() if key not in (*shared, "kind", "settings")}
    numbers = checked(Study, given, elsewhere=[*RECIPE_KEYS, "settings", "kind"])
    return Study(settings=tuple(_setting(row, shared) for row in rows), **numbers)


def assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Values of ``KEY=VALUE`` texts, read as TOML; anything that is not TOML is a string.

    Raises:
        ValueError: for a text without ``=``.
    """
    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"must have the form KEY=VALUE, got {text!r}")
        try:
            values[key] = parse(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            values[key] = value
    return values


def _setting(row: Mapping[str, Any], shared: Mapping[str, Any]) -> Setting:
    """A [[settings]] table; what it leaves out of the recipe is the study's."""
    own = {key: value for key, value in row.items() if key in RECIPE_KEYS}
    rest = {key: value for key, value in row.items() if key not in RECIPE_KEYS}
    recipe = {**checked(Recipe, shared), **checked(Recipe, own, prefix="settings.")}
    numbers = checked(Setting, rest, prefix="settings.", elsewhere=[*RECIPE_KEYS, "recipe"])
    return Setting(recipe=Recipe(**recipe), **numbers)
