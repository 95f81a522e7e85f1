"""Datasets that were edited since they were made: what is still measured, what is refused."""

import numpy as np
import pytest

from compare.measure.recorded import observe
from theory.simulation.simulate import simulate


@pytest.fixture(scope="module")
def whole():
    """A periodic toy, every step."""
    return simulate("isotropic", 0.1, 0.1, n_steps=2000)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda d: d.isel(run=0), "it has no dimension run"),
        (lambda d: d.isel(run=[]), "it has no runs"),
        (lambda d: d.drop_vars("momentum"), "it lacks momentum"),
        (lambda d: d.isel(step=[*range(50), *range(60, 99)]), "evenly apart .* gaps of 1, 11"),
        (lambda d: d.isel(step=slice(None, None, -1)), "gaps of -1"),
        (lambda d: d.assign_coords(step=d["step"].astype(str)), "step must hold numbers"),
        (lambda d: d.assign(weight_norm=d["weight_norm"].mean("step")), "run and step, got run"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_a_sentence(whole, edit, sentence):
    with pytest.raises(ValueError, match=sentence):
        observe(edit(whole))


def test_every_kth_record_and_a_late_start_are_measured_in_steps(whole):
    full = observe(whole)
    fifth = observe(whole.isel(step=slice(None, None, 5)))
    for name in ("period", "first_jump"):
        assert float(fifth[name][0]) == pytest.approx(float(full[name][0]), rel=0.05)
    late = observe(whole.isel(step=slice(700, None)))
    assert float(late["period"][0]) == pytest.approx(float(full["period"][0]), rel=0.1)
    assert np.isnan(float(late["first_jump"][0]))
    assert str(late["reason_first_jump"].values[0]) == "the record starts at step 700"
