"""Texts that would change a page if they were not escaped, and what must stay the same."""

import base64
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import xarray as xr

HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)></style></title></pre></svg>"
    "{{ 7*7 }}{% raw %}%s %(x)s {0} $\\frac{x$ ]]><!-- --> &lt;&amp; \\ `"
    "\u202e\u2066\u200b\x00\x07\x1b[31m\ud7ff\u2028日本" + "w" * 20_000
)
# What decides how a file is read, and no text of a user.
KEYWORDS = ("status", "update_rule", "regime", "role", "expected_regime", "predicted_regime")
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
    held = value[:1] in ("{", "[")
    return json.dumps(_in_json(json.loads(value), text)) if held else value + text


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
