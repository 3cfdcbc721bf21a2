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
        return reach(self.places[axis], self.cells[axis], self.strides[axis], tap - self.before[axis])

    def cells_by_window(self) -> tuple[Any, Any]:
        """Return where each window's cells start in a table, and that table; int64.

        A window's cells are numbered row by row, and ascend. The starts have one entry more than there are windows.
        """
        (rows, rows_exist), (columns, columns_exist) = (
            (at := np.arange(places)[:, None] * stride - before + np.arange(size), (at >= 0) & (at < cells))
            for cells, size, stride, before, places in zip(
                self.cells, self.size, self.strides, self.before, self.places, strict=True
            )
        )
        table = rows[:, None, :, None] * self.cells[1] + columns[None, :, None, :]
        exist = rows_exist[:, None, :, None] & columns_exist[None, :, None, :]
        counts = np.count_nonzero(exist, axis=(2, 3)).reshape(-1)
        return np.concatenate([[0], np.add.accumulate(counts)]), table[exist]

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


def reach(places: int, cells: int, stride: int, shift: int) -> tuple[slice, slice]:
    """Return the places p below ``places`` whose cell ``p * stride + shift`` is one of ``cells``, and these cells."""
    first = max(0, -(shift // stride))
    last = min(places - 1, (cells - 1 - shift) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    return slice(first, last + 1), slice(first * stride + shift, last * stride + shift + 1, stride)


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
