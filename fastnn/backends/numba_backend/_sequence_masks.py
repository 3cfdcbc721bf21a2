"""Masks of steps: which steps of a sequence hold something, and the way back through what they let pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import float_from_int_bits, view
from fastnn.backends.numba_backend.dense import block_lanes


def make_sequence_mask(dtype: Any) -> Callable[..., None]:
    """Operands: A, Z, K, bytes between blocks, steps, features, bits of the value (a float64)."""
    size = dtype().itemsize

    def sequence_mask(context, record, item, base, scratch):
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        value, features = dtype(float_from_int_bits(r[6])), r[5]
        for t in range(r[4]):
            mask = view(zero, r[2] + base + t * BLOCK * size, lanes)
            for j in range(lanes):
                mask[j] = zero
            for i in range(t * features, (t + 1) * features):
                a = view(zero, r[0] + base + i * BLOCK * size, lanes)
                for j in range(lanes):
                    mask[j] = one if a[j] != value else mask[j]
            for i in range(t * features, (t + 1) * features):
                shift = base + i * BLOCK * size
                a, z = view(zero, r[0] + shift, lanes), view(zero, r[1] + shift, lanes)
                for j in range(lanes):
                    z[j] = a[j] if mask[j] != zero else zero

    return sequence_mask


def make_mask_gradient(dtype: Any) -> Callable[..., None]:
    """Operands: K, dZ (dA takes its place), bytes between blocks, steps, features."""
    size = dtype().itemsize

    def mask_gradient(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        for i in range(r[3] * r[4]):
            mask = view(zero, r[0] + base + i // r[4] * BLOCK * size, lanes)
            dz = view(zero, r[1] + base + i * BLOCK * size, lanes)
            for j in range(lanes):
                dz[j] = dz[j] if mask[j] != zero else zero

    return mask_gradient
