"""Files with a byte changed, cut short, or edited: noticed, or of no consequence."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from inputs import call
from tally import Tally, one_sentence

# For each kind of file a whole one, and commands that read it; FILE stands for it.
Files = dict[str, tuple[Path, tuple[tuple[object, ...], ...]]]
TEXTS = ("", "xx", "3", "null", "[]", "{}", '{"a":', "<b>")
NUMBERS = (0.0, -1.0, 7.0, 1e300, np.nan, np.inf)


def damaged(folder: Path, files: Files, n: int, seed: int) -> list[Tally]:
    """Flip a bit or cut, and read."""
    rows = []
    for kind, (whole, commands) in files.items():
        row = Tally(f"{kind}, a bit flipped or cut short", "noticed, with the path")
        rng, held = random.Random(seed), whole.read_bytes()
        path = folder / f"damaged{whole.suffix}"
        for _ in range(n):
            at = rng.randrange(len(held))
            cut = rng.random() < 0.2
            bit = 1 << rng.randrange(8)
            bad = held[:at] if cut else held[:at] + bytes([held[at] ^ bit]) + held[at + 1 :]
            path.write_bytes(bad)
            code, wrong = _read(path, commands[0])
            wrong = wrong or ("not noticed" if code == 0 else "")
            row.note(f"{'cut' if cut else 'flip'} at {at}", wrong)
        rows.append(row)
    return rows


def edited(folder: Path, files: Files, n: int, seed: int) -> list[Tally]:
    """Change an attribute, a variable or a dimension, and read."""
    rows = []
    for kind, (whole, commands) in files.items():
        row = Tally(f"{kind}, edited", "one sentence with the path, or a whole result")
        rng, path = random.Random(seed), folder / f"edited{whole.suffix}"
        with xr.open_datatree(whole, engine="h5netcdf") as tree:
            groups = {group.path: group.to_dataset(inherit=False).load() for group in tree.subtree}
        while row.n_tried < n:
            name = rng.choice([name for name, one in groups.items() if one.attrs or one.variables])
            try:
                said, changed = rng.choice(list(_edits(groups[name], rng)))
                xr.DataTree.from_dict(groups | {name: changed}).to_netcdf(path, engine="h5netcdf")
            except (ValueError, TypeError):  # netCDF itself refuses it
                continue
            arguments = rng.choice(commands)
            row.note(f"{name} {said}, {arguments[0]}", _read(path, arguments)[1])
        rows.append(row)
    return rows


def _read(path: Path, arguments: tuple[object, ...]) -> tuple[int, str]:
    """The exit code of a command on a file, and what was wrong with how it ended."""
    for written in arguments:
        if isinstance(written, Path):  # no command writes over what is there
            written.unlink(missing_ok=True)
    code, said, _ = call(*(path if word == "FILE" else word for word in arguments))
    wrong = one_sentence(code, said)
    return code, wrong or ("" if code == 0 or str(path) in said else said)


def _edits(group: xr.Dataset, rng: random.Random) -> Iterator[tuple[str, xr.Dataset]]:
    """One edit of each attribute, variable and dimension of a group, with a name for it."""
    for key, value in group.attrs.items():
        others = {name: one for name, one in group.attrs.items() if name != key}
        yield f"without attribute {key}", _with_attributes(group, others)
        new = _other_text(value, rng)
        yield f"{key} = {new!r:.60}", _with_attributes(group, others | {key: new})
    for name, variable in group.variables.items():
        yield f"without {name}", group.drop_vars(name)
        said, new = _other_values(variable, rng)
        rest = group.drop_vars(name) if name in group.indexes else group
        put = rest.assign_coords if name in group.coords else rest.assign
        try:
            yield f"{name} {said}", put({name: new})
        except ValueError:  # its dimensions do not go with those of the others
            continue
    for dimension in group.sizes:
        n = rng.randrange(2)
        yield f"{n} {dimension}", group.isel({dimension: slice(n)})


def _with_attributes(group: xr.Dataset, attributes: dict[Any, Any]) -> xr.Dataset:
    return group.drop_attrs(deep=False).assign_attrs(attributes)


def _other_text(value: Any, rng: random.Random) -> Any:
    """Another value of an attribute; of a JSON object mostly with another value inside."""
    if isinstance(value, str) and value.startswith("{") and rng.random() < 0.8:
        table = place = json.loads(value)
        while isinstance(place[key := rng.choice(list(place))], dict) and place[key]:
            place = place[key]
        del place[key]
        if rng.random() < 0.8:
            place[key] = rng.choice((None, "xx", -1, [], {}))
        return json.dumps(table)
    return rng.choice((*TEXTS, 7, np.array([1.0, 2.0])))


def _other_values(variable: xr.Variable, rng: random.Random) -> tuple[str, xr.Variable]:
    """A variable of other values, of the other kind, or along other dimensions."""
    dims, values = variable.dims, variable.values
    whole = rng.choice((*TEXTS, *NUMBERS))
    chosen = rng.choice(("filled", "filled", "filled", "one value", "other dimensions", "turned"))
    if chosen == "filled":
        return f"filled with {whole!r}", xr.Variable(dims, np.full(values.shape, whole))
    if chosen == "one value":
        return chosen, xr.Variable((), values.ravel()[0] if values.size else 0.0)
    if chosen == "turned":
        return chosen, xr.Variable(dims[::-1], values.T)
    return chosen, xr.Variable([f"other_{i}" for i in range(values.ndim)], values)
