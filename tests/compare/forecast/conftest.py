import pytest

from compare.calibration.laws import priors
from compare.calibration.laws.regularised import Laws


@pytest.fixture(scope="module")
def laws():
    """What is known of a network whose climbs and growing share were seen at two decays."""
    known = Laws(priors.prior_for("mlp-64-64"))
    for at in (1e-3, 4e-3):
        known = known.seeing("reach", at, -2.9, 0.05).seeing("growth", at, -5.0, 0.1)
    return known
