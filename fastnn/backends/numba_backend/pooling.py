"""Pooling over a block: a window's cells go through registers once, forward and backward.

The counterpart of ``numpy_backend/pooling.py``. Here windows run outside, in ascending order, and a window's cells
inside; which cells those are stands in a table made when the program is lowered. The C channels of a cell are
neighboring rows, one long run where the block is full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._recording import Recipe, rows_of
from fastnn.backends.numba_backend._window_tiles import (
    add_over,
    add_times,
    add_to_greatest,
    greatest,
    hand_rectified,
    hand_to_greatest,
    mean_over,
    mean_times,
    share_over,
    share_times,
)
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.rearrange import clear_rows
from fastnn.plan.plan import Op
from fastnn.plan.windows import Windows


@inner
def _clear(zero, size, target, cells, count, channels, lanes):
    """Write zeros to the cells in a table."""
    table = view(0, cells, count)
    for i in range(count):
        clear_rows(zero, size, target + table[i], channels, lanes)


@inner
def _is_power_of_two(count):
    return count & (count - 1) == 0


def make_max_pooling_forward(dtype: Any) -> Callable[..., None]:
    """Operands: A, Z, bytes between blocks, windows, channels, tables of starts and of cells (see ``tables``)."""
    size = dtype().itemsize

    def max_pooling_forward(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        windows, channels = r[3], r[4]
        a, z, starts = r[0] + base, r[1] + base, view(0, r[5], windows + 1)
        for w in range(windows):
            taps, count = r[6] + 8 * starts[w], starts[w + 1] - starts[w]
            greatest(zero, size, channels, lanes, taps, count, a, z, 0, 0, zero)
            z += channels * BLOCK * size

    return max_pooling_forward


def make_max_pooling_backward(dtype: Any, overlap: bool, rectified: bool) -> Callable[..., None]:
    """Operands: A, Z, dZ, dA (without overlap, may be A), bytes between blocks, windows, channels, tables of starts and
    cells, and of the cells that start as zeros with their number. With ``rectified``, which needs windows without
    overlap, A is a rectifier's output, and dA the gradient by the rectifier's input.
    """
    size = dtype().itemsize
    hand_out = hand_rectified if rectified else add_to_greatest if overlap else hand_to_greatest

    def max_pooling_backward(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 11)
        n, lanes = block_lanes(c, item, size)
        shift, windows, channels = base, r[5], r[6]
        a, z, dz, da = r[0] + shift, r[1] + shift, r[2] + shift, r[3] + shift
        starts = view(0, r[7], windows + 1)
        _clear(zero, size, da, r[9], r[10], channels, lanes)
        for w in range(windows):
            taps, count = r[8] + 8 * starts[w], starts[w + 1] - starts[w]
            hand_out(zero, size, channels, lanes, taps, count, a, da, z, dz, zero)
            z += channels * BLOCK * size
            dz += channels * BLOCK * size

    return max_pooling_backward


def make_average_pooling_forward(dtype: Any) -> Callable[..., None]:
    """Operands: A, Z, bytes between blocks, windows, channels, tables of starts and cells."""
    size = dtype().itemsize

    def average_pooling_forward(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        windows, channels = r[3], r[4]
        a, z, starts = r[0] + base, r[1] + base, view(0, r[5], windows + 1)
        for w in range(windows):
            taps, count = r[6] + 8 * starts[w], starts[w + 1] - starts[w]
            if _is_power_of_two(count):  # the same bits as dividing, in less time
                mean_times(zero, size, channels, lanes, taps, count, a, z, 0, 0, dtype(1) / dtype(count))
            else:
                mean_over(zero, size, channels, lanes, taps, count, a, z, 0, 0, dtype(count))
            z += channels * BLOCK * size

    return average_pooling_forward


def make_average_pooling_backward(dtype: Any, overlap: bool) -> Callable[..., None]:
    """Operands: dZ, dA, bytes between blocks, windows, channels, tables of starts and cells, and of the cells that
    start as zeros with their number.
    """
    size = dtype().itemsize
    times, over = (add_times, add_over) if overlap else (share_times, share_over)

    def average_pooling_backward(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 9)
        n, lanes = block_lanes(c, item, size)
        windows, channels = r[3], r[4]
        dz, da, starts = r[0] + base, r[1] + base, view(0, r[5], windows + 1)
        _clear(zero, size, da, r[7], r[8], channels, lanes)
        for w in range(windows):
            taps, count = r[6] + 8 * starts[w], starts[w + 1] - starts[w]
            if _is_power_of_two(count):
                times(zero, size, channels, lanes, taps, count, da, dz, 0, 0, dtype(1) / dtype(count))
            else:
                over(zero, size, channels, lanes, taps, count, da, dz, 0, 0, dtype(count))
            dz += channels * BLOCK * size

    return average_pooling_backward


def tables(windows: Windows, cell_bytes: int) -> tuple[Any, Any, Any]:
    """Return where each window's cells start in a table, that table, and the cells that gradients start as zeros in.

    Cells are named by their bytes past the first. Where windows overlap, every cell's gradient is a sum that starts at
    zero; else, only the cells that no window sees.
    """
    starts, cells = windows.cells_by_window()
    bare = np.arange(windows.cells[0] * windows.cells[1])
    if not windows.overlap:
        bare = np.setdiff1d(bare, cells)
    return starts, cells * cell_bytes, bare * cell_bytes


def _recipe(make: Any, names: tuple[str, ...], forward: bool) -> Any:
    def recipe(o: Op, low: Any) -> Recipe:
        windows = o.static["windows"]
        count, cells = windows.places[0] * windows.places[1], windows.cells[0] * windows.cells[1]
        channels = rows_of(o, "A" if forward else "dA") // cells
        starts, table, bare = tables(windows, channels * BLOCK * low.size)
        constants = (count, channels, low.table(starts), low.table(table))
        if forward:
            return Recipe(make, (), names, constants)
        more = (o.static.get("rectified", False),) if "A" in names else ()
        return Recipe(make, (windows.overlap, *more), names, (*constants, low.table(bare), len(bare)))

    return recipe


LOWER = {
    "max_pooling_forward": _recipe(make_max_pooling_forward, ("A", "Z"), True),
    "max_pooling_backward": _recipe(make_max_pooling_backward, ("A", "Z", "dZ", "dA"), False),
    "average_pooling_forward": _recipe(make_average_pooling_forward, ("A", "Z"), True),
    "average_pooling_backward": _recipe(make_average_pooling_backward, ("dZ", "dA"), False),
}
