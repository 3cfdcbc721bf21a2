"""The tables of the gradient of a convolution's weights: which places meet which cells, chunk by chunk.

A chunk is some rows of places, or a part of one row. For each tap of the kernel the places of a chunk that have a cell
there are listed in ascending order, the order of the sum; taps that are neighbors in a row of the kernel share a list,
which says of each place which of them it has. All are int64, made with NumPy when a program is lowered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._convolution_tables import Keep
from fastnn.backends.numba_backend._layout import BLOCK
from fastnn.backends.numba_backend._processor import VECTOR_BYTES
from fastnn.plan.convolution import Convolution

Array = np.ndarray[Any, Any]

CHUNK = 112
"""Most places of a chunk: four units' of them stay in the first cache while all taps and channels go by."""

MOST_TAPS = 5
"""Taps of a group: with four units, 20 sums are held in registers."""

MOST_CELLS = (96 << 10) // VECTOR_BYTES
"""Cells of a channel that are packed for a chunk."""

ALL_TAPS = -1
"""What a list says of a place that has all taps of its group."""

PLACE_AND_CELL_AND_TAPS = 3


def nearly_equal(rest: int, most: int) -> int:
    """Return the first of the nearly equal parts, each at most ``most``, into which ``rest`` is best divided."""
    return -(-rest // -(-rest // most))


@dataclass(frozen=True)
class _Axis:
    """Where places' cells lie along an axis: number k is cell ``k * step - before``.

    Through tap r, place p reads number ``p * by_place + r * by_tap``.
    """

    places: int
    cells: int
    size: int
    step: int
    before: int
    by_place: int
    by_tap: int

    @classmethod
    def of(cls, g: Convolution, axis: int) -> _Axis:
        stride, dilation = g.strides[axis], g.dilation[axis]
        # cells that no tap reads are left out, where those that are read lie at regular distances
        step = stride if g.size[axis] == 1 else gcd(stride, dilation)
        return cls(g.places[axis], g.cells[axis], g.size[axis], step, g.before[axis], stride // step, dilation // step)

    def exists(self, number: Any) -> Any:
        """Whether a number is that of a cell."""
        cell = number * self.step - self.before
        return (cell >= 0) & (cell < self.cells)

    def span(self, places: int) -> int:
        """Return how many cells, at most, neighboring places read."""
        whole = (places - 1) * self.by_place + (self.size - 1) * self.by_tap + 1
        return min(whole, -(-self.cells // self.step))

    def numbers(self, first: int, last: int) -> Array:
        """Return the numbers of the cells from the first that places first..last-1 read to the last."""
        found = np.arange(first * self.by_place, (last - 1) * self.by_place + (self.size - 1) * self.by_tap + 1)
        return found[self.exists(found)]


def _chunk_shape(g: Convolution, rows: _Axis, columns: _Axis) -> tuple[int, int, bool]:
    """Return the rows and columns of places in a chunk, and whether the cells that they read can be packed."""
    m = nearly_equal(g.places[0], max(1, CHUNK // g.places[1]))
    n = nearly_equal(g.places[1], CHUNK)
    small_m, small_n = m, n
    while rows.span(small_m) * columns.span(small_n) > MOST_CELLS:
        if small_m > 1:
            small_m = (small_m + 1) // 2
        elif small_n > 1:
            small_n = (small_n + 1) // 2
        else:
            return m, n, False
    return small_m, small_n, True


@dataclass(frozen=True)
class Matches:
    """What ``make_convolution_partials`` reads of a geometry.

    Attributes
    ----------
    chunks : list of (int, int, ndarray)
        Of each chunk the number of its first place, that of its places, and the cells that it reads, in bytes from the
        first cell; none where cells are not packed.
    lists : list of ndarray
        For each chunk and group of taps, of each place that has a tap: bytes in a packed unit of the chunk, bytes from
        the chunk's first packed cell (from the first cell, where they are not packed) to that of the group's first
        tap, and ``ALL_TAPS`` or a bit for each tap.
    group : int
        Taps of a group: consecutive ones of a row of the kernel.
    unit, channel, tap : int
        Bytes from a packed unit to the next, from a channel's cells to the next's, from tap to tap of a group.
    packed : bool
        Whether cells are packed.
    """

    chunks: list[tuple[int, int, Array]]
    lists: list[Array]
    group: int
    unit: int
    channel: int
    tap: int
    packed: bool

    def keep(self, keep: Keep) -> tuple[int, int]:
        """Return the addresses of the table of chunks and of that of lists; see ``make_convolution_partials``."""
        chunks = [[first, count, keep(cells), len(cells)] for first, count, cells in self.chunks]
        return keep(chunks), keep([[keep(found), len(found)] for found in self.lists])


def tap_group(g: Convolution) -> int:
    """Return the taps of a group; the last one of a row of the kernel may have fewer."""
    return nearly_equal(g.size[1], MOST_TAPS)


@lru_cache(maxsize=64)
def matches(g: Convolution, size: int) -> Matches:
    """Return the tables for elements of ``size`` bytes; the same for the same geometry."""
    rows, columns = _Axis.of(g, 0), _Axis.of(g, 1)
    m, n, packed = _chunk_shape(g, rows, columns)
    group, row = tap_group(g), g.channels * BLOCK * size
    chunks: list[tuple[int, int, Array]] = []
    lists: list[Array] = []
    kept: dict[bytes, Array] = {}
    for p0 in range(0, g.places[0], m):
        for q0 in range(0, g.places[1], n):
            ps, qs = np.arange(p0, min(p0 + m, g.places[0])), np.arange(q0, min(q0 + n, g.places[1]))
            ys, xs = rows.numbers(p0, ps[-1] + 1), columns.numbers(q0, qs[-1] + 1)
            cells = ((ys * rows.step - rows.before) * g.cells[1])[:, None] + xs * columns.step - columns.before
            chunks.append((p0 * g.places[1] + q0, ps.size * qs.size, cells.reshape(-1) * row if packed else ps[:0]))
            for y_at, x_at, taps in _reached(rows, columns, ps, qs, group):
                if packed:
                    first = ys[0] if ys.size else 0, xs[0] if xs.size else 0
                    at = ((y_at - first[0]) * xs.size)[:, None] + (x_at - first[1])
                    at = at * VECTOR_BYTES
                else:
                    y, x = y_at * rows.step - rows.before, x_at * columns.step - columns.before
                    at = ((y * g.cells[1])[:, None] + x) * row
                place = np.arange(ps.size * qs.size).reshape(at.shape) * VECTOR_BYTES
                some = np.broadcast_to(taps != 0, at.shape) & rows.exists(y_at)[:, None]
                found = np.stack([place[some], at[some], np.broadcast_to(taps, at.shape)[some]], 1).astype(np.int64)
                lists.append(kept.setdefault(found.tobytes(), found))
    # an odd number of cache lines: rows of a power of two of them would meet in a few of the cache's sets
    unit = (max(count for _, count, _ in chunks) | 1) * VECTOR_BYTES
    channel = (max(len(cells) for *_, cells in chunks) | 1) * VECTOR_BYTES if packed else BLOCK * size
    return Matches(chunks, lists, group, unit, channel, columns.by_tap * VECTOR_BYTES if packed else
                   g.dilation[1] * row, packed)  # fmt: skip


def _reached(rows: _Axis, columns: _Axis, ps: Array, qs: Array, group: int) -> Iterator[tuple[Array, Array, Array]]:
    """Yield, for each group of taps, the rows' and columns' numbers of its first tap, and each column's taps."""
    for r in range(rows.size):
        for s in range(0, columns.size, group):
            first = qs * columns.by_place + s * columns.by_tap
            numbers = first[:, None] + np.arange(min(group, columns.size - s)) * columns.by_tap
            exist = columns.exists(numbers)
            taps = np.where(exist.all(axis=1), ALL_TAPS, (exist << np.arange(exist.shape[1])).sum(axis=1))
            yield ps * rows.by_place + r * rows.by_tap, first, taps
