"""The checks of ``numpy_backend/self_check.py`` in compiled code, in every thread of a parallel region."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numba_backend import _launch
from fastnn.backends.numba_backend._jit import entry, inner
from fastnn.backends.numpy_backend import self_check as reference

prange = range

ROWS = 64
"""Rows shared out to threads; each holds a whole check."""


@inner
def _row(a: Any, b: Any, c: Any, out: Any) -> None:
    for i in range(a.size):
        out[i] = a[i] * b[i] + c[i]


def _rows(a: Any, b: Any, c: Any, out: Any) -> None:
    for row in prange(out.shape[0]):
        _row(a, b, c, out[row])


_parallel = entry(_rows, parallel=True)


def product_sum(a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``, once a row."""
    out = np.empty((ROWS, a.size), a.dtype)
    with _launch.LAUNCH:
        _parallel(a, b, c, out)
    return out


def products_are_rounded(dtype: Any) -> bool:
    """Return whether ``a * b + c`` rounds the product first: no fused multiply-add."""
    return reference.products_are_rounded(dtype, product_sum)


def subnormals_are_kept(dtype: Any) -> bool:
    """Return whether subnormal numbers come out of an operation, and go into one, unharmed."""
    return reference.subnormals_are_kept(dtype, product_sum)
