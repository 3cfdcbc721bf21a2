"""Where two arrays differ in a bit, and by how many units in the last place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Difference:
    """How one quantity of two backends compares.

    Attributes
    ----------
    name : str
        What it is: ``"cost"``.
    elements : int
        How many numbers were compared.
    differing : int
        How many of them differ in a bit, the payload of a NaN apart (all, for another dtype or shape).
    ulps : int or None
        The greatest distance in units in the last place; None where it has no meaning (a NaN on one side,
        another dtype or shape).
    first : str
        The first element that differs, and both its values; empty if none does.
    """

    name: str
    elements: int
    differing: int = 0
    ulps: int | None = 0
    first: str = ""

    @property
    def identical(self) -> bool:
        """Whether no bit differs."""
        return self.differing == 0


def ordered(x: Array) -> Array:
    """Return Python integers that count floats upwards: neighbours are 1 apart, -0.0 and +0.0 too."""
    i = x.view(f"u{x.itemsize}").astype(object)
    sign = 1 << (8 * x.itemsize - 1)
    return np.where(i >= sign, sign - 1 - i, i)


def difference(name: str, a: dict[str, Array], b: dict[str, Array]) -> Difference:
    """Compare arrays of floats by name, bit by bit.

    Parameters
    ----------
    name : str
        What they are together.
    a, b : dict of ndarray
        The same keys.
    """
    elements = sum(array.size for array in a.values())
    differing, ulps, first = 0, 0, ""
    for key, x in a.items():
        y = b[key]
        if x.dtype != y.dtype or x.shape != y.shape:
            why = f"{key}: {x.dtype} {x.shape} against {y.dtype} {y.shape}"
            return Difference(name, elements, elements, None, why)
        x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
        where = (x.view(f"u{x.itemsize}") != y.view(f"u{y.itemsize}")) & ~(np.isnan(x) & np.isnan(y))
        if not where.any():
            continue
        at = tuple(int(i) for i in np.argwhere(where)[0])
        first = first or f"{key}{list(at)}: {x[at]!s} against {y[at]!s}"
        differing += int(where.sum())
        x, y = x[where], y[where]
        if ulps is None or (np.isnan(x) | np.isnan(y)).any():
            ulps = None  # type: ignore[assignment]
        else:
            ulps = max(ulps, int(np.abs(ordered(x) - ordered(y)).max()))
    return Difference(name, elements, differing, ulps, first)
