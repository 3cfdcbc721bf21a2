"""The tables that tell a convolution's kernels where rows lie: made with NumPy when a program is lowered.

All are int64; rows are in bytes from the first row of a block's tensor, ``BLOCK`` samples wide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._jit import VECTOR_BYTES
from fastnn.backends.numba_backend._layout import BLOCK
from fastnn.plan.convolution import Convolution, classes

Array = np.ndarray[Any, Any]
Keep = Callable[[Any], int]

CHUNK = 16
"""Places that go through a panel of weights at a time: what they read is packed, and stays in the first cache."""

MOST_TAPS = 16
"""Taps of a group."""


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


@dataclass(frozen=True)
class MatchTables:
    """What ``convolution.make_convolution_partials`` reads of a geometry.

    Attributes
    ----------
    cells : int
        Address of a table of (address, length): for each chunk of places and group of taps, the cells that these taps
        read there, in bytes from the first cell.
    pairs : int
        Address of a table of (address, length): for each chunk and tap, the places whose cell exists, ascending, as
        pairs of bytes in the packed places of the chunk and in the packed cells of the group.
    chunks : int
    group : int
        Taps of a group: consecutive ones of a kernel row, which share most cells.
    """

    cells: int
    pairs: int
    chunks: int
    group: int


def tap_groups(g: Convolution) -> list[range]:
    """Return the groups of taps: kernel rows, or parts of long ones."""
    rows, columns = g.size
    return [
        range(r * columns + s, r * columns + min(s + MOST_TAPS, columns))
        for r in range(rows)
        for s in range(0, columns, MOST_TAPS)
    ]


def most_cells(g: Convolution) -> int:
    """Return how many cells, at most, a chunk reads through a group of taps."""
    return CHUNK * min(MOST_TAPS, g.size[1])


def match_tables(g: Convolution, size: int, panel: tuple[int, int], keep: Keep) -> MatchTables:
    """Return the tables for a panel of weights.

    Parameters
    ----------
    g : Convolution
    size : int
        Bytes of an element.
    panel : tuple of int
        Vectors from place to place, and from cell to cell, where they are packed.
    keep : callable
        Keeps an array and returns its address.
    """
    places, groups = g.places[0] * g.places[1], tap_groups(g)
    starts = np.arange(0, places, CHUNK)
    reached = [_reached(g, tap, starts) for tap in range(g.size[0] * g.size[1])]
    cells = np.zeros((len(starts), len(groups), 2), np.int64)
    pairs = np.zeros((len(starts), len(reached), 2), np.int64)
    kept: dict[bytes, int] = {}
    for chunk, start in enumerate(starts):
        for number, taps in enumerate(groups):
            read, where = np.unique(np.concatenate([reached[tap][chunk][1] for tap in taps]), return_inverse=True)
            cells[chunk, number] = keep(read * g.channels * BLOCK * size), len(read)
            done = 0
            for tap in taps:
                at = reached[tap][chunk][0]
                pair = np.stack([(at - start) * panel[0], where[done : done + len(at)] * panel[1]], 1) * VECTOR_BYTES
                done += len(at)
                key = pair.tobytes()
                if key not in kept:
                    kept[key] = keep(pair)
                pairs[chunk, tap] = kept[key], len(at)
    return MatchTables(keep(cells), keep(pairs), len(starts), len(groups[0]))


def _reached(g: Convolution, tap: int, starts: Array) -> list[tuple[Array, Array]]:
    """Return, for each chunk, the numbers of the places whose cell through ``tap`` exists, and of these cells."""
    (ps, ys), (qs, xs) = ([np.arange(k.start, k.stop, k.step) for k in g.reach(axis, number)]
                          for axis, number in enumerate(divmod(tap, g.size[1])))  # fmt: skip
    places = (ps[:, None] * g.places[1] + qs).reshape(-1)
    cells = (ys[:, None] * g.cells[1] + xs).reshape(-1)
    ends = np.searchsorted(places, starts)[1:]
    return list(zip(np.split(places, ends), np.split(cells, ends), strict=True))
