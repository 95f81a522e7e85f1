"""Every benchmark, and one table of what was measured beside what is asked: ``sawtooth bench``."""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from scoreboard import board, row
from targets import TARGETS, Found

from theory.files import check_ours, holds, locked, write_text

BENCHMARKS = ("training", "monitor", "toys", "norm_ode")
PACKAGES = ("numpy", "numba", "torch", "jax", "diffrax")
INTERRUPTED = 130


def main(*, out: Path, against: Path | None = None) -> int:
    """Measure all, keep every row in a file as soon as it is there, and print the table.

    Args:
        out: JSON file that receives the machine and the rows.
        against: an earlier such file, whose ratios stand beside those of today.

    Returns:
        The exit code: 0, or 130 where the user stopped it.

    Raises:
        ValueError: if ``against`` holds no such result.
        OSError: if a file cannot be read or written, or ``out`` is something else.
    """
    before = read(against) if against else None
    check_ours(out, "benchmark", holds('"at_least": '))
    result: dict[str, Any] = {"machine": machine(), "rows": []}
    code = 0
    try:
        with locked(out):
            for what, found in measure():
                result["rows"].append(row(what, found))
                write_text(out, json.dumps(result, indent=1) + "\n")
    except KeyboardInterrupt:
        code = INTERRUPTED
    print(f"measured on {machine_line(result)}")
    if before:
        print(f"before on   {machine_line(before)}")
    print("\n" + board(result["rows"], before and before["ratios"]))
    if code:
        print(f"interrupted after {len(result['rows'])} of {len(TARGETS)} rows")
    if result["rows"]:
        print(f"data:   {out}")
    return code


def measure() -> Iterator[tuple[str, Found]]:
    """Each ratio as soon as it is measured, or why it is not."""
    for name in BENCHMARKS:
        try:
            benchmark = importlib.import_module(name)
        except ModuleNotFoundError as missing:
            reason = f"{missing.name} is not installed"
            yield from ((target.what, reason) for target in TARGETS if target.benchmark == name)
            continue
        yield from benchmark.rows()
        print(flush=True)


def read(path: Path) -> dict[str, Any]:
    """What an earlier run has written.

    Raises:
        ValueError: if it is something else.
    """
    try:
        result = json.loads(path.read_text())
        result["ratios"] = {
            one["what"]: None if one["ratio"] is None else float(one["ratio"])
            for one in result["rows"]
        }
        machine_line(result)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no result of sawtooth bench") from error
    return dict(result)


def machine() -> dict[str, Any]:
    """What the numbers were measured on and with."""
    packages = {name: version for name in PACKAGES if (version := installed(name))}
    return {
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "gpu": first_line("nvidia-smi", "--query-gpu=name", "--format=csv,noheader"),
        "compiler": first_line("cc", "--version"),
        "python": platform.python_version(),
        "packages": packages,
    }


def machine_line(result: dict[str, Any]) -> str:
    """The machine in a line."""
    one = result["machine"]
    versions = [f"{name} {version}" for name, version in one["packages"].items()]
    parts = [one["cpu"], f"{one['cores']} cores", one["gpu"], f"Python {one['python']}", *versions]
    return ", ".join(part for part in parts if part)


def cpu() -> str:
    """Name of the processor."""
    listed = Path("/proc/cpuinfo")
    lines: Iterable[str] = listed.read_text().splitlines() if listed.is_file() else ()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def first_line(program: str, *options: str) -> str:
    """The first line that a program says; empty where there is no such program."""
    if not shutil.which(program):
        return ""
    said = subprocess.run([program, *options], capture_output=True, text=True, check=False)
    return said.stdout.partition("\n")[0] if said.returncode == 0 else ""
