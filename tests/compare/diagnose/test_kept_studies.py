"""Networks that nobody trained for this: the runs that the repository keeps."""

from pathlib import Path

import numpy as np
import pytest

from compare.diagnose.diagnose import diagnose
from compare.study import store

STUDIES = sorted(Path(__file__).parents[3].glob("results/reference/*/study.nc"))


def verdicts():
    """Regime by the study and verdict of every run whose loss was kept."""
    for path in STUDIES:
        study = store.read(path)
        networks, comparison = (study[name].to_dataset() for name in ("empirical", "comparison"))
        for run in networks["run"].values:
            if np.isfinite(networks["train_loss"].sel(run=run)).any():
                regime = str(comparison["regime"].sel(run=run).values)
                yield regime, diagnose(networks, run=str(run)).verdict


@pytest.mark.slow
def test_a_sawtooth_is_one_by_its_regime_and_nothing_else_is_ever_named():
    found = list(verdicts())
    assert {regime for regime, verdict in found if verdict == "sawtooth"} == {"periodic"}
    assert found.count(("periodic", "sawtooth")) >= 20
    refused = {"sawtooth", "none of these", "too little data", "not sure"}
    assert {verdict for _, verdict in found} <= refused
