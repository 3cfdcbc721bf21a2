"""Masks of sequences over a block: two made one, what they make of sample weights, means over the steps that count.

The counterpart of ``numpy_backend/masks.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._recording import Recipe, rows_of
from fastnn.backends.numba_backend.dense import block_lanes


def make_mask_either(dtype: Any) -> Callable[..., None]:
    """Operands: A, B, K, bytes between blocks, steps."""
    size = dtype().itemsize

    def mask_either(context, record, item, base, scratch):
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        for t in range(r[4]):
            at = base + t * BLOCK * size
            a, b, k = view(zero, r[0] + at, lanes), view(zero, r[1] + at, lanes), view(zero, r[2] + at, lanes)
            for j in range(lanes):
                k[j] = zero if a[j] == zero and b[j] == zero else one

    return mask_either


def make_mask_weight(dtype: Any) -> Callable[..., None]:
    """Operands: weight, mean (one number), Z, bytes between blocks."""
    size = dtype().itemsize

    def mask_weight(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 4)
        n, lanes = block_lanes(c, item, size)
        mean = view(zero, r[1], 1)[0]
        weight, z = view(zero, r[0] + base, lanes), view(zero, r[2] + base, lanes)
        for j in range(lanes):
            z[j] = zero if mean == zero else weight[j] / mean

    return mask_weight


def make_masked_mean_forward(dtype: Any) -> Callable[..., None]:
    """Operands: K, A, Z, bytes between blocks, steps, channels."""
    size = dtype().itemsize

    def masked_mean_forward(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 6)
        n, lanes = block_lanes(c, item, size)
        steps, channels = r[4], r[5]
        count = view(zero, scratch, lanes)
        for j in range(lanes):
            count[j] = zero
        for i in range(channels):
            z = view(zero, r[2] + base + i * BLOCK * size, lanes)
            for j in range(lanes):
                z[j] = zero
        for t in range(steps):
            mask = view(zero, r[0] + base + t * BLOCK * size, lanes)
            for j in range(lanes):
                count[j] += mask[j]
            for i in range(channels):
                a = view(zero, r[1] + base + (t * channels + i) * BLOCK * size, lanes)
                z = view(zero, r[2] + base + i * BLOCK * size, lanes)
                # +0 changes no sum that started from +0
                for j in range(lanes):
                    z[j] += zero if mask[j] == zero else a[j]
        for i in range(channels):
            z = view(zero, r[2] + base + i * BLOCK * size, lanes)
            for j in range(lanes):
                z[j] = zero if count[j] == zero else z[j] / count[j]

    return masked_mean_forward


def make_masked_mean_backward(dtype: Any) -> Callable[..., None]:
    """Operands: K, dZ, dA, bytes between blocks, steps, channels."""
    size = dtype().itemsize

    def masked_mean_backward(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 6)
        n, lanes = block_lanes(c, item, size)
        steps, channels = r[4], r[5]
        count = view(zero, scratch, lanes)
        for j in range(lanes):
            count[j] = zero
        for t in range(steps):
            mask = view(zero, r[0] + base + t * BLOCK * size, lanes)
            for j in range(lanes):
                count[j] += mask[j]
        for t in range(steps):
            mask = view(zero, r[0] + base + t * BLOCK * size, lanes)
            for i in range(channels):
                dz = view(zero, r[1] + base + i * BLOCK * size, lanes)
                da = view(zero, r[2] + base + (t * channels + i) * BLOCK * size, lanes)
                for j in range(lanes):
                    da[j] = zero if mask[j] == zero else dz[j] / count[j]

    return masked_mean_backward


LOWER = {
    "mask_either": lambda o, low: Recipe(make_mask_either, (), ("A", "B", "K"), (rows_of(o, "K"),)),
    "mask_weight": lambda o, low: Recipe(make_mask_weight, (), ("weight", "mean", "Z"), ()),
    "masked_mean_forward": lambda o, low: Recipe(
        make_masked_mean_forward, (), ("K", "A", "Z"), (rows_of(o, "K"), rows_of(o, "Z"))
    ),
    "masked_mean_backward": lambda o, low: Recipe(
        make_masked_mean_backward, (), ("K", "dZ", "dA"), (rows_of(o, "K"), rows_of(o, "dZ"))
    ),
}
