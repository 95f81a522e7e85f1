"""Kernels as real files in a cache folder, where Numba can keep what it compiled."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from platformdirs import user_cache_path


def folder() -> Path:
    """The cache folder: ``SAWTOOTH_CACHE``, else ``sawtooth`` in the user's cache folder."""
    chosen = os.environ.get("SAWTOOTH_CACHE")
    return Path(chosen) if chosen else user_cache_path("sawtooth", appauthor=False)


def load(source: str) -> ModuleType:
    """Import a module from its source, through a file named after its content.

    Numba's ``cache=True`` needs that file. Two processes may write it at once: each writes its
    own and moves it into place, and both contents are the same.

    Raises:
        OSError: if the cache folder cannot be written; ``SAWTOOTH_CACHE`` names another one.
    """
    name = f"sawtooth_kernel_{hashlib.sha256(source.encode()).hexdigest()[:20]}"
    path = folder() / f"{name}.py"
    loaded = sys.modules.get(name)
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    if not path.is_file() or path.read_text() != source:
        _write(path, source)
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


def _write(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w") as file:
        file.write(source)
    Path(temporary).replace(path)
