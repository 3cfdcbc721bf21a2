"""Measures the largest error of every float32 formula of one argument over all 2**32 inputs.

    python tests/measure_ulp.py [--stride N] [name ...]

The truth is the C library's float64 function, whose own error is below 2**-28 ulp of float32. Takes about a
minute per formula; ``--stride 1009`` samples in seconds. Prints the largest error in units in the last place
and where it is; infinite is the error of a NaN, or of an infinity, in the wrong place.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from fastnn.backends.numba_backend.single_source import tell_numba
from fastnn.formulas import FORMULAS
from fastnn.formulas.primitives import bits, float32_from_bits, to_float64


@numba.njit
def true_log(x: Any) -> Any:
    if x == 0.0:
        return -np.inf
    return math.log(x) if x > 0.0 else np.nan


@numba.njit
def true_log1p(x: Any) -> Any:
    if x == -1.0:
        return -np.inf
    return math.log1p(x) if x > -1.0 else np.nan


@numba.njit
def true_sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + math.exp(-max(x, -700.0)))


@numba.njit
def true_softplus(x: Any) -> Any:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


TRUTHS: dict[str, Callable[[Any], Any]] = {
    "exp": numba.njit(lambda x: np.exp(x)),
    "expm1": numba.njit(lambda x: np.expm1(x)),
    "log": true_log,
    "log1p": true_log1p,
    "tanh": numba.njit(lambda x: math.tanh(x)),
    "sigmoid": true_sigmoid,
    "log_sigmoid": numba.njit(lambda x: -true_softplus(-x)),
    "softplus": true_softplus,
    "erf": numba.njit(lambda x: math.erf(x)),
    "sin": numba.njit(lambda x: np.sin(x)),
    "cos": numba.njit(lambda x: np.cos(x)),
}


@numba.njit(error_model="numpy")
def ulp_error(got: Any, truth: Any) -> Any:
    """Return |got - truth| in units in the last place of float32 at the truth."""
    a = abs(truth)
    if not a < 3.4028235677973366e38:  # rounds to infinity, or is NaN
        same = (np.isnan(truth) and np.isnan(got)) or np.float64(got) == np.float64(np.float32(truth))
        return 0.0 if same else np.inf
    exponent = max((np.int64(bits(a)) >> 52) - 1023, -126)
    return abs(to_float64(got) - truth) * 2.0 ** np.float64(23 - exponent)


def scanner(formula: Callable[..., Any], truth: Callable[..., Any]) -> Callable[..., Any]:
    """Return a compiled function over bit patterns start, start + stride, ...: largest error, where."""

    @numba.njit(error_model="numpy", nogil=True)
    def scan(start: int, stop: int, stride: int) -> Any:
        worst = -1.0
        at = 0
        for pattern in range(start, stop, stride):
            x = float32_from_bits(pattern)
            error = ulp_error(formula(x), truth(to_float64(x)))
            if error > worst:
                worst = error
                at = pattern
        return worst, at

    return scan


def measure(name: str, stride: int) -> tuple[float, float]:
    """Return the largest error of a float32 formula over every ``stride``-th input, and where it is."""
    worst, at = scanner(FORMULAS[name].float32, TRUTHS[name])(0, 2**32, stride)
    return worst, float(np.uint32(at).view(np.float32))


def main() -> None:
    tell_numba()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(TRUTHS)}; all by default")
    parser.add_argument("--stride", type=int, default=1, help="take every so-manieth input only")
    options = parser.parse_args()
    for name in options.names or TRUTHS:
        start = time.perf_counter()
        worst, at = measure(name, options.stride)
        seconds = time.perf_counter() - start
        bound = FORMULAS[name].ulp32
        verdict = "ok" if worst <= bound else "TOO LARGE"
        print(f"{name:12s} {worst:.6f} ulp at {at!r} (bound {bound}) {verdict}, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
