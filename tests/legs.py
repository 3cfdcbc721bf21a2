"""The same digests and the same parity wherever the code runs: a table of environments, a process for each.

``python tests/legs.py [--quick | --full] [--only WORD]``. A leg runs tests under other threads, another threading
layer, code for another CPU, NumPy without its SIMD, Numba without its compiler, or with bounds checks. Where every
kernel must be compiled anew, a leg runs the golden digests, which hold every kind of layer; with ``--full`` the parity
suite and the assembly too (half an hour). ``--quick`` runs the digests alone on each. Exit code 1: a leg failed.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).resolve().parent

AT_ONCE = 2
"""Legs side by side: most of their time goes to compiling, on one core each."""

GOLDEN = ("test_golden.py",)
PARITY = (
    "test_golden.py",
    "test_bits.py",
    "test_parity.py::test_shapes_orders_and_layouts",
    "test_parity.py::test_a_prediction_does_not_depend_on_the_batch",
    "test_parity.py::test_clipping_and_penalties",
    "test_parity.py::test_training_in_pieces_is_training_in_one_piece",
    "test_convolution.py::test_parity_on_two_threads",
    "test_pooling.py::test_parity_on_two_threads",
    "test_rearrange.py::test_parity_on_two_threads",
    "test_recurrent.py::test_parity_on_two_threads",
    "test_several_axes.py::test_parity_on_two_threads",
)
FORMULAS = (
    "test_parity.py::test_activations",
    "test_parity.py::test_losses",
    "test_parity.py::test_update_rules",
)
ASSEMBLY = ("test_assembly.py",)


@dataclass(frozen=True)
class Leg:
    """One environment and the tests that run in it."""

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    tests: tuple[str, ...] = PARITY
    own_cache: bool = False
    full: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def numpy_features() -> str:
    """Return the CPU features that the installed NumPy can be told to do without, as it wants them named."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    return " ".join(name for name in __cpu_dispatch__ if __cpu_features__.get(name))


def layer_is_there(layer: str) -> bool:
    """Return whether Numba can load a threading layer here."""
    code = f"from numba.np.ufunc import {layer}pool"  # fails without its shared library
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def legs() -> list[Leg]:
    """Return the legs that this machine has."""
    found = [
        Leg("1 thread", {"NUMBA_NUM_THREADS": "1"}, GOLDEN),
        Leg("2 threads", {"NUMBA_NUM_THREADS": "2"}, PARITY),
        Leg("5 threads", {"NUMBA_NUM_THREADS": "5"}, (*GOLDEN, "test_wide_layers.py")),
    ]
    layers = ["workqueue", *(layer for layer in ("omp", "tbb") if layer_is_there(layer))]
    found += [Leg(f"threading layer {layer}", {"NUMBA_THREADING_LAYER": layer}, PARITY) for layer in layers]
    if platform.machine() in ("x86_64", "AMD64"):
        haswell = "+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+bmi,+bmi2,+fma,+f16c,+lzcnt,+movbe"
        found += [
            Leg("CPU generic", {"NUMBA_CPU_NAME": "generic"}, GOLDEN, full=PARITY + FORMULAS + ASSEMBLY),
            Leg("CPU haswell, AVX2", {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": haswell}, GOLDEN,
                full=PARITY + FORMULAS + ASSEMBLY),
        ]  # fmt: skip
    if numpy_features():
        found.append(Leg("NumPy without SIMD", {"NPY_DISABLE_CPU_FEATURES": numpy_features()}, PARITY + FORMULAS))
    found.append(Leg("bounds checks", {"NUMBA_BOUNDSCHECK": "1"}, GOLDEN, own_cache=True, full=PARITY))
    found.append(Leg("no JIT", {"NUMBA_DISABLE_JIT": "1"}, (".",), options=("-n", "2", "--dist", "worksteal")))
    return found


def run(leg: Leg, quick: bool, full: bool = False) -> tuple[bool, str, float]:
    """Return whether a leg passed, pytest's last line (all of its output on failure) and the seconds."""
    tests = GOLDEN if quick else leg.full if full and leg.full else leg.tests
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-x", "--tb=short", "-p", "no:cacheprovider", *leg.options,
               *(str(TESTS / test) for test in tests)]  # fmt: skip
    before = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        # Numba's cache does not know whether bounds are checked
        environment = os.environ | leg.environment | ({"NUMBA_CACHE_DIR": folder} if leg.own_cache else {})
        done = subprocess.run(command, cwd=TESTS.parent, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - before
    output = (done.stdout + done.stderr).strip()
    return done.returncode == 0, output.splitlines()[-1] if done.returncode == 0 else output, seconds


def main(arguments: list[str] | None = None) -> int:
    """Run the legs and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="golden digests alone")
    parser.add_argument("--full", action="store_true", help="the parity suite also where all must be compiled anew")
    parser.add_argument("--only", default="", help="legs whose name contains this")
    parser.add_argument("--list", action="store_true", help="print the legs and their environments")
    options = parser.parse_args(arguments)
    chosen = [leg for leg in legs() if options.only in leg.name]
    if options.list or not chosen:
        for leg in chosen:
            print(f"{leg.name:28}", *(f"{name}={value}" for name, value in leg.environment.items()))
        return int(not chosen)
    failures = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for leg, (passed, text, seconds) in zip(
            chosen, pool.map(lambda leg: run(leg, options.quick, options.full), chosen), strict=True
        ):
            failures += not passed
            print(f"{leg.name:28}{'passed' if passed else 'FAILED':8}{seconds:7.1f} s  {text}", flush=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
