"""Layer normalization over a block: lanes are samples, so that sums over channels are sums of rows.

The counterpart of ``numpy_backend/layer_normalization.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import float_from_int_bits, view
from fastnn.backends.numba_backend._recording import Recipe, bits_of, rows_of
from fastnn.backends.numba_backend.activation import moved
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.normalization import value_at
from fastnn.formulas.primitives import like, sqrt
from fastnn.plan.plan import Op


@inner
def clear(zero, row, lanes):
    """Write +0 to a row."""
    for j in range(lanes):
        row[j] = zero


def make_layer_normalization_forward(dtype: Any) -> Callable[..., None]:
    """Operands: A, gamma or 0, beta or 0, Z (not A), mean, scale, bytes between blocks, channels, positions.

    Then bits of epsilon.
    """
    size = dtype().itemsize

    def layer_normalization_forward(context, record, item, base, scratch):
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 10)
        n, lanes = block_lanes(c, item, size)
        channels, epsilon = r[7], dtype(float_from_int_bits(r[9]))
        count = like(zero, channels)
        for p in range(r[8]):
            shift = base + p * BLOCK * size
            mean, scale = view(zero, r[4] + shift, lanes), view(zero, r[5] + shift, lanes)
            at = base + p * channels * BLOCK * size
            clear(zero, mean, lanes)
            for i in range(channels):
                a = view(zero, r[0] + at + i * BLOCK * size, lanes)
                for j in range(lanes):
                    mean[j] += a[j]
            for j in range(lanes):
                mean[j] = mean[j] / count
            clear(zero, scale, lanes)
            for i in range(channels):
                a = view(zero, r[0] + at + i * BLOCK * size, lanes)
                for j in range(lanes):
                    d = a[j] - mean[j]
                    scale[j] += d * d
            for j in range(lanes):
                scale[j] = one / sqrt(scale[j] / count + epsilon)
            for i in range(channels):
                a, z = view(zero, r[0] + at + i * BLOCK * size, lanes), view(zero, r[3] + at + i * BLOCK * size, lanes)
                g, b = value_at(zero, size, r[1], i, one), value_at(zero, size, r[2], i, zero)
                for j in range(lanes):
                    z[j] = (a[j] - mean[j]) * scale[j] * g + b

    return layer_normalization_forward


def make_layer_normalization_products(dtype: Any) -> Callable[..., None]:
    """Operands: dZ, A, mean, scale, S, bytes between blocks, channels, positions."""
    size = dtype().itemsize

    def layer_normalization_products(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 8)
        n, lanes = block_lanes(c, item, size)
        for i in range(r[6]):
            clear(zero, view(zero, r[4] + base + i * BLOCK * size, lanes), lanes)
        for p in range(r[7]):
            shift = base + p * BLOCK * size
            mean, scale = view(zero, r[2] + shift, lanes), view(zero, r[3] + shift, lanes)
            for i in range(r[6]):
                at = base + (p * r[6] + i) * BLOCK * size
                dz, a = view(zero, r[0] + at, lanes), view(zero, r[1] + at, lanes)
                g = view(zero, r[4] + base + i * BLOCK * size, lanes)
                for j in range(lanes):
                    g[j] += dz[j] * ((a[j] - mean[j]) * scale[j])

    return layer_normalization_products


def make_layer_normalization_backward_input(dtype: Any) -> Callable[..., None]:
    """Operands: dZ, A, mean, scale, gamma or 0, dA (may be dZ), bytes between blocks, channels, positions."""
    size = dtype().itemsize

    def layer_normalization_backward_input(context, record, item, base, scratch):
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 9)
        n, lanes = block_lanes(c, item, size)
        channels = r[7]
        count = like(zero, channels)
        s, t = view(zero, scratch, lanes), view(zero, scratch + BLOCK * size, lanes)
        for p in range(r[8]):
            shift = base + p * BLOCK * size
            mean, scale = view(zero, r[2] + shift, lanes), view(zero, r[3] + shift, lanes)
            first = base + p * channels * BLOCK * size
            clear(zero, s, lanes)
            clear(zero, t, lanes)
            for i in range(channels):
                at = first + i * BLOCK * size
                dz, a = view(zero, r[0] + at, lanes), view(zero, r[1] + at, lanes)
                g = value_at(zero, size, r[4], i, one)
                for j in range(lanes):
                    h = dz[j] * g
                    s[j] += h
                    t[j] += h * ((a[j] - mean[j]) * scale[j])
            for j in range(lanes):
                s[j] = s[j] / count
                t[j] = t[j] / count
            for i in range(channels):
                at = first + i * BLOCK * size
                a, da = view(zero, r[1] + at, lanes), moved(zero, r[0] + at, r[5] + at, lanes)
                g = value_at(zero, size, r[4], i, one)
                for j in range(lanes):
                    da[j] = scale[j] * ((da[j] * g - s[j]) - (a[j] - mean[j]) * scale[j] * t[j])

    return layer_normalization_backward_input


def _sizes(o: Op) -> tuple[int, int]:
    """Return channels and positions."""
    positions = rows_of(o, "mean")
    return rows_of(o, "A") // positions, positions


LOWER = {
    "layer_normalization_forward": lambda o, low: Recipe(
        make_layer_normalization_forward,
        (),
        ("A", "gamma", "beta", "Z", "mean", "scale"),
        (*_sizes(o), bits_of(o.static["epsilon"])),
    ),
    "layer_normalization_products": lambda o, low: Recipe(
        make_layer_normalization_products, (), ("dZ", "A", "mean", "scale", "S"), _sizes(o), work=4.0 * rows_of(o, "A")
    ),
    "layer_normalization_backward_input": lambda o, low: Recipe(
        make_layer_normalization_backward_input, (), ("dZ", "A", "mean", "scale", "gamma", "dA"), _sizes(o)
    ),
}
