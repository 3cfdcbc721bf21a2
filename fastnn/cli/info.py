"""``fastnn info``: what a bug report and a benchmark have to say, and a check of the arithmetic."""

from __future__ import annotations

import argparse
import importlib
import json
import textwrap
from typing import Any

import numpy as np

from fastnn.bench.machine import describe, version

OPTIONAL = ("tqdm", "matplotlib", "scikit-learn", "threadpoolctl", "torch", "jax", "onnxruntime")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``fastnn info``."""
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def collect() -> dict[str, Any]:
    """Return everything that ``fastnn info`` says, as plain data."""
    about = importlib.import_module("fastnn.backends.numba_backend.about")
    machine = describe(0, 0)
    needed = ("fastnn", "numpy", "numba", "llvmlite")
    return {
        "versions": {"python": machine["python"], **{name: version(name) for name in needed}},
        "optional": {name: version(name) for name in OPTIONAL},
        "system": machine["system"],
        "cpu": {"name": machine["cpu"], "cores": machine["cores"], **about.cpu()},
        "threading": about.threads(),
        "cache": about.cache(),
        "checks": checks(),
    }


def checks() -> dict[str, bool]:
    """Return whether each backend keeps to the arithmetic contract here, by name of the check."""
    found = {}
    for backend in ("numpy", "numba"):
        check = importlib.import_module(f"fastnn.backends.{backend}_backend.self_check")
        for dtype in (np.float32, np.float64):
            name = f"{backend}, {dtype.__name__}"
            found[f"{name}: subnormals are kept"] = check.subnormals_are_kept(dtype)
            found[f"{name}: products are rounded, not fused"] = check.products_are_rounded(dtype)
    return found


def text(info: dict[str, Any]) -> str:
    """Return the same for people."""
    cpu, threading, cache = info["cpu"], info["threading"], info["cache"]
    missing = [name for name, found in info["optional"].items() if found is None]
    lines = {
        "versions": ", ".join(f"{name} {found}" for name, found in info["versions"].items()),
        "optional": ", ".join(f"{name} {found}" for name, found in info["optional"].items() if found) or "none",
        "not installed": ", ".join(missing) or "nothing",
        "system": info["system"],
        "CPU": f"{cpu['name']}, {cpu['cores']} cores",
        "compiled for": f"{cpu['target']}, vectors of {cpu['vector_bits']} bits",
        "features": " ".join(cpu["features"]) or "those of every CPU of this kind",
        "threads": f"{threading['threads']} of {threading['most']}, threading layer {threading['layer']}",
        "cache": f"{cache['folder']} ({'writable' if cache['writable'] else 'NOT writable'}), "
        f"{_megabytes(cache['bytes'])}, of other versions {_megabytes(cache['other_bytes'])}",
    }
    width = max(map(len, lines))
    rows = [f"{name:<{width}}  {_wrapped(value, width + 2)}" for name, value in lines.items()]
    rows += ["", "checks of the arithmetic"]
    rows += [f"  {'ok    ' if passed else 'FAILED'}  {name}" for name, passed in info["checks"].items()]
    return "\n".join(rows)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _wrapped(value: str, indent: int, width: int = 100) -> str:
    """Return a long value on several lines, the later ones indented."""
    lines = textwrap.wrap(value, width - indent, break_on_hyphens=False, break_long_words=False)
    return ("\n" + " " * indent).join(lines)


def run(args: argparse.Namespace) -> int:
    """Print; 1 if a check of the arithmetic fails."""
    info = collect()
    print(json.dumps(info, indent=2) if args.json else text(info))
    return 0 if all(info["checks"].values()) else 1
