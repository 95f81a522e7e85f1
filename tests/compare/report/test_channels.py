"""Layers and channels on the page of a monitored run."""

import html as entities
import re

import numpy as np
import pytest
import xarray as xr

from compare import report
from compare.measure.channels import Channels
from compare.report.figures.over_time import channels as figure
from compare.report.pages.monitored import channels as page
from theory import trajectory
from theory.trajectory import RunSpec

from ..accessible import problems

EPS = 1e-5


def recorded(n_layers=3, n_records=12, per_layer=4):
    """A run whose second layer has a channel that dies; layer 0 has one that jumps."""
    rng = np.random.default_rng(0)
    n = n_layers * per_layer
    norm = 1 + 0.01 * rng.random((n_records, n))
    angle = 0.01 * (1 + 0.1 * rng.random((n_records, n)))
    norm[:, per_layer] = np.geomspace(1, 1e-4, n_records)
    angle[:, per_layer] = 0
    if n_records > 8:
        norm[:, 1] = [1.0, 0.9, 0.8, 0.7, 0.6, 1.2, *np.full(n_records - 6, 1.1)]
    dims = ("run", "channel_step", "channel")
    weights = np.linspace(3, 2, 50)
    series = {
        "weight_norm": weights,
        "effective_grad_norm": np.ones(50),
        "angular_update": 0.01 * np.ones(50),
        "effective_lr": 0.1 / weights**2,
        "train_loss": np.ones(50),
    }
    found = trajectory.build(
        [RunSpec(0.1, 1e-3, 0, 50)],
        {name: values[None] for name, values in series.items()},
        source="network",
        model="Net",
        data="noise",
        steps_per_epoch=1,
        update_rule="sgd",
    )
    layers = [f"layer{i}.weight" for i in range(n_layers) for _ in range(per_layer)]
    names = [f"{layer}[{i % per_layer}]" for i, layer in enumerate(layers)]
    found = found.assign(
        channel_weight_norm=(dims, norm[None]), channel_angular_update=(dims, angle[None])
    ).assign_coords(
        channel_step=4 * np.arange(n_records),
        channel=names,
        channel_layer=("channel", layers),
    )
    return found.assign_attrs(normalisation_eps=EPS)


def channels(**options):
    found = recorded(**options)
    return Channels.of(found, str(found["run"].values[0]))


def text_of(html):
    html = re.sub(r"<(style|script)[^>]*>.*?</\1>", " ", html, flags=re.S)
    return entities.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)))


def test_the_page_names_the_worst_channels():
    html = report.render(xr.DataTree(recorded()))
    assert problems(html) == []
    text = text_of(html)
    # 1e-4 ^ (i / 11) falls below sqrt(1e-5) at i = 7
    assert "1 of 12 channels collapsed" in text
    assert "in layer1.weight[0] at step 28" in text
    assert "1 of 12 channels stood still" in text
    assert "1 of 12 channels jumped" in text
    assert "layer0.weight[1] grew most between two records, by 100.0 % up to step 20" in text
    assert html.count("data:image/svg+xml;base64,") == 2
    row = r"layer1.weight 4 1.0\d 1.0 × 10⁻⁴ 1.0\d 0.01\d\d – 0 1 1"
    assert re.search(row, text)


def test_no_channels_no_section():
    found = recorded().drop_dims(("channel", "channel_step"))
    assert "Layers and channels" not in report.render(xr.DataTree(found))


def test_one_record_makes_a_table_and_no_figure():
    html = report.render(xr.DataTree(recorded(n_records=1)))
    assert "12 channels of 3 layers were recorded 1 time." in text_of(html)
    assert html.count("data:image/svg+xml;base64,") == 1


@pytest.mark.parametrize("n_layers", [3, 20])
def test_of_many_layers_the_most_telling_are_shown(n_layers):
    held = channels(n_layers=n_layers)
    shown = figure.telling(held, figure.MAX_LAYERS)
    assert len(shown) == min(n_layers, figure.MAX_LAYERS)
    assert shown[:2] == ["layer0.weight", "layer1.weight"]  # one jumps, the other collapses
    assert figure.telling(held, 1) == ["layer1.weight"]
    section = page.section(held, "channels-1", "<svg/>", of_run="")
    rows = [row[0] for row in section.tables[0].rows]
    folded = [row[0] for fold in section.folds for row in fold.table.rows]
    assert len(rows) == min(n_layers, page.MAX_ROWS)
    assert sorted(rows + folded) == sorted(held.layer_names)
    assert ("14 are left out" in section.notes[0]) == (n_layers == 20)


def test_an_unknown_epsilon_is_said():
    found = recorded()
    del found.attrs["normalisation_eps"]
    assert "ε of the normalisation is not known" in text_of(report.render(xr.DataTree(found)))
