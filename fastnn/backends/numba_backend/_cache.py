"""The folder in which compiled code is kept.

It is named after a hash of every source that kernels are made of: Numba's cache looks at the file of the function alone
and would miss an edit in a file it calls into. Without a writable folder everything still runs, uncached.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastnn.backends.numba_backend._processor import setting

KERNEL_SOURCES = ("activations", "backends/numba_backend", "contract.py", "formulas", "losses", "optimizers", "random",
                  "regularizers.py")  # fmt: skip
"""What compiled code is made of; an edit elsewhere leaves the cache valid."""


def _source_digest() -> str:
    """Return a hash of the sources that kernels are compiled from."""
    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[2]
    for part in KERNEL_SOURCES:
        path = package / part
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(str(file.relative_to(package)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def user_cache() -> Path:
    """Return the folder for compiled code of this user, by the platform's convention."""
    if folder := setting("CACHE_DIR"):
        return Path(folder)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", tempfile.gettempdir()))
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _forget_old_versions(folder: Path) -> None:
    """Remove the compiled code of sources that have not been compiled for a month."""
    for other in folder.parent.iterdir():
        with contextlib.suppress(OSError):
            if other != folder and time.time() - other.stat().st_mtime > 30 * 24 * 3600:
                shutil.rmtree(other, ignore_errors=True)


def _writable_cache() -> Path | None:
    """Return the folder for compiled code of these sources, made if need be; None where none can be."""
    try:
        folder = user_cache() / "fastnn" / _source_digest()
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _forget_old_versions(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError):
        return None
    return folder


CACHE_FOLDER = _writable_cache()


@contextlib.contextmanager
def cache_folder() -> Iterator[bool]:
    """Point Numba's cache at our folder while a dispatcher is made; yield whether there is one."""
    config: Any = importlib.import_module("numba.core.config")
    if CACHE_FOLDER is None:
        yield False
        return
    before = config.CACHE_DIR
    config.CACHE_DIR = str(CACHE_FOLDER)
    try:
        yield True
    finally:
        config.CACHE_DIR = before
