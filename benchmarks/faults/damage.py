"""Files with a byte changed, or cut short: noticed, or of no consequence."""

from __future__ import annotations

import random
from pathlib import Path

from inputs import call
from tally import Tally, one_sentence


def damaged(
    folder: Path, files: dict[str, tuple[Path, tuple[object, ...]]], n: int, seed: int
) -> list[Tally]:
    """Flip a bit or cut, and read.

    Args:
        folder: to write in.
        files: for each kind a whole file, and the command that reads it; FILE stands for it.
    """
    rows = []
    for kind, (whole, arguments) in files.items():
        row = Tally(f"{kind}, a bit flipped or cut short", "noticed, with the path")
        rng, held = random.Random(seed), whole.read_bytes()
        for _ in range(n):
            at = rng.randrange(len(held))
            cut = rng.random() < 0.2
            bit = 1 << rng.randrange(8)
            bad = held[:at] if cut else held[:at] + bytes([held[at] ^ bit]) + held[at + 1 :]
            path = folder / f"damaged{whole.suffix}"
            path.write_bytes(bad)
            code, said, _ = call(*(path if word == "FILE" else word for word in arguments))
            wrong = one_sentence(code, said) or ("not noticed" if code == 0 else "")
            row.note(
                f"{'cut' if cut else 'flip'} at {at}", wrong or ("" if path.name in said else said)
            )
        rows.append(row)
    return rows
