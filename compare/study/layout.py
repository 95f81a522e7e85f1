"""What a study file must hold: its groups, its variables, and the JSON in its attributes.

All is checked once, when a file is read, so that measuring and reporting need not look again.
"""

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from theory import trajectory
from theory.trajectory import layout as of_trajectories
from theory.trajectory.layout import check_variables
from theory.vocabulary import VARIABLES
from theory.vocabulary.attributes import observable

GROUPS = ("theory", "empirical", "comparison")
OBSERVED = (
    "role",
    "expected_regime",
    "regime",
    "n_jumps",
    "n_cycles",
    "first_jump",
    "period",
    "norm_law_residual",
    "cycle_onset",
    "late_train_loss",
    "fixed_effective_lr",
)
TEXTS = of_trajectories.TEXTS | {"role", "regime", "calibrated_on", "parameter", "periodic"}
_CYCLES, _MINIMA = ("run", "cycle"), ("run", "ensemble_size")
_BESIDE_RUN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("cycle_landing", "cycle_turn", "cycle_onset"), _CYCLES),
    **dict.fromkeys(("minimum_step", "minimum_train_loss", "minimum_test_error"), _CYCLES),
    **dict.fromkeys(("successive_cosine", "independent_cosine"), _CYCLES),
    **dict.fromkeys(("successive_disagreement", "independent_disagreement"), _CYCLES),
    **dict.fromkeys(("successive_ensemble_error", "first_ensemble_error"), _MINIMA),
    "last_ensemble_error": _MINIMA,
    "direction_error": ("run", "eval_step"),
    **{name: (name,) for name in ("run", "cycle", "ensemble_size", "eval_step")},
}
_LAWS = ("kick", "onset", "landing", "growth")
CALIBRATION: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("parameter", "value", "standard_error"), ("parameter",)),
    **dict.fromkeys(("intrinsic_lr", "n_cycles", "periodic"), ("setting",)),
    **{f"{law}{end}": ("setting",) for law in _LAWS for end in ("", "_sem")},
    **{f"{law}_law{end}": ("curve",) for law in _LAWS for end in ("", "_error")},
    "curve_intrinsic_lr": ("curve",),
}
FORECAST: dict[str, tuple[str, ...]] = {
    "effective_lr": ("quantile", "planned_step"),
    "weight_norm": ("quantile", "planned_step"),
    "sample_effective_lr": ("sample", "planned_step"),
    **dict.fromkeys(("bin_step", "jump_density", "first_jump_density"), ("bin",)),
    "quantile": ("quantile",),
    "planned_step": ("planned_step",),
}
# Keys of the JSON in attributes that readers go by, and what they hold.
Keys = Mapping[str, type]
CONFIG: Keys = {"name": str, "title": str, "settings": list, "seeds": int}
TOYS_CONFIG: Keys = {"name": str, "title": str}


def check(tree: xr.DataTree, path: str) -> None:
    """Refuse a study whose groups, variables or attributes are not of the schema.

    Args:
        tree: the file.
        path: its name, for messages.

    Raises:
        ValueError: naming the first thing that is not.
    """
    config = json_object(tree, "config", path)
    json_object(tree, "provenance", path)
    if missing := [name for name in GROUPS if name not in tree.children]:
        raise ValueError(f"{path} is no whole study file: it lacks the group {missing[0]}")
    if config.get("kind") == "toys":
        check_keys(config, TOYS_CONFIG, f"{path}: config")
        return
    check_keys(config, CONFIG, f"{path}: config")
    for setting in config["settings"]:
        if not isinstance(setting, dict):
            raise ValueError(f"{path}: settings of config must be objects, got {setting!r:.60}")
    _check_networks(tree, path)


def _check_networks(tree: xr.DataTree, path: str) -> None:
    """Refuse a study of networks whose Datasets are not of the schema, or not of the same runs."""
    theory, networks, comparison = (tree[name].to_dataset() for name in GROUPS)
    trajectory.require(networks, f"{path}: /empirical")
    of_trajectories.check(theory, f"{path}: /theory")
    held = comparison.variables
    if missing := [name for name in (*OBSERVED, *of_trajectories.SETTINGS) if name not in held]:
        raise ValueError(f"{path} is no whole study file: it lacks comparison/{missing[0]}")
    check_comparison(comparison, f"{path}: /comparison")
    for name, group in (("theory", theory), ("comparison", comparison)):
        if "run" not in group or group["run"].values.tolist() != networks["run"].values.tolist():
            raise ValueError(f"{path}: /{name} must hold the runs of /empirical in their order")
    if "calibration" in comparison.attrs:
        json_object(tree.children["comparison"], "calibration", path)
    for name, dims in (("calibration", CALIBRATION), ("forecast", FORECAST)):
        if name in tree.children:
            group = tree[name].to_dataset()
            check_variables(group, f"{path}: /{name}", dims, texts=TEXTS)
    if "forecast" in tree.children:
        _check_forecast(tree.children["forecast"], path)


def check_comparison(comparison: xr.Dataset, name: str) -> None:
    """Refuse a comparison in which an observable lies along other dimensions than it should."""
    of_runs = {str(one): observable(str(one)) for one in comparison.variables}
    known = {one: base for one, base in of_runs.items() if base in VARIABLES}
    dims = {one: _BESIDE_RUN.get(one, ("run",)) for one in known} | {"role": ("run",)}
    texts = {one for one, base in known.items() if one.startswith("reason_") or base in TEXTS}
    check_variables(comparison, name, dims | _BESIDE_RUN, texts=texts | TEXTS)


def _check_forecast(group: xr.DataTree, path: str) -> None:
    """Refuse a forecast that lacks one of its curves or texts."""
    where = f"{path}: /forecast"
    if missing := [name for name in FORECAST if name not in group.variables]:
        raise ValueError(f"{where} lacks {missing[0]}")
    json_object(group, "forecast", where)
    planned = json_object(group, "planned", where)
    check_keys(planned, {"recipe": dict}, f"{where}: planned")
    if not isinstance(decoded(group, "what_if", where), list):
        raise ValueError(f"{where}: the attribute what_if must be a list in JSON")


def json_object(group: xr.DataTree, attribute: str, path: str) -> dict[str, Any]:
    """The JSON object that an attribute holds.

    Raises:
        ValueError: if it is missing, no JSON or no object.
    """
    found = decoded(group, attribute, path)
    if not isinstance(found, dict):
        raise ValueError(f"{path}: the attribute {attribute} must be an object in JSON")
    return found


def decoded(group: xr.DataTree, attribute: str, path: str) -> Any:
    """What an attribute holds as JSON.

    Raises:
        ValueError: if it is missing or no JSON.
    """
    if attribute not in group.attrs:
        raise ValueError(f"{path} is no whole study file: it lacks the attribute {attribute}")
    text = group.attrs[attribute]
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path}: the attribute {attribute} is not JSON: {text!r:.40}") from error


def check_keys(table: Mapping[str, Any], keys: Keys, name: str) -> None:
    """Refuse a table that lacks a key, or holds something else there.

    Raises:
        ValueError: naming the key.
    """
    for key, kind in keys.items():
        found = table.get(key)
        if not isinstance(found, kind):
            raise ValueError(f"{name} must hold {key} of type {kind.__name__}, got {found!r:.60}")
