"""Period, jumps and regime of a setting, by the model that a study has calibrated."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from compare.calibration.calibrate import model_from_json, process_from_json
from compare.calibration.parameter_table import period_error
from compare.study import store
from theory.cycle_models import hazard_model, kick_model


def predict_from_study(
    study: str | Path, learning_rate: float, weight_decay: float
) -> dict[str, Any]:
    """Predict the cycle of a setting with the model that a study has calibrated.

        >>> from sawtooth import predict_from_study
        >>> found = predict_from_study("results/reference/digits/study.nc", 0.5, 2e-3)
        >>> found["regime"], 550 < found["period"] < 720
        ('periodic', True)

    Args:
        study: file of a study of networks.
        learning_rate: eta, above 0.
        weight_decay: lam, above 0, with ``eta lam < 1``.

    Returns:
        Values by the names of the vocabulary; no period where the regime is not ``periodic``.

    Raises:
        ValueError: if the file is no study, holds no calibrated model, or a number is out of range.
    """
    text, table = store.read_calibration(Path(study))
    if not text:
        raise ValueError(f"{study} holds no calibrated model; its report says why")
    try:
        model, process = model_from_json(text), process_from_json(text)
    except ValueError as error:
        raise ValueError(f"{study}: {error}") from error
    setting, intrinsic_lr = (learning_rate, weight_decay), learning_rate * weight_decay
    cycle = kick_model.predict(model, *setting)
    result = {
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "intrinsic_lr": intrinsic_lr,
        **asdict(cycle),
        "period_error": period_error(table, model, intrinsic_lr),
        "process_period": hazard_model.predict(process, model, *setting).period,
    }
    if cycle.regime != "periodic":  # an equilibrium has no period
        for name in [key for key in result if "period" in key] + ["first_jump"]:
            del result[name]
    return {name: value for name, value in result.items() if value == value}  # NaN is no answer
