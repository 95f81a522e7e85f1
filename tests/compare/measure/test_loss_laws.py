import numpy as np
import xarray as xr

from compare.measure.laws import loss_laws


def test_recovers_power_laws_and_refuses_what_says_nothing():
    loss = np.geomspace(1, 1e-3, 12)
    flat = np.linspace(1, 0.9, 12)
    noise = np.exp(0.01 * np.random.default_rng(0).standard_normal((2, 12)))
    losses = np.stack([loss, flat])
    gradient, sharpness = 3 * losses**1.4 * noise, 6e3 * losses
    gradient[:, 0] = 1e9  # the untrained network
    gradient[0, 5] = np.nan
    names = ("probe_loss", "probe_effective_grad_norm", "spherical_sharpness")
    series = zip(names, (losses, gradient, sharpness), strict=True)
    networks = xr.Dataset(
        {name: (("run", "eval_step"), values) for name, values in series}, {"run": ["a", "b"]}
    )
    found = loss_laws.fit(networks)
    np.testing.assert_allclose(found["gradient_exponent"][0], 1.4, atol=0.01)
    np.testing.assert_allclose(found["gradient_coefficient"][0], 3, rtol=0.05)
    np.testing.assert_allclose(found["sharpness_exponent"][0], 1, rtol=1e-9)
    np.testing.assert_allclose(found["sharpness_coefficient"][0], 6e3, rtol=1e-9)
    assert np.isnan(found.isel(run=1).to_array()).all()
