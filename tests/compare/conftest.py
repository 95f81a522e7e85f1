"""Datasets made by the kick model, where the right answer is known."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from compare.study import store
from compare.study.comparison import compare_with_theory
from compare.study.design import Setting, Study
from empirical.training.recipe import Recipe
from theory import laws, trajectory
from theory.cycle_models import kick_trajectories
from theory.trajectory import RunSpec

from ..kick_model import LR, TRUE_MODEL


def networks_from(model, intrinsic_lrs, *, seeds=12, n_cycles=60):
    """Trajectories of a model, dressed as measured ones."""
    runs = [
        RunSpec(LR, x / LR, seed, int(0.65 * n_cycles / x))
        for x in intrinsic_lrs
        for seed in range(seeds)
    ]
    length = max(run.n_steps for run in runs)
    names = ("weight_norm", "effective_grad_norm", "train_loss", "angular_update")
    series = {name: np.full((len(runs), length), np.nan) for name in names}
    for i, run in enumerate(runs):
        drawn = kick_trajectories.simulate(
            model,
            LR,
            run.weight_decay,
            n_steps=run.n_steps,
            rng=np.random.default_rng([9, i]),
        )
        norm, g = drawn["weight_norm"], drawn["effective_grad_norm"]
        drawn["angular_update"] = laws.angular_update(norm, g, LR, run.weight_decay)
        for name in names:
            series[name][i, : run.n_steps] = drawn[name]
    return trajectory.build(
        runs, series, source="network", model="mlp", data="digits", steps_per_epoch=11
    )


def asked(roles, *, leave_one_out=False):
    """What a comparison asks of a study, for runs that no study has trained."""
    nothing = {name: {} for name in ("expected", "twins", "spheres", "at_fixed_norm")}
    recipes = dict.fromkeys(roles, Recipe())
    return SimpleNamespace(roles=roles, recipes=recipes, leave_one_out=leave_one_out, **nothing)


def roles_of(networks, calibration):
    """Role of each run, given the intrinsic learning rates of the calibration settings."""
    return {
        str(run): "calibration" if np.isclose(x, calibration).any() else "held_out"
        for run, x in zip(networks["run"].values, networks["intrinsic_lr"].values, strict=True)
    }


@pytest.fixture(scope="session")
def networks():
    return networks_from(TRUE_MODEL, [1e-3, 2e-3, 4e-3, 8e-3])


@pytest.fixture(scope="session")
def roles(networks):
    return roles_of(networks, [1e-3, 8e-3])


@pytest.fixture(scope="session")
def study(networks, roles):
    """A whole study file in memory, made of drawn trajectories."""
    return study_of(networks, roles)


def study_of(networks, roles, *, name="drawn", title="Drawn <b>study</b>"):
    theory, comparison, calibration = compare_with_theory(networks, asked(roles))
    settings = tuple(
        Setting(LR, float(x) / LR, steps=100) for x in np.unique(networks["intrinsic_lr"].values)
    )
    groups = {
        "/theory": theory,
        "/empirical": networks,
        "/comparison": comparison,
        "/calibration": calibration,
    }
    tree = xr.DataTree.from_dict(groups)
    tree.attrs = {
        "schema_version": store.SCHEMA_VERSION,
        "config": Study(name, title, settings, seeds=12).to_json(),
        "provenance": json.dumps({"version": "0"}),
    }
    return tree
