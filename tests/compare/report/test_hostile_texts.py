"""Texts of files and studies in pages: they change no tag, no script and no address."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from compare import report
from compare.report.legible import MOST, shortened
from compare.report.pages import pair, toys
from compare.study import store
from compare.toy_claims.claim import Claim, Finding, table
from theory.norm_ode.solve import solve_norm
from theory.simulation.simulate import simulate

from ...kick_model import TRUE_MODEL
from ..conftest import networks_from, roles_of, study_of
from ..hostile import same, with_text

NOTHING = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="72pt"></svg>'


@pytest.fixture
def undrawn(monkeypatch):
    """Figures without their lines: how texts are drawn is seen on the smaller pages."""
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **_: file.write(NOTHING))
    monkeypatch.setattr(Figure, "tight_layout", lambda figure, **_: None)


@pytest.fixture(scope="module")
def small():
    """A study of four short runs."""
    networks = networks_from(TRUE_MODEL, [2e-3, 8e-3], seeds=2, n_cycles=12)
    return study_of(networks, roles_of(networks, [8e-3]))


def monitored():
    """A monitor's file of a network with layers and channels, made of numbers alone."""
    toy = simulate("isotropic", 0.1, 0.1, n_steps=600)
    shape, layers = (1, 3, 2), ["a", "b"]
    dims = ("run", "channel_step", "channel")
    channels = np.abs(np.random.default_rng(0).normal(1, 0.1, shape))
    return xr.DataTree(
        toy.assign(
            channel_weight_norm=(dims, channels),
            channel_effective_grad_norm=(dims, channels),
            channel_angular_update=(dims, channels),
            layer_weight_norm=(("run", "eval_step", "layer"), channels),
            layer_effective_grad_norm=(("run", "eval_step", "layer"), channels),
            optimizer=("run", ["SGD"]),
            optimizer_settings=("run", ["{}"]),
            settings_changed=("run", ["lr"]),
            n_weights=("run", [10]),
            invariance=((), "all"),
        )
        .assign_coords(
            channel_step=[0, 1, 2],
            eval_step=[0, 1, 2],
            channel=["a[0]", "b[0]"],
            channel_layer=("channel", layers),
            layer=layers,
        )
        .assign_attrs(notes="none", device="cpu", largest_matrix="4x4", normalisation_eps=1e-5)
    )


@pytest.mark.slow
def test_the_page_of_a_monitored_run():
    tree = monitored()
    same(lambda text: report.render(with_text(tree, text)))


def test_the_page_of_the_norm():
    tree = xr.DataTree(solve_norm(0.1, 0.1, grad_norm=1.0, rho0=2.0, n_steps=300))
    tree.attrs = {"config": '{"lr": "0.1"}', "provenance": '{"command": "sawtooth"}'}
    same(lambda text: report.render(with_text(tree, text)))


@pytest.mark.slow
def test_the_page_of_a_study(small, undrawn):
    same(lambda text: report.render(with_text(small, text)))


@pytest.mark.slow
def test_the_page_of_two_studies(small, undrawn, tmp_path, monkeypatch):
    def render(text):
        monkeypatch.setattr(store, "read", lambda path: with_text(small, text))
        pair.write(tmp_path / "page.html", tmp_path / "a.nc", tmp_path / "b.nc")
        return (tmp_path / "page.html").read_text(encoding="utf-8")

    same(render)


def test_the_page_of_toys(monkeypatch):
    monkeypatch.setattr(toys, "draw_figures", lambda _: {toys.FIRST: NOTHING, "cycle": NOTHING})
    claims = (Claim("period", 1.1, 1.0, 0.05, "steps"), Claim("a floor", 2.0, 2.0, 0.1))
    found = table([Finding("cycle", xr.Dataset(), claims)])
    tree = xr.DataTree.from_dict({"theory": xr.Dataset(), "comparison": found})
    config = '{"name": "toys", "title": "Toys", "kind": "toys"}'
    tree.attrs = {"config": config, "provenance": '{"command": "sawtooth"}'}
    same(lambda text: report.render(with_text(tree, text)))


def test_a_long_name_loses_its_middle_and_a_short_one_nothing():
    assert shortened("a\N{NO-BREAK SPACE}b") == "a\N{NO-BREAK SPACE}b"
    assert shortened("α\n\tβ\u200b") == "α β"
    cut = shortened("a" * 500 + "z" * 500)
    assert len(cut) == MOST and cut.startswith("aaa") and cut.endswith("zzz") and "…" in cut
