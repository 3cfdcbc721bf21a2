"""Whether an array is finite."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

AT_ONCE = 1 << 18
"""Elements looked at in one go: what is computed of them stays in a processor's cache."""


def all_finite(x: Array) -> bool:
    """Return whether no element is NaN or infinite, looking at some rows at a time."""
    if x.dtype.kind != "f" or x.size == 0:
        return True
    rows = max(1, AT_ONCE // max(1, x[0].size))
    return all(bool(np.isfinite(x[first : first + rows]).all()) for first in range(0, len(x), rows))
