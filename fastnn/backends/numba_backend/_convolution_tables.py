"""The tables that tell a convolution where the rows of its taps lie: made with NumPy when a program is lowered.

Those of the gradient of its weights stand in ``_convolution_matches.py``.

All are int64; rows are in bytes from the first row of a block's tensor, ``BLOCK`` samples wide.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._layout import BLOCK
from fastnn.plan.convolution import Convolution, classes

Array = np.ndarray[Any, Any]
Keep = Callable[[Any], int]


def gather_tables(g: Convolution, to_cells: bool, size: int, keep: Keep) -> tuple[int, int]:
    """Return the address and the length of the table of classes; see ``convolution.make_gather_taps``.

    Parameters
    ----------
    g : Convolution
    to_cells : bool
        Whether the targets are the cells, or the places.
    size : int
        Bytes of an element.
    keep : callable
        Keeps an array and returns its address.
    """
    table = [[keep(targets), len(targets), keep(taps) if len(taps) else 0, len(taps)]
             for targets, taps in _classes(g, to_cells, size)]  # fmt: skip
    return keep(table), len(table)


@lru_cache(maxsize=64)
def _classes(g: Convolution, to_cells: bool, size: int) -> list[tuple[Array, Array]]:
    """Return each class's targets and taps, the same arrays for the same geometry."""
    row = BLOCK * size
    if to_cells:
        source_width, source_row, target_width, target_row = g.places[1], g.filters * row, g.cells[1], g.channels * row
    else:
        source_width, source_row, target_width, target_row = g.cells[1], g.channels * row, g.places[1], g.filters * row
    found = []
    for ys, y_bases, y_taps in classes(g, 0, to_cells):
        for xs, x_bases, x_taps in classes(g, 1, to_cells):
            sources = (y_bases[:, None] * source_width + x_bases) * source_row
            targets = (ys[:, None] * target_width + xs) * target_row
            taps = [((r * g.size[1] + s) * size, (y * source_width + x) * source_row)
                    for r, y in y_taps for s, x in x_taps]  # fmt: skip
            places = np.stack([sources.reshape(-1), targets.reshape(-1)], 1)
            found.append((places, np.array(taps, np.int64).reshape(-1, 2)))
    return found
