"""Rows copied to other places over a block, run by run; and the way back.

The counterpart of ``numpy_backend/rearrange.py``. Tables become runs of neighboring rows when the program is lowered:
padding an image copies it row of pixels by row of pixels, whatever its channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._recording import Recipe, rows_of
from fastnn.backends.numba_backend._window_tiles import sum_from_first
from fastnn.backends.numba_backend.activation import long_rows
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.plan.plan import Op

ZEROS = -1
"""Stands for a run's source where the run is zeros."""


@inner
def copy_rows(zero, size, source, target, rows, lanes):
    """Copy neighboring rows of a block, of which ``lanes`` are in use."""
    rows, lanes = long_rows(rows, lanes)
    for i in range(rows):
        a, z = view(zero, source + i * BLOCK * size, lanes), view(zero, target + i * BLOCK * size, lanes)
        for j in range(lanes):
            z[j] = a[j]


@inner
def clear_rows(zero, size, target, rows, lanes):
    """Write zeros to neighboring rows of a block, of which ``lanes`` are in use."""
    rows, lanes = long_rows(rows, lanes)
    for i in range(rows):
        z = view(zero, target + i * BLOCK * size, lanes)
        for j in range(lanes):
            z[j] = zero


def make_gather_rows(dtype: Any) -> Callable[..., None]:
    """Operands: A, Z, bytes between blocks, runs, table of (source in bytes or ``ZEROS``, rows); targets follow on."""
    size = dtype().itemsize

    def gather_rows(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        a, z, runs = r[0] + base, r[1] + base, view(0, r[4], 2 * r[3])
        for k in range(r[3]):
            source, rows = runs[2 * k], runs[2 * k + 1]
            if source == ZEROS:
                clear_rows(zero, size, z, rows, lanes)
            else:
                copy_rows(zero, size, a + source, z, rows, lanes)
            z += rows * BLOCK * size

    return gather_rows


def make_sum_rows(dtype: Any) -> Callable[..., None]:
    """Operands: dZ, dA, bytes between blocks, runs, table of (rows, readers), readers in bytes, run after run."""
    size = dtype().itemsize

    def sum_rows(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 6)
        n, lanes = block_lanes(c, item, size)
        dz, da, runs, readers = r[0] + base, r[1] + base, view(0, r[4], 2 * r[3]), r[5]
        for k in range(r[3]):
            rows, count = runs[2 * k], runs[2 * k + 1]
            if count == 0:
                clear_rows(zero, size, da, rows, lanes)
            else:
                sum_from_first(zero, size, rows, lanes, readers, count, dz, da, 0, 0, zero)
            readers += 8 * count
            da += rows * BLOCK * size

    return sum_rows


def make_concatenate(dtype: Any, parts: int) -> Callable[..., None]:
    """Operands: the parts, Z, bytes between blocks, runs of a part, and of each part the rows of a run."""
    size = dtype().itemsize

    def concatenate(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 2 * parts + 3)
        n, lanes = block_lanes(c, item, size)
        shift = base
        z = r[parts] + shift
        for k in range(r[parts + 2]):
            for part in range(parts):
                rows = r[parts + 3 + part]
                copy_rows(zero, size, r[part] + shift + k * rows * BLOCK * size, z, rows, lanes)
                z += rows * BLOCK * size

    return concatenate


def runs_of(table: Any) -> Any:
    """Return (source, rows) of each run of a table: of neighboring rows, or of -1."""
    follows = (np.diff(table) == np.where(table[1:] < 0, 0, 1)) & ((table[1:] < 0) == (table[:-1] < 0))
    starts = np.flatnonzero(np.concatenate([[True], ~follows]))
    return np.stack([table[starts], np.diff(np.append(starts, len(table)))], 1)


def readers_of(table: Any, rows: int) -> tuple[Any, Any]:
    """Return (rows, readers) of each run of rows that are read alike, and the readers of each run's first row."""
    order = np.argsort(table, kind="stable")[np.count_nonzero(table < 0) :]
    counts = np.bincount(table[order], minlength=rows)
    ends = np.add.accumulate(counts)
    within = np.arange(len(order)) - np.repeat(ends - counts, counts)
    readers = np.full((rows, max(1, counts.max())), -1)
    readers[table[order], within] = order
    follows = (readers[1:] == np.where(readers[:-1] < 0, -1, readers[:-1] + 1)).all(1)
    starts = np.flatnonzero(np.concatenate([[True], ~follows]))
    firsts = readers[starts]
    return np.stack([np.diff(np.append(starts, rows)), counts[starts]], 1), firsts[firsts >= 0]


def _gather_rows(o: Op, low: Any) -> Recipe:
    runs = runs_of(o.static["table"])
    runs[:, 0] = np.where(runs[:, 0] < 0, ZEROS, runs[:, 0] * BLOCK * low.size)
    return Recipe(make_gather_rows, (), ("A", "Z"), (len(runs), low.table(runs)))


def _sum_rows(o: Op, low: Any) -> Recipe:
    runs, readers = readers_of(o.static["table"], rows_of(o, "dA"))
    constants = (len(runs), low.table(runs), low.table(readers * BLOCK * low.size))
    return Recipe(make_sum_rows, (), ("dZ", "dA"), constants)


def _concatenate(o: Op, low: Any) -> Recipe:
    count, outer = o.static["parts"], o.static["outer"]
    parts = [f"A{k}" for k in range(count)]
    constants = (outer, *(rows_of(o, part) // outer for part in parts))
    return Recipe(make_concatenate, (count,), (*parts, "Z"), constants)


LOWER = {"gather_rows": _gather_rows, "sum_rows": _sum_rows, "concatenate": _concatenate}
