"""The processor that kernels are compiled for: its features, and how wide its vectors are."""

from __future__ import annotations

import functools
import importlib
import os
import platform
import sys
from pathlib import Path
from typing import Any

import llvmlite.binding

from fastnn.backends.numba_backend import _objects


def setting(name: str) -> Any:
    """Return a setting of Numba's, from the environment where Numba has not been imported: None for the default."""
    if "numba" in sys.modules or Path(".numba_config.yaml").exists():
        return getattr(importlib.import_module("numba.core.config"), name, None)
    return os.environ.get(f"NUMBA_{name}") or None


def features() -> frozenset[str]:
    """Return the CPU features Numba is told to compile for: ``NUMBA_CPU_FEATURES``, else the host's.

    With ``NUMBA_CPU_NAME`` alone Numba still asks for the host's, but for ``generic``, which means none.
    """
    text = setting("CPU_FEATURES")
    if text is None and setting("CPU_NAME") == "generic":
        text = ""
    if text is None:
        text = llvmlite.binding.get_host_cpu_features().flatten()
    found = frozenset(part[1:] for part in text.split(",") if part.startswith("+"))
    if str(setting("ENABLE_AVX") or "1") == "0":
        found = frozenset(name for name in found if not name.startswith("avx"))
    return found


def _vector_bytes() -> int:
    found = features()
    if "avx512f" in found:
        return 64
    return 32 if "avx" in found or "avx2" in found else 16


VECTOR_BYTES = _vector_bytes()
"""Bytes in one SIMD register of the CPU compiled for. Results do not depend on it; speed does."""

TILE_VECTORS = 4 if VECTOR_BYTES == 64 or platform.machine() in ("aarch64", "arm64") else 2
"""Vectors in a row of the micro-kernel's tile: 4 x 4 accumulators fill half of 32 registers, 4 x 2 of 16."""


@functools.cache
def machine() -> str:
    """Return what machine code depends on beside the sources: the CPU compiled for, and the compiler."""
    target = f"{llvmlite.binding.get_process_triple()} {setting('CPU_NAME') or llvmlite.binding.get_host_cpu_name()}"
    level = setting("OPT")
    if level == "max" or getattr(level, "is_opt_max", False):
        level = 4  # the same words whether Numba has been imported or not
    opt = 3 if level is None else int(level)
    checks = "unchecked" if str(setting("BOUNDSCHECK") or "0") == "0" else "checked"
    return f"{target} {','.join(sorted(features()))} opt {opt} {checks} {_objects.compiler_stamp()}"
