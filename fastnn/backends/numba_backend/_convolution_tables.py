"""The tables that tell a convolution's kernels where rows lie: made with NumPy when a program is lowered.

All are int64; rows are in bytes from the first row of a block's tensor, ``BLOCK`` samples wide.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._layout import BLOCK
from fastnn.plan.convolution import Convolution, classes

Array = np.ndarray[Any, Any]
Keep = Callable[[Any], int]

CHUNK = 16
"""Places that go through a panel of weights at a time: what they read stays in the first cache."""


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
    row = BLOCK * size
    if to_cells:
        source_width, source_row, target_width, target_row = g.places[1], g.filters * row, g.cells[1], g.channels * row
    else:
        source_width, source_row, target_width, target_row = g.cells[1], g.channels * row, g.places[1], g.filters * row
    table = []
    for ys, y_bases, y_taps in classes(g, 0, to_cells):
        for xs, x_bases, x_taps in classes(g, 1, to_cells):
            sources = (y_bases[:, None] * source_width + x_bases) * source_row
            targets = (ys[:, None] * target_width + xs) * target_row
            taps = [((r * g.size[1] + s) * size, (y * source_width + x) * source_row)
                    for r, y in y_taps for s, x in x_taps]  # fmt: skip
            places = keep(np.stack([sources.reshape(-1), targets.reshape(-1)], 1))
            table.append([places, targets.size, keep(taps) if taps else 0, len(taps)])
    return keep(table), len(table)


def match_tables(g: Convolution, size: int, keep: Keep) -> tuple[int, int]:
    """Return the address of the table of chunks and their number; see ``convolution.make_convolution_partials``.

    Parameters
    ----------
    g : Convolution
    size : int
        Bytes of an element.
    keep : callable
        Keeps an array and returns its address.
    """
    row = BLOCK * size
    places = g.places[0] * g.places[1]
    starts = np.arange(0, places, CHUNK)
    table = np.zeros((len(starts), g.size[0] * g.size[1], 2), np.int64)
    for r in range(g.size[0]):
        for s in range(g.size[1]):
            (ps, ys), (qs, xs) = ([np.arange(k.start, k.stop, k.step) for k in g.reach(axis, tap)]
                                  for axis, tap in ((0, r), (1, s)))  # fmt: skip
            at = (ps[:, None] * g.places[1] + qs).reshape(-1)
            cells = (ys[:, None] * g.cells[1] + xs).reshape(-1)
            address = keep(np.stack([at * g.filters * row, cells * g.channels * row], 1))
            first = np.searchsorted(at, starts)
            last = np.searchsorted(at, starts + CHUNK)
            table[:, r * g.size[1] + s] = np.stack([address + 16 * first, last - first], 1)
    return keep(table), len(starts)
