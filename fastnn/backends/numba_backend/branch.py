"""Where branches of a network meet, gradients that come from several readers are added; and what a step hands on.

The counterpart of ``numpy_backend/branch.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, PER_BLOCK
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._recording import Recipe, rows_of
from fastnn.backends.numba_backend.activation import long_rows
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.rearrange import copy_rows
from fastnn.backends.numba_backend.single_source import share
from fastnn.plan.plan import Carried, Op


def _sum(a: Any, b: Any) -> Any:
    return a + b


def _product(a: Any, b: Any) -> Any:
    return a * b


def make_combined(dtype: Any, function: Callable[..., Any]) -> Callable[..., None]:
    """Operands: A, B, Z (another than A and B), bytes between blocks, rows. ``function`` is a formula of two values."""
    size = dtype().itemsize
    formula = share(function)

    def combined(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        rows, lanes = long_rows(r[4], lanes)
        for i in range(rows):
            shift = base + i * BLOCK * size
            a, b, z = (view(zero, r[0] + shift, lanes), view(zero, r[1] + shift, lanes),
                       view(zero, r[2] + shift, lanes))  # fmt: skip
            for j in range(lanes):
                z[j] = formula(a[j], b[j])

    return combined


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
        copy_rows(zero, size, r[0] + base, r[1] + base, r[3], lanes)

    return copy


def make_carry_in(dtype: Any) -> Callable[..., None]:
    """Operands: A, bytes between blocks, rows, address of the carried rows, elements between them."""
    size = dtype().itemsize

    def carry_in(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        for i in range(r[2]):
            row = view(zero, r[0] + base + i * BLOCK * size, lanes)
            source = view(zero, r[3] + (i * r[4] + item * c[PER_BLOCK]) * size, n)
            for j in range(n):
                row[j] = source[j]
            for j in range(n, lanes):
                row[j] = zero

    return carry_in


def make_carry_out(dtype: Any) -> Callable[..., None]:
    """Operands: A, bytes between blocks, rows, address of the carried rows, elements between them."""
    size = dtype().itemsize

    def carry_out(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        for i in range(r[2]):
            row = view(zero, r[0] + base + i * BLOCK * size, n)
            target = view(zero, r[3] + (i * r[4] + item * c[PER_BLOCK]) * size, n)
            for j in range(n):
                target[j] = row[j]

    return carry_out


def _carry(make: Any, writes: bool) -> Any:
    def recipe(o: Op, low: Any) -> Recipe:
        place = o.operands["S"]
        assert isinstance(place, Carried)
        # the program ``gradients`` leaves what is carried as it was
        rows = 0 if writes and low.name == "gradients" else place.rows
        return Recipe(make, (), ("A",), (rows, *low.carried(place)))

    return recipe


LOWER = {
    "carry_in": _carry(make_carry_in, False),
    "carry_out": _carry(make_carry_out, True),
    "add": lambda o, low: Recipe(make_combined, (_sum,), ("A", "B", "Z"), (rows_of(o, "Z"),)),
    "multiply": lambda o, low: Recipe(make_combined, (_product,), ("A", "B", "Z"), (rows_of(o, "Z"),)),
    "add_in_place": lambda o, low: Recipe(make_add_in_place, (), ("A", "B"), (rows_of(o, "A"),)),
    "copy": lambda o, low: Recipe(make_copy, (), ("A", "B"), (rows_of(o, "A"),)),
}
