"""The handful of operations that a formula needs and that arrays and scalars spell differently.

A formula is straight-line Python: assignments and one return, over ``+ - * /``, comparisons, ``& | ^``,
shifts, ``abs`` and the functions here. NumPy evaluates it on arrays (or NumPy scalars); the Numba backend
compiles the same text on scalars, where each function below has a twin of one instruction
(``backends/numba_backend/single_source.py``). ``tests/test_formulas.py`` checks the rule on every formula.

Literals: NumPy keeps ``float32 * 0.5`` in float32 and Numba does not, so constants are typed: a
module-level ``np.float32(...)`` in a formula for one dtype, ``like(x, 0.5)`` in one that serves both.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def like(x: Any, value: float) -> Any:
    """Return the constant ``value`` rounded to the dtype of ``x``."""
    return x.dtype.type(value)


def where(condition: Any, a: Any, b: Any) -> Any:
    """Return ``a`` where ``condition`` holds, else ``b``; both are evaluated."""
    return np.where(condition, a, b)[()]


def sqrt(x: Any) -> Any:
    """Return the square root, rounded once (IEEE-754 defines its bits)."""
    return np.sqrt(x)


def bits(x: Any) -> Any:
    """Return the raw bits of ``x`` as a signed integer of the same width."""
    return x.view(np.int32 if x.dtype == np.float32 else np.int64)


def float32_from_bits(i: Any) -> Any:
    """Return the float32 whose raw bits are the low 32 bits of ``i``."""
    return i.astype(np.int32).view(np.float32)


def float64_from_bits(i: Any) -> Any:
    """Return the float64 whose raw bits are ``i``."""
    return i.astype(np.int64).view(np.float64)


def to_float32(x: Any) -> Any:
    """Round ``x`` to float32."""
    return x.astype(np.float32)


def to_float64(x: Any) -> Any:
    """Widen ``x`` to float64."""
    return x.astype(np.float64)


def lookup(table: Any, i: Any) -> Any:
    """Return entry ``i``, an integer from 0 on, of a constant one-dimensional table."""
    return table[i]
