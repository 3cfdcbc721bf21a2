"""Penalties on activities: a term in each sample's loss, and its gradient.

The counterpart of ``numpy_backend/penalty.py``. Penalties on weights are part of the update (``update.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import float_from_int_bits, view
from fastnn.backends.numba_backend._recording import Recipe, bits_of, rows_of
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.single_source import share
from fastnn.plan.plan import Op
from fastnn.regularizers import gradient, penalty

share(gradient)
share(penalty)


def make_activity_penalty_value(dtype: Any) -> Callable[..., None]:
    """Operands: A, weight, terms, bytes between blocks, rows, bits of l1, of l2."""
    size = dtype().itemsize

    def activity_penalty_value(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        l1, l2 = dtype(float_from_int_bits(r[5])), dtype(float_from_int_bits(r[6]))
        n, lanes = block_lanes(c, item, size)
        shift = base
        weight, terms = view(zero, r[1] + shift, lanes), view(zero, r[2] + shift, lanes)
        total = view(zero, scratch, lanes)
        for j in range(lanes):
            total[j] = zero
        for i in range(r[4]):
            a = view(zero, r[0] + shift + i * BLOCK * size, lanes)
            for j in range(lanes):
                total[j] += penalty(a[j], l1, l2)
        for j in range(lanes):
            terms[j] = terms[j] + total[j] * weight[j]

    return activity_penalty_value


def make_activity_penalty_gradient(dtype: Any) -> Callable[..., None]:
    """Operands: A, weight, dA, bytes between blocks, rows, bits of l1, of l2."""
    size = dtype().itemsize

    def activity_penalty_gradient(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        l1, l2 = dtype(float_from_int_bits(r[5])), dtype(float_from_int_bits(r[6]))
        n, lanes = block_lanes(c, item, size)
        shift = base
        weight = view(zero, r[1] + shift, lanes)
        for i in range(r[4]):
            at = shift + i * BLOCK * size
            a, da = view(zero, r[0] + at, lanes), view(zero, r[2] + at, lanes)
            for j in range(lanes):
                da[j] = da[j] + gradient(a[j], l1, l2) * weight[j]

    return activity_penalty_gradient


def _constants(o: Op) -> tuple[int, int, int]:
    return rows_of(o, "A"), bits_of(o.static["l1"]), bits_of(o.static["l2"])


LOWER = {
    "activity_penalty_value": lambda o, low: Recipe(
        make_activity_penalty_value, (), ("A", "weight", "terms"), _constants(o)
    ),
    "activity_penalty_gradient": lambda o, low: Recipe(
        make_activity_penalty_gradient, (), ("A", "weight", "dA"), _constants(o)
    ),
}
