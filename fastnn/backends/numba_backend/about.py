"""What the Numba backend runs on: threads, the CPU that it compiles for, and where compiled code is kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba.core import config
from numba.np.ufunc import parallel

from fastnn.backends.numba_backend import _cache, _launch, _processor


def threading_layer() -> str:
    """Return the layer that Numba chose at its first launch: ``omp``, ``tbb`` or ``workqueue``."""
    with _launch.LAUNCH:
        parallel._launch_threads()
    return str(numba.threading_layer())


def threads() -> dict[str, Any]:
    """Return the threading layer, threads used now, and the most that can be set."""
    return {
        "layer": threading_layer(),
        "threads": numba.get_num_threads(),
        "most": int(config.NUMBA_NUM_THREADS),
    }


def cpu() -> dict[str, Any]:
    """Return the CPU that code is compiled for, its features, and the vector width in bits."""
    name = config.CPU_NAME or "host"
    return {
        "target": llvmlite.binding.get_host_cpu_name() if name == "host" else name,
        "vector_bits": 8 * _processor.VECTOR_BYTES,
        "features": sorted(_processor.features()),
    }


def cache() -> dict[str, Any]:
    """Return the folder of compiled code, whether it can be written, and sizes in bytes.

    ``bytes`` is what these sources hold; ``other_bytes`` what other versions of them left in the same place.
    """
    folder = _cache.CACHE_FOLDER
    if folder is None:
        return {"folder": str(_cache.user_cache() / "fastnn"), "writable": False, "bytes": 0, "other_bytes": 0}
    own = _size(folder)
    return {
        "folder": str(folder),
        "writable": os.access(folder, os.W_OK),
        "bytes": own,
        "other_bytes": _size(folder.parent) - own,
    }


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:  # another process tidied up
            continue
    return total
