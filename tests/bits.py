"""What "the same" means in these tests: raw bits, dtype and shape; only NaN payloads are exempt.

``assert_same_bits`` is the one comparison behind every parity test; ``test_bits.py`` checks that it can
fail.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def raw(x: Any) -> Any:
    """Return the bits of an array as unsigned integers of the same width (complex and others as bytes)."""
    x = np.ascontiguousarray(x)
    return x.view(f"u{x.itemsize}") if x.itemsize in (1, 2, 4, 8) else x.view(np.uint8)


def differing(a: Any, b: Any) -> Any:
    """Return where two arrays of one dtype and shape differ in a bit; two NaN never differ."""
    different = raw(a) != raw(b)
    if a.dtype.kind == "f":
        different &= ~(np.isnan(a) & np.isnan(b))
    return different


def ordered(x: Any) -> Any:
    """Return integers that count the floats from the most negative up, -0.0 and +0.0 being neighbours."""
    i = raw(x).astype(object)
    sign = 1 << (8 * x.itemsize - 1)
    return np.where(i >= sign, 2 * sign - 1 - i, i + sign) - sign


def ulp_distance(a: Any, b: Any) -> int:
    """Return the greatest number of steps between neighbouring floats that lead from ``a`` to ``b``.

    -0.0 and +0.0 are one step apart; a NaN on one side alone is infinitely far and raises.
    """
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype and a.shape == b.shape and a.dtype.kind == "f", "not comparable"
    where = differing(a, b)
    if not where.any():
        return 0
    a, b = a[where], b[where]
    if (np.isnan(a) | np.isnan(b)).any():
        raise AssertionError("NaN on one side")
    return int(np.abs(ordered(a) - ordered(b)).max())


def assert_same_bits(a: Any, b: Any, what: str = "result") -> None:
    """Assert that two arrays are equal in dtype, shape and every bit, NaN payloads apart.

    Parameters
    ----------
    a, b : array or scalar of NumPy
        The reference's and the other's.
    what : str
        Named in the message.
    """
    for x in (a, b):
        assert isinstance(x, np.ndarray | np.generic), f"{what}: {type(x).__name__} is no array"
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype, f"{what}: dtype {a.dtype} against {b.dtype}"
    assert a.shape == b.shape, f"{what}: shape {a.shape} against {b.shape}"
    different = differing(a, b)
    if different.any():
        first = tuple(int(i) for i in np.argwhere(different)[0]) if a.ndim else ()
        raise AssertionError(
            f"{what}: {int(different.sum())} of {a.size} elements differ, first at {first}: "
            f"{a[first]!r} ({raw(a)[first]:#x}) against {b[first]!r} ({raw(b)[first]:#x})"
        )
