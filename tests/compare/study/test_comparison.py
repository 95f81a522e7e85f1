"""A study is compared with theory in one pass over its runs."""

import numpy as np
import pytest

from compare.study.comparison import compare_with_theory
from theory.trajectory import jumps, recorded_run

from ..conftest import asked


@pytest.mark.slow
def test_each_trajectory_is_scanned_for_jumps_once(networks, roles, monkeypatch):
    """Observables, phases, every split of the calibration and theory's phases share one scan."""
    scanned = []

    def counted(log_elr, **options):
        scanned.append(np.asarray(log_elr).tobytes())
        return jumps.find_jumps(log_elr, **options)

    monkeypatch.setattr(recorded_run, "find_jumps", counted)
    held_out = dict.fromkeys(roles, "held_out")
    theory, comparison, _ = compare_with_theory(networks, asked(held_out, leave_one_out=True))
    assert comparison["predicted_period"].notnull().all()
    assert len(scanned) == networks.sizes["run"] + theory.sizes["run"]
    assert len(set(scanned)) == len(scanned)
