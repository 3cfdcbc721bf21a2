"""What ran the benchmark: CPU, cores, versions. Without it a figure means nothing."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "fastnn", "numpy", "numba", "llvmlite", "torch", "jax", "jaxlib", "scikit-learn", "onnxruntime",
)  # fmt: skip


def version(distribution: str) -> str | None:
    """Return the installed version of a distribution, None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def describe(threads: int, turns: int) -> dict[str, Any]:
    """Return CPU, cores, threads, turns and the versions of everything that is installed."""
    versions = {name: v for name in PACKAGES if (v := version(name)) is not None}
    return {
        "cpu": _cpu_name(),
        "cores": cores(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": threads,
        "turns": turns,
        "versions": versions,
    }


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
