"""Whether this machine computes as the contract says: subnormals kept, products rounded before a sum.

A library compiled with -ffast-math switches subnormals off for the thread that loads it; a compiler may fuse
a product and a sum. Either would change bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

LANES = 67
"""Elements of the arrays checked: whole vectors and a remainder."""


def inputs(dtype: Any) -> tuple[Any, Any, Any]:
    """Return ``a``, ``b``, ``c`` of which ``a * b + c`` is 0 if the product is rounded, and not if fused."""
    half = 12 if np.dtype(dtype) == np.float32 else 27
    a = np.full(LANES, 1 + 2.0**-half, dtype)
    return a, a.copy(), np.full(LANES, -(1 + 2.0 ** (1 - half)), dtype)


def product_sum(a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c``."""
    return a * b + c


def products_are_rounded(dtype: Any, product_sum: Callable[..., Any] = product_sum) -> bool:
    """Return whether ``a * b + c`` rounds the product first: no fused multiply-add."""
    return bool((product_sum(*inputs(dtype)) == 0).all())


def subnormals_are_kept(dtype: Any, product_sum: Callable[..., Any] = product_sum) -> bool:
    """Return whether subnormal numbers come out of an operation, and go into one, unharmed."""
    info = np.finfo(dtype)
    tiny, smallest = np.full(LANES, info.tiny, dtype), np.full(LANES, info.smallest_subnormal, dtype)
    half, zero = np.full(LANES, 0.5, dtype), np.zeros(LANES, dtype)
    out = product_sum(tiny, half, zero)
    back = product_sum(smallest, np.full(LANES, 2.0**20, dtype), zero)
    kept = (raw(out) == raw(np.full(LANES, info.tiny / 2, dtype))) & (back > 0)
    return bool(kept.all())


def raw(x: Any) -> Any:
    """Return the bits: a comparison of floats may take subnormals for zero, one of bits does not."""
    return x.view(np.uint32 if x.dtype == np.float32 else np.uint64)
