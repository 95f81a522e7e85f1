"""Kernels as real files in a cache folder, where Numba can keep what it compiled."""

import functools
import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from platformdirs import user_cache_path

from theory.files import write_text

LEAST_ROOM = 2**17  # bytes; a kernel's source takes some 10^4


def folder() -> Path:
    """The cache folder: ``SAWTOOTH_CACHE``, else ``sawtooth`` in the user's cache folder.

    Where it cannot be written or has no room, a folder that lasts as long as this process.
    """
    chosen = os.environ.get("SAWTOOTH_CACHE")
    wanted = Path(chosen) if chosen else user_cache_path("sawtooth", appauthor=False)
    return wanted if _is_usable(wanted) else Path(_passing_folder().name)


@functools.cache
def _is_usable(wanted: Path) -> bool:
    try:
        wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=wanted) as file:
            file.write(bytes(LEAST_ROOM))
    except OSError:
        return False
    return True


@functools.cache
def _passing_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="sawtooth-")


def load(source: str) -> ModuleType:
    """Import a module from its source, through a file named after its content.

    Numba's ``cache=True`` needs that file. Two processes may write it at once: each writes its
    own and moves it into place, and both contents are the same.
    """
    name = f"sawtooth_kernel_{hashlib.sha256(source.encode()).hexdigest()[:20]}"
    path = folder() / f"{name}.py"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    if not path.is_file() or path.read_text() != source:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_text(path, source)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise OSError(f"cannot import the generated kernel {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    return module


def load_file(path: Path, *, helpers: Path) -> ModuleType:
    """Import a copy of a module of kernels whose file name changes with its helpers too.

    Numba's cache looks at the time stamp of the kernel's file alone.
    """
    digest = hashlib.sha256(helpers.read_bytes()).hexdigest()
    return load(f"{path.read_text()}\nHELPERS = {digest!r}\n")


def kept(**options: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Numba's ``njit`` that keeps what it compiled on the disk, where there is a place for that."""

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        from numba import njit

        try:
            return njit(cache=True, **options)(function)  # type: ignore[no-any-return]
        except RuntimeError:  # no folder that can be written
            return njit(**options)(function)  # type: ignore[no-any-return]

    return compiled


def kept_or_not(kernel: Callable[..., None]) -> Callable[..., None]:
    """A kernel that runs even where there is no room to keep what Numba has compiled of it."""

    def run(*arguments: Any) -> None:
        try:
            kernel(*arguments)
        except OSError:  # before its first step: it is compiled by now, and could not be kept
            kernel(*arguments)

    return run
