"""A rectifier with trained slopes below 0, over a block: a feature's slope is broadcast to the lanes.

The counterpart of ``numpy_backend/prelu.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._recording import Recipe, rows_of
from fastnn.backends.numba_backend.activation import moved
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.formulas.primitives import where


def make_prelu_forward(dtype: Any) -> Callable[..., None]:
    """Operands: A, alpha, Z (another than A), bytes between blocks, rows, table of each row's element of alpha."""
    size = dtype().itemsize

    def prelu_forward(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 6)
        n, lanes = block_lanes(c, item, size)
        index = view(0, r[5], r[4])
        for i in range(r[4]):
            shift = base + i * BLOCK * size
            a, z = view(zero, r[0] + shift, lanes), view(zero, r[2] + shift, lanes)
            slope = view(zero, r[1] + index[i] * size, 1)[0]
            for j in range(lanes):
                z[j] = where(a[j] > zero, a[j], slope * a[j])

    return prelu_forward


def make_prelu_backward_input(dtype: Any) -> Callable[..., None]:
    """Operands: A, alpha, dZ, dA (may be dZ), bytes between blocks, rows, table of each row's element of alpha."""
    size = dtype().itemsize

    def prelu_backward_input(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        index = view(0, r[6], r[5])
        for i in range(r[5]):
            shift = base + i * BLOCK * size
            a, da = view(zero, r[0] + shift, lanes), moved(zero, r[2] + shift, r[3] + shift, lanes)
            slope = view(zero, r[1] + index[i] * size, 1)[0]
            for j in range(lanes):
                da[j] = where(a[j] > zero, da[j], slope * da[j])

    return prelu_backward_input


def make_prelu_products(dtype: Any) -> Callable[..., None]:
    """Operands: A, dZ, S, bytes between blocks, rows, elements of alpha, table of each row's element."""
    size = dtype().itemsize

    def prelu_products(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        index = view(0, r[6], r[4])
        for i in range(r[5]):
            s = view(zero, r[2] + base + i * BLOCK * size, lanes)
            for j in range(lanes):
                s[j] = zero
        for i in range(r[4]):
            shift = base + i * BLOCK * size
            a, dz = view(zero, r[0] + shift, lanes), view(zero, r[1] + shift, lanes)
            s = view(zero, r[2] + base + index[i] * BLOCK * size, lanes)
            for j in range(lanes):
                s[j] += where(a[j] > zero, zero, dz[j] * a[j])

    return prelu_products


LOWER = {
    "prelu_forward": lambda o, low: Recipe(
        make_prelu_forward, (), ("A", "alpha", "Z"), (rows_of(o, "A"), low.table(o.static["index"]))
    ),
    "prelu_backward_input": lambda o, low: Recipe(
        make_prelu_backward_input,
        (),
        ("A", "alpha", "dZ", "dA"),
        (rows_of(o, "A"), low.table(o.static["index"])),
    ),
    "prelu_products": lambda o, low: Recipe(
        make_prelu_products,
        (),
        ("A", "dZ", "S"),
        (rows_of(o, "A"), rows_of(o, "S"), low.table(o.static["index"])),
        work=2.0 * rows_of(o, "A"),
    ),
}
