"""Where branches of a network meet: gradients that come from several readers are added.

The counterpart of ``numpy_backend/branch.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._recording import Recipe, rows_of
from fastnn.backends.numba_backend.activation import long_rows
from fastnn.backends.numba_backend.dense import block_lanes


def make_add(dtype: Any) -> Callable[..., None]:
    """Operands: A, B, Z (another than A and B), bytes between blocks, rows."""
    size = dtype().itemsize

    def add(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        rows, lanes = long_rows(r[4], lanes)
        for i in range(rows):
            shift = base + i * BLOCK * size
            a, b, z = (view(zero, r[0] + shift, lanes), view(zero, r[1] + shift, lanes),
                       view(zero, r[2] + shift, lanes))  # fmt: skip
            for j in range(lanes):
                z[j] = a[j] + b[j]

    return add


def make_multiply(dtype: Any) -> Callable[..., None]:
    """Operands: A, B, Z (another than A and B), bytes between blocks, rows."""
    size = dtype().itemsize

    def multiply(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        rows, lanes = long_rows(r[4], lanes)
        for i in range(rows):
            shift = base + i * BLOCK * size
            a, b, z = (view(zero, r[0] + shift, lanes), view(zero, r[1] + shift, lanes),
                       view(zero, r[2] + shift, lanes))  # fmt: skip
            for j in range(lanes):
                z[j] = a[j] * b[j]

    return multiply


def make_add_in_place(dtype: Any) -> Callable[..., None]:
    """Operands: A, B, bytes between blocks, rows."""
    size = dtype().itemsize

    def add_in_place(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 4)
        n, lanes = block_lanes(c, item, size)
        rows, lanes = long_rows(r[3], lanes)
        for i in range(rows):
            shift = base + i * BLOCK * size
            a, b = view(zero, r[0] + shift, lanes), view(zero, r[1] + shift, lanes)
            for j in range(lanes):
                a[j] = a[j] + b[j]

    return add_in_place


def make_copy(dtype: Any) -> Callable[..., None]:
    """Operands: A, B, bytes between blocks, rows. Copies A to B."""
    size = dtype().itemsize

    def copy(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 4)
        n, lanes = block_lanes(c, item, size)
        rows, lanes = long_rows(r[3], lanes)
        for i in range(rows):
            shift = base + i * BLOCK * size
            a, b = view(zero, r[0] + shift, lanes), view(zero, r[1] + shift, lanes)
            for j in range(lanes):
                b[j] = a[j]

    return copy


LOWER = {
    "add": lambda o, low: Recipe(make_add, (), ("A", "B", "Z"), (rows_of(o, "Z"),)),
    "multiply": lambda o, low: Recipe(make_multiply, (), ("A", "B", "Z"), (rows_of(o, "Z"),)),
    "add_in_place": lambda o, low: Recipe(make_add_in_place, (), ("A", "B"), (rows_of(o, "A"),)),
    "copy": lambda o, low: Recipe(make_copy, (), ("A", "B"), (rows_of(o, "A"),)),
}
