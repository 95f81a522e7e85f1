"""Period, jumps and regime of a setting, by the model that a study has calibrated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compare.calibration.beginning import Beginning
from compare.calibration.calibrate import laws_from_json, model_from_json
from compare.calibration.laws.regularised import Laws
from compare.predict import outlook
from compare.study import store
from compare.study.design import LONGEST_RUN
from theory import validate
from theory.cycle_models.kick_model import KickModel
from theory.laws import long_run_decay

TYPICAL_CYCLES = 10


def predict_from_study(
    study: str | Path, learning_rate: float, weight_decay: float, steps: int | None = None
) -> dict[str, Any]:
    """Predict a run with the laws that a study has calibrated.

        >>> from sawtooth import predict_from_study
        >>> found = predict_from_study("results/reference/digits/study.nc", 0.5, 2e-3)
        >>> found["regime"], 550 < found["period"] < 720
        ('periodic', True)

    Args:
        study: file of a study of networks.
        learning_rate: eta, above 0.
        weight_decay: lam, above 0, with ``eta lam < 1``.
        steps: length of the run; ten expected periods after the first jump by default.

    Returns:
        The values of a forecast (see ``sawtooth.forecast``) without pilots, and ``extrapolation``:
        1 within the calibrated decays; the slowest of them over this one, above 1, where it is
        slower than all; the fastest over it, below 1, where it is faster. Values that are not said
        are None.

    Raises:
        ValueError: if the file is no study, holds no calibrated laws, or a number is out of range.
    """
    learning_rate, weight_decay = validate.setting(learning_rate, weight_decay)
    validate.positive("weight_decay", weight_decay)
    if steps is not None:
        steps = validate.within("steps", validate.whole("steps", steps), 1, LONGEST_RUN)
    known = read_calibrated(study)
    with store.blaming(Path(study)):
        return _of_calibrated(known, learning_rate, weight_decay, steps)


@dataclass(frozen=True)
class Calibrated:
    """What a study has calibrated.

    Attributes:
        laws: of its network.
        beginning: of its runs.
        model: the kick model in the middle of the laws.
        n_weights: numbers of scale-invariant weights of its networks, as far as they are known.
    """

    laws: Laws
    beginning: Beginning
    model: KickModel
    n_weights: set[int]


def _of_calibrated(
    known: Calibrated, learning_rate: float, weight_decay: float, steps: int | None
) -> dict[str, Any]:
    """What laws and a model say of a run; see ``predict_from_study``."""
    laws, beginning = known.laws, known.beginning
    decay = long_run_decay(learning_rate, weight_decay, laws.momentum)
    start = beginning.apparent(math.log(learning_rate / known.model.initial_norm**2))
    n_steps = _usual_steps(laws, decay, start) if steps is None else steps
    network = outlook.networks(laws, decay, start, n_steps=n_steps)
    return {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "momentum": laws.momentum,
        "intrinsic_lr": learning_rate * weight_decay,
        "steps": round(n_steps),
        **outlook.summary(network, learning_rate, n_steps),
        "extrapolation": _outside(laws.evidence.intrinsic_lr, decay),
    }


def _usual_steps(known: Laws, decay: float, start: float) -> float:
    """Length of a run of a typical number of periods."""
    network = outlook.networks(known, decay, start)
    return float(np.median(network.first) + TYPICAL_CYCLES * np.median(network.period))


def read_calibrated(study: str | Path) -> Calibrated:
    """What a study has calibrated.

    Raises:
        ValueError: if the file is no study or holds no calibrated laws.
    """
    text, n_weights = store.read_calibration(Path(study))
    if not text:
        raise ValueError(f"{study} holds no calibrated model; its report says why")
    with store.blaming(Path(study)):
        laws, beginning = laws_from_json(text)
        if not laws.evidence.intrinsic_lr:
            raise ValueError("its calibrated laws rest on no run")
        return Calibrated(laws, beginning, model_from_json(text), n_weights)


def _outside(seen: Sequence[float], decay: float) -> float:
    """The nearest calibrated decay over that of a setting, 1 for one in between."""
    return float(np.clip(decay, min(seen), max(seen)) / decay)
