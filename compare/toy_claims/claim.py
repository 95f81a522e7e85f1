"""What a claim about a toy loss is: measured beside predicted, with the data of its figure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from theory.arrays import FloatArray
from theory.simulation import toy_ensemble
from theory.simulation.toy_ensemble import Records
from theory.toy_losses.losses import ToyLoss


@dataclass(frozen=True)
class Claim:
    """One number of a toy, measured in simulation and predicted.

    Attributes:
        name: what it is.
        measured: in the simulation.
        predicted: by theory.
        tolerance: largest error that passes.
        unit: of both numbers.
    """

    name: str
    measured: float
    predicted: float
    tolerance: float
    unit: str = "1"

    @property
    def relative_error(self) -> float:
        """``measured / predicted - 1``; the difference itself where 0 is predicted."""
        difference = self.measured - self.predicted
        return difference / self.predicted if self.predicted else difference

    @property
    def passes(self) -> bool:
        """Whether the error is within the tolerance."""
        return bool(abs(self.relative_error) <= self.tolerance)


@dataclass(frozen=True)
class Finding:
    """Claims about one toy, and the data from which its figure is drawn.

    Attributes:
        name: names the figure; prefix of the variables and dimensions of the data.
        claims: numbers with their tolerances.
        data: simulated and predicted series.
    """

    name: str
    claims: tuple[Claim, ...]
    data: xr.Dataset


def worst(name: str, measured: Any, predicted: Any, tolerance: float, unit: str = "1") -> Claim:
    """The claim with the largest error among those of two arrays of equal shape."""
    pairs = zip(np.ravel(measured), np.ravel(predicted), strict=True)
    claims = [Claim(name, float(found), float(due), tolerance, unit) for found, due in pairs]
    return max(claims, key=lambda claim: abs(np.nan_to_num(claim.relative_error, nan=np.inf)))


def finding(
    name: str, claims: list[Claim], series: dict[str, tuple[str, FloatArray, str]]
) -> Finding:
    """Label the series of a figure.

    Args:
        name: of the finding.
        claims: its claims.
        series: dimensions (separated by spaces), values and long name of each variable; its key
            begins with ``predicted`` where theory made it.
    """
    data = xr.Dataset()
    for key, (dims, values, long_name) in series.items():
        source = "prediction" if key.startswith("predicted") else "simulation"
        labels = {"long_name": long_name, "units": "1", "source": source}
        own = [f"{name}_{dim}" for dim in dims.split()]
        data[f"{name}_{key}"] = (own, np.asarray(values, dtype=float), labels)
    return Finding(name, tuple(claims), data)


def table(findings: list[Finding]) -> xr.Dataset:
    """The claims of all findings as the ``/comparison`` group of a study file."""
    claims = [claim for one in findings for claim in one.claims]
    toys = [one.name for one in findings for _ in one.claims]
    columns: dict[str, tuple[list[Any], str]] = {
        "toy": (toys, "figure of the claim"),
        "measured": ([claim.measured for claim in claims], "measured in the simulation"),
        "predicted": ([claim.predicted for claim in claims], "predicted by theory"),
        "relative_error": (
            [claim.relative_error for claim in claims],
            "measured over predicted minus 1; the difference where 0 is predicted",
        ),
        "tolerance": ([claim.tolerance for claim in claims], "largest error that passes"),
        "unit": ([claim.unit for claim in claims], "unit of measured and predicted"),
        "passes": ([int(claim.passes) for claim in claims], "1 if within the tolerance"),
    }
    data = xr.Dataset(coords={"claim": [claim.name for claim in claims]})
    for name, (values, long_name) in columns.items():
        data[name] = ("claim", values, {"long_name": long_name, "units": "1"})
    return data


def advance(
    loss: ToyLoss,
    weights: FloatArray,
    intrinsic_lr: FloatArray | float,
    n_steps: int,
    *,
    learning_rate: FloatArray | float = 1.0,
    **options: Any,
) -> Records:
    """Run trajectories from weights (d, n); ``options`` are those of ``toy_ensemble.run``."""
    rate = np.broadcast_to(learning_rate, weights.shape[1])
    decay = np.broadcast_to(intrinsic_lr, len(rate)) / rate
    return toy_ensemble.run(
        loss, weights, learning_rate=rate, weight_decay=decay, n_steps=n_steps, **options
    )
