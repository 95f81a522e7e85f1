"""Texts of files and studies in pages: they change no tag, no script and no address."""

import base64
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from compare import report
from compare.report.legible import MOST, shortened
from compare.report.pages import pair
from compare.study import store
from theory.norm_ode.solve import solve_norm
from theory.simulation.simulate import simulate

from ...kick_model import TRUE_MODEL
from ..conftest import networks_from, roles_of, study_of

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)></style></title></pre></svg>"
    "{{ 7*7 }}{% raw %}%s %(x)s {0} $\\frac{x$ ]]><!-- --> &lt;&amp; \\ `"
    "\u202e\u2066\u200b\x00\x07\x1b[31m\ud7ff\u2028日本" + "w" * 20_000
)
# What decides how a file is read, and no text of a user.
KEYWORDS = ("status", "update_rule", "regime", "role", "expected_regime", "predicted_regime")
NOTHING = '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="72pt"></svg>'
EMBEDDED = "data:image/svg+xml;base64,"


class Skeleton(HTMLParser):
    """Tags with the names of their attributes and whatever could be loaded or run."""

    def __init__(self):
        super().__init__()
        self.tags, self.scripts, self.images, self.texts, self.inside = [], [], [], [], ""

    def handle_starttag(self, tag, attributes):
        self.inside = tag
        held = dict(attributes)
        if tag == "img":
            assert held["src"].startswith(EMBEDDED)
            self.images.append(base64.b64decode(held["src"].removeprefix(EMBEDDED)).decode())
        kept = {name: held[name] for name in ("href", "id", "type", "class") if name in held}
        self.tags.append((tag, sorted(held), kept))

    def handle_endtag(self, tag):
        self.inside = ""
        self.tags.append(("/", tag))

    def handle_data(self, data):
        if self.inside in ("script", "style"):
            self.scripts.append(re.sub(r'"[^"]*"', '""', data) if data[:1] == "{" else data)
        else:
            self.texts.append(data)


def skeleton(html):
    found = Skeleton()
    found.feed(html)
    for image in found.images:
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(image).iter()}
        assert not tags & {"script", "foreignObject", "a", "animate", "set"}
    return found


def with_text(tree, text):
    """A tree with a text in every place that a user's words can be in."""
    groups = {group.path: _with_text(group, text) for group in tree.subtree}
    made = xr.DataTree.from_dict(groups)
    made.attrs = {name: _in_attribute(value, text) for name, value in tree.attrs.items()}
    return made


def _with_text(group, text):
    dataset = group.to_dataset(inherit=False).copy()
    for name, variable in list(dataset.variables.items()):
        variable.attrs |= dict.fromkeys(("units", "long_name", "symbol", "source"), text)
        if variable.dtype.kind not in "OSUT" or name in (*KEYWORDS, "optimizer_settings"):
            continue
        words = np.array([f"{one}{text}" for one in variable.values.ravel()], dtype=object)
        put = dataset.assign_coords if name in dataset.coords else dataset.assign
        dataset = put({name: (variable.dims, words.reshape(variable.shape))})
    dataset.attrs = {name: _in_attribute(value, text) for name, value in dataset.attrs.items()}
    return dataset.assign_attrs(remark=text)


def _in_attribute(value, text):
    if not isinstance(value, str) or re.fullmatch(r"\d+(x\d+)?", value):
        return value
    return json.dumps(_in_json(json.loads(value), text)) if value[:1] == "{" else value + text


def _in_json(value, text):
    if isinstance(value, dict):
        return {key: _in_json(one, text) for key, one in value.items() if key != "regime"} | (
            {key: value[key] for key in ("regime", "kind") if key in value}
        )
    if isinstance(value, list):
        return [_in_json(one, text) for one in value]
    return value + text if isinstance(value, str) else value


def same(render):
    """Whether a page is the same but for its texts; what it says with the hostile ones."""
    harmless, hostile = (skeleton(render(text)) for text in (" harmless", HOSTILE))
    assert hostile.tags == harmless.tags
    assert hostile.scripts == harmless.scripts
    said = "".join(hostile.texts)
    assert "<script>alert(1)</script>" in said and "{{ 7*7 }}" in said
    assert not set(said) & set("\u202e\u2066\u200b\x00\x07\x1b")
    assert len(hostile.images) == len(harmless.images)


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


def test_a_long_name_loses_its_middle_and_a_short_one_nothing():
    assert shortened("a\N{NO-BREAK SPACE}b") == "a\N{NO-BREAK SPACE}b"
    assert shortened("α\n\tβ\u200b") == "α β"
    cut = shortened("a" * 500 + "z" * 500)
    assert len(cut) == MOST and cut.startswith("aaa") and cut.endswith("zzz") and "…" in cut
