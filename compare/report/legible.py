"""Texts of a file as a page and its figures can show them.

Names of runs, layers and variants come from whoever made the file. Characters that cannot be seen,
or that turn the text around them, are left out, and what is too long for a legend or a table is
shortened in its middle. What the file holds stays as it is.
"""

import re
from collections.abc import Hashable

import numpy as np
import xarray as xr

MOST = 60  # characters of a name; those of shipped studies have up to 54
LINE_BREAKS = re.compile(r"\s*[\n\t\u2028\u2029]\s*")
# Control characters, marks of direction and of zero width, lone surrogates, tags.
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
READ_BY_CODE = ("optimizer_settings",)


def legible(tree: xr.DataTree) -> xr.DataTree:
    """A copy of a study or of bare trajectories whose names can be shown."""
    made = xr.DataTree.from_dict(
        {group.path: _of_group(group.to_dataset(inherit=False)) for group in tree.subtree}
    )
    made.attrs = tree.attrs
    return made


def _of_group(dataset: xr.Dataset) -> xr.Dataset:
    """A Dataset with legible texts along its dimensions; a text alone is a paragraph and stays."""
    changed: dict[Hashable, tuple[tuple[Hashable, ...], np.ndarray]] = {}
    for name, variable in dataset.variables.items():
        if variable.dtype.kind not in "OSUT" or not variable.ndim or name in READ_BY_CODE:
            continue
        texts = variable.values.ravel().tolist()
        if (shown := [shortened(str(text)) for text in texts]) != texts:
            changed[name] = (variable.dims, np.reshape(shown, variable.shape))
    coordinates = {name: one for name, one in changed.items() if name in dataset.coords}
    variables = {name: one for name, one in changed.items() if name not in coordinates}
    return dataset.assign_coords(coordinates).assign(variables)


def shortened(text: str, most: int = MOST) -> str:
    """A text on one line of at most so many characters, without its middle if need be."""
    line = LINE_BREAKS.sub(" ", visible(text))
    if len(line) <= most:
        return line
    return f"{line[: most // 2]} … {line[3 - most // 2 :]}"


def visible(text: str) -> str:
    """A text without control characters and marks of direction, but with its line breaks."""
    return UNSEEN.sub("", text)
