"""The columns of a log by their meaning, whatever a logger calls them."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from compare.diagnose.log import rows
from compare.diagnose.log.signals import Signals
from theory.arrays import FloatArray

# Names of columns in lower case, with _ for each of space, dot, dash and slash.
ALIASES = {
    "step": ("step", "_step", "steps", "global_step", "iteration", "iter", "trainer_global_step"),
    "loss": ("loss", "train_loss", "training_loss", "train_loss_step", "loss_train"),
    "learning_rate": ("learning_rate", "lr", "train_lr", "train_learning_rate", "eta"),
    "weight_decay": ("weight_decay", "wd", "train_wd", "train_weight_decay", "lambda"),
    "weight_norm": ("weight_norm", "train_weight_norm", "param_norm", "w_norm"),
    "grad_norm": ("grad_norm", "train_grad_norm", "gradient_norm", "grad_norm_total"),
    "last_layer_norm": ("last_layer_norm", "last_layer_weight_norm", "head_norm"),
    "steps_per_epoch": ("steps_per_epoch", "epoch_length", "batches_per_epoch"),
    "epoch": ("epoch", "epochs", "train_epoch"),
    "batch_size": ("batch_size", "batch"),
    "data_size": ("data_size", "dataset_size", "n_train", "train_size"),
    "optimizer": ("optimizer", "optim", "update_rule"),
    "beta2": ("beta2", "beta_2", "betas_1", "adam_beta2"),
    "momentum": ("momentum",),
}
SERIES = ("learning_rate", "weight_decay", "weight_norm", "grad_norm", "last_layer_norm")
NORMS = "weight_norm, grad_norm or last_layer_norm"
NAMED = 6  # columns, at most, where it is said that they were not used
CONSTANTS = ("steps_per_epoch", "beta2", "momentum")


def of_columns(columns: Mapping[str, Any], name: str = "the log") -> Signals:
    """Make signals of columns by name, each a sequence of numbers or one number.

    Raises:
        ValueError: if step or loss is missing, or a number is out of range.
    """
    names = _by_meaning(columns)
    found = {meaning: columns[given] for meaning, given in names.items()}
    for needed in ("step", "loss"):
        if needed not in found:
            given = ", ".join(map(str, columns)) or "none"
            others = ", ".join(ALIASES[needed][1:])
            raise ValueError(f"{name} has no column {needed} (or {others}); it has {given}")
    length = len(np.atleast_1d(np.asarray(found["step"])))
    numbers = {key: _numbers(found[key], key, name) for key in found if key != "optimizer"}
    for key, values in numbers.items():
        if len(values) not in (1, length):
            raise ValueError(f"{name} has {length} steps and {len(values)} values of {key}")
    series = {
        key: np.broadcast_to(values, length)
        for key, values in numbers.items()
        if key not in CONSTANTS
    }
    series = _until_the_last_loss(series, found["loss"])
    constants = {key: _constant(numbers[key]) for key in CONSTANTS if key in numbers}
    words = np.atleast_1d(np.asarray(found.get("optimizer", ""), dtype=str))
    optimizer = next((word for word in words if word), "").strip().lower()
    signals = _whole(series, constants, optimizer, name)
    return replace(signals, notes=(*signals.notes, *_unused(columns, names.values())))


def _by_meaning(columns: Iterable[str]) -> dict[str, str]:
    """Names of columns by those of the vocabulary; what has no meaning here is left out."""
    plain = {_plain(name): name for name in columns}
    found: dict[str, str] = {}
    for meaning, names in ALIASES.items():
        for alias in names:
            if alias in plain:
                found.setdefault(meaning, plain[alias])
    return found


def _unused(columns: Iterable[str], used: Iterable[str]) -> list[str]:
    """A sentence on the columns that are not used, and what a norm must be called to be."""
    unused = [str(name) for name in columns if str(name).strip() and name not in set(used)]
    if not unused:
        return []
    more = f" and {len(unused) - NAMED} more" if len(unused) > NAMED else ""
    said = f"columns that were not used: {', '.join(unused[:NAMED])}{more}"
    norms = [name for name in unused if "norm" in _plain(name)]
    if norms:
        said = f"{said}; for {norms[0]} to count, call it by what it is the norm of: {NORMS}"
    return [said]


def is_known(name: str) -> bool:
    """Whether a column of this name has a meaning here."""
    return any(_plain(name) in aliases for aliases in ALIASES.values())


def _plain(name: Any) -> str:
    return "".join("_" if c in " ./-" else c for c in str(name).strip().lower())


def _numbers(values: Any, key: str, name: str) -> FloatArray:
    """Values as numbers; blanks are NaN."""
    array = np.atleast_1d(np.asarray(values))
    try:
        if array.dtype.kind in "US":
            array = np.where(np.char.strip(array) == "", "nan", array)
        return array.astype(float)
    except ValueError as error:
        raise ValueError(f"{name}: the column {key} holds what is no number ({error})") from error


def _until_the_last_loss(series: dict[str, FloatArray], loss: Any) -> dict[str, FloatArray]:
    """Series up to the last loss that a text tells, where one that is no number is lost.

    Rows without one at the end of a file are those of a test. Of numbers blanks are not told apart.
    """
    text = np.atleast_1d(np.asarray(loss))
    if text.dtype.kind not in "US" or len(text) == 1:
        return series
    told = np.flatnonzero(np.char.strip(text) != "")
    if not len(told):
        return series
    last = int(told[-1])
    cut = {key: values[: last + 1] for key, values in series.items()}
    if np.isnan(cut["loss"][last]):
        cut["loss"] = cut["loss"].copy()
        cut["loss"][last] = np.inf
    return cut


def _constant(values: FloatArray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known[0]) if len(known) else None


def _whole(
    series: dict[str, FloatArray], constants: dict[str, float | None], optimizer: str, name: str
) -> Signals:
    """Leave out rows without a loss and what comes after a loss that is not finite."""
    lost = int((~np.isfinite(series["step"])).sum())
    series, notes = rows.one_for_each_step(series, name)
    end = rows.lost_from(series["loss"])
    lost_at = float(series["step"][end]) if end < len(series["loss"]) else None
    series = {key: values[:end] for key, values in series.items()}
    step, loss = series["step"], series["loss"]
    logged = ~np.isnan(loss)
    if not logged.any():
        raise ValueError(f"{name} holds no row with a step and a loss")
    if lost := lost + int((~logged).sum()):
        notes.append(f"{lost} rows without a step or a finite loss were left out")
    infinite = np.flatnonzero(np.isinf(loss))
    if len(infinite):
        series = {key: values[: infinite[0]] for key, values in series.items()}
        logged = logged[: infinite[0]]
        notes.append(f"the loss is infinite at step {step[infinite[0]]:g}, the rest was left out")
    if not logged.any():
        raise ValueError(f"{name} holds no row with a step and a finite loss")
    kept, too_few = rows.filled(series, logged)
    if "epoch" in kept and _whole_numbers(series["epoch"]):
        kept["epoch"] = np.floor(kept["epoch"])
    known: dict[str, Any] = {key: kept[key] for key in SERIES if key in kept}
    given: dict[str, Any] = {key: value for key, value in constants.items() if value is not None}
    if "steps_per_epoch" not in given and (length := _epoch_length(kept)):
        given["steps_per_epoch"] = length
    given |= {"optimizer": optimizer, "lost_at": lost_at, "notes": (*notes, *too_few)}
    return Signals(kept["step"], kept["loss"], **known, **given)


def _whole_numbers(values: FloatArray) -> bool:
    known = values[np.isfinite(values)]
    return bool((known == np.floor(known)).all())


def _epoch_length(series: Mapping[str, FloatArray]) -> float | None:
    """Steps in an epoch, from sizes or from a column that counts epochs.

    A last batch that is smaller counts, as loaders give it unless they are told otherwise.
    """
    if "batch_size" in series and "data_size" in series:
        data, batch = series["data_size"][0], series["batch_size"][0]
        if not min(data, batch) > 0:
            raise ValueError(f"batch_size and data_size must be above 0, got {batch:g}, {data:g}")
        return float(np.ceil(data / batch))
    if "epoch" not in series:
        return None
    step, epoch = series["step"], series["epoch"]
    risen = np.diff(epoch)
    if _whole_numbers(epoch) and (risen <= 1).all():
        starts = step[1:][risen > 0]  # nearer than the ends, which lie within an epoch
        return float((starts[-1] - starts[0]) / (len(starts) - 1)) if len(starts) > 1 else None
    passed = epoch[-1] - epoch[0]
    return float((step[-1] - step[0]) / passed) if passed > 0 else None
