"""Windows that slide over a grid of cells: which cells each one sees.

An image has a grid of (height, width) cells, a sequence one of (steps, 1). A window that reaches over an edge, into the
padding, sees the cells that exist, and no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Pair = tuple[int, int]


@dataclass(frozen=True)
class Windows:
    """Windows of one size at regular places on a grid; axes are (rows, columns).

    Attributes
    ----------
    cells : tuple of int
        (H, W).
    size : tuple of int
        (R, S), of a window.
    strides : tuple of int
        From one window to the next.
    before : tuple of int
        Padding in front of the first row and of the first column.
    places : tuple of int
        (P, Q): how many windows there are.
    """

    cells: Pair
    size: Pair
    strides: Pair
    before: Pair
    places: Pair

    def reach(self, axis: int, tap: int) -> tuple[slice, slice]:
        """Return, along an axis, the windows whose cell number ``tap`` exists, and these cells."""
        stride, shift = self.strides[axis], tap - self.before[axis]
        first = max(0, -(shift // stride))
        last = min(self.places[axis] - 1, (self.cells[axis] - 1 - shift) // stride)
        if last < first:
            return slice(0, 0), slice(0, 0)
        return slice(first, last + 1), slice(first * stride + shift, last * stride + shift + 1, stride)

    def cells_of(self, window: int) -> Any:
        """Return the numbers of the cells that a window sees, ascending: row by row."""
        rows, columns = (
            np.arange(max(0, place * stride - before), min(cells, place * stride - before + size))
            for place, stride, before, cells, size in zip(
                divmod(window, self.places[1]), self.strides, self.before, self.cells, self.size, strict=True
            )
        )
        return (rows[:, None] * self.cells[1] + columns).reshape(-1)

    @property
    def overlap(self) -> bool:
        """Whether a cell may be seen by two windows."""
        return any(s < k and n > 1 for s, k, n in zip(self.strides, self.size, self.places, strict=True))

    def cell_counts(self) -> Any:
        """Return how many cells each window sees: (P, Q), int64."""
        rows, columns = (np.zeros(n, np.int64) for n in self.places)
        for counts, axis in ((rows, 0), (columns, 1)):
            for tap in range(self.size[axis]):
                counts[self.reach(axis, tap)[0]] += 1
        return rows[:, None] * columns


def places_along(cells: int, size: int, stride: int, padding: str) -> tuple[int, int]:
    """Return (number of windows along an axis, padding in front of it).

    Parameters
    ----------
    cells, size, stride : int
    padding : str
        "valid": windows lie within the grid; 0 of them if it is too small. "same": ``ceil(cells / stride)`` windows,
        with as much padding on either side, the odd one behind.
    """
    if padding == "valid":
        return max(0, (cells - size) // stride + 1), 0
    places = -(-cells // stride)
    return places, max(0, (places - 1) * stride + size - cells) // 2
