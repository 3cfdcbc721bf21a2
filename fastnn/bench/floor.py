"""The floor under a row's time: its multiplications and additions at the machine's matrix-product rate.

The rate is that of ``np.dot`` on two 1024 x 1024 matrices in the row's dtype (sgemm, dgemm), taken in the
same turns as the systems. BLAS fuses multiply and add and fastnn may not, so a share of 100 % is beating it
at half the multiplier's peak on some CPUs.
"""

from __future__ import annotations

import numpy as np

from fastnn.bench.runner import Runner, repeat

SIZE = 1024
"""Side of the matrices."""

FLOPS = 2 * SIZE**3
"""Floating-point operations of one product."""


def matrix_product(dtype: str) -> Runner:
    """Return a runner whose step is one product of two ``SIZE`` x ``SIZE`` matrices."""
    rng = np.random.default_rng(7)
    a = rng.random((SIZE, SIZE)).astype(dtype)
    b = rng.random((SIZE, SIZE)).astype(dtype)
    out = np.empty_like(a)
    return repeat(lambda: np.dot(a, b, out=out))
