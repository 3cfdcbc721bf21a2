"""Batch normalization: what blocks add up, what the minibatch's sums give, and what blocks make of it.

The counterpart of ``numpy_backend/normalization.py``. Ops over blocks keep each sample's sums over positions; ops over
all samples, a vector of channels an item, finish the sums. Values of a channel are broadcast to the lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, SAMPLES
from fastnn.backends.numba_backend._memory import float_from_int_bits, view
from fastnn.backends.numba_backend._processor import VECTOR_BYTES
from fastnn.backends.numba_backend._recording import Recipe, bits_of, rows_of, shape_of
from fastnn.backends.numba_backend.activation import moved
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.sums import panels, sum_rows
from fastnn.formulas.primitives import like, sqrt
from fastnn.plan.plan import Op


@inner
def value_at(zero, size, address, i, otherwise):
    """Return element ``i`` of the vector at an address; ``otherwise`` where the address is 0."""
    return view(zero, address + i * size, 1)[0] if address != 0 else otherwise


def make_squared_deviations(dtype: Any) -> Callable[..., None]:
    """Operands: A, mean, S, bytes between blocks, channels, positions."""
    size = dtype().itemsize

    def squared_deviations(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 6)
        n, lanes = block_lanes(c, item, size)
        shift = base
        for i in range(r[4]):
            s = view(zero, r[2] + shift + i * BLOCK * size, lanes)
            for j in range(lanes):
                s[j] = zero
        mean = view(zero, r[1], r[4])
        for p in range(r[5]):
            for i in range(r[4]):
                a = view(zero, r[0] + shift + (p * r[4] + i) * BLOCK * size, lanes)
                s = view(zero, r[2] + shift + i * BLOCK * size, lanes)
                m = mean[i]
                for j in range(lanes):
                    d = a[j] - m
                    s[j] += d * d

    return squared_deviations


def make_batch_statistics(dtype: Any) -> Callable[..., None]:
    """Operands: S, mean, scale, moving mean, moving variance, bytes between blocks, channels, positions.

    Then bits of epsilon, of the share that stays and of the share that is new, and whether the moving statistics are
    kept. An item is a vector of channels.
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size

    def batch_statistics(context, record, first_item, last_item, scratch):
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 20), view(0, record + 8 * OPERANDS, 12)
        terms = like(zero, c[SAMPLES] * r[7])
        epsilon = dtype(float_from_int_bits(r[8]))
        old, new = dtype(float_from_int_bits(r[9])), dtype(float_from_int_bits(r[10]))
        sums = view(zero, scratch, width)
        for item in range(first_item, last_item):
            first = item * width
            rows = min(width, r[6] - first)
            sum_rows(zero, size, c, r[0] + first * BLOCK * size, r[5], rows, scratch)
            at = first * size
            mean, scale = view(zero, r[1] + at, rows), view(zero, r[2] + at, rows)
            moving_mean, moving_variance = view(zero, r[3] + at, rows), view(zero, r[4] + at, rows)
            for i in range(rows):
                variance = sums[i] / terms
                scale[i] = one / sqrt(variance + epsilon)
                if r[11]:
                    moving_mean[i] = old * moving_mean[i] + new * mean[i]
                    moving_variance[i] = old * moving_variance[i] + new * variance

    return batch_statistics


def make_batch_normalization_forward(dtype: Any) -> Callable[..., None]:
    """Operands: A, mean, scale, gamma or 0, beta or 0, Z (not A), bytes between blocks, channels, positions."""
    size = dtype().itemsize

    def batch_normalization_forward(context, record, item, base, scratch):
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 9)
        n, lanes = block_lanes(c, item, size)
        mean, scale = view(zero, r[1], r[7]), view(zero, r[2], r[7])
        for p in range(r[8]):
            for i in range(r[7]):
                shift = base + (p * r[7] + i) * BLOCK * size
                a, z = view(zero, r[0] + shift, lanes), view(zero, r[5] + shift, lanes)
                m, k = mean[i], scale[i]
                g, b = value_at(zero, size, r[3], i, one), value_at(zero, size, r[4], i, zero)
                for j in range(lanes):
                    z[j] = (a[j] - m) * k * g + b

    return batch_normalization_forward


def make_batch_normalization_inference(dtype: Any) -> Callable[..., None]:
    """Operands: A, moving mean, moving variance, gamma or 0, beta or 0, Z (not A), bytes between blocks, channels.

    Then positions and bits of epsilon. Factors and terms of as many channels as a block has lanes are computed at a
    time, side by side.
    """
    size = dtype().itemsize

    def batch_normalization_inference(context, record, item, base, scratch):
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 10)
        n, lanes = block_lanes(c, item, size)
        channels, epsilon = r[7], dtype(float_from_int_bits(r[9]))
        factors, terms = view(zero, scratch, BLOCK), view(zero, scratch + BLOCK * size, BLOCK)
        for first in range(0, channels, BLOCK):
            count = min(BLOCK, channels - first)
            mean, variance = view(zero, r[1] + first * size, count), view(zero, r[2] + first * size, count)
            for i in range(count):
                factors[i] = one / sqrt(variance[i] + epsilon)
            for i in range(count):
                factors[i] = value_at(zero, size, r[3], first + i, one) * factors[i]
                terms[i] = value_at(zero, size, r[4], first + i, zero) - mean[i] * factors[i]
            for p in range(r[8]):
                for i in range(count):
                    shift = base + (p * channels + first + i) * BLOCK * size
                    a, z = view(zero, r[0] + shift, lanes), view(zero, r[5] + shift, lanes)
                    k, s = factors[i], terms[i]
                    for j in range(lanes):
                        z[j] = a[j] * k + s

    return batch_normalization_inference


def make_batch_normalization_products(dtype: Any) -> Callable[..., None]:
    """Operands: dZ, A, mean, scale, S, bytes between blocks, channels, positions."""
    size = dtype().itemsize

    def batch_normalization_products(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 8)
        n, lanes = block_lanes(c, item, size)
        mean, scale = view(zero, r[2], r[6]), view(zero, r[3], r[6])
        for i in range(r[6]):
            s = view(zero, r[4] + base + i * BLOCK * size, lanes)
            for j in range(lanes):
                s[j] = zero
        for p in range(r[7]):
            for i in range(r[6]):
                shift = base + (p * r[6] + i) * BLOCK * size
                dz, a = view(zero, r[0] + shift, lanes), view(zero, r[1] + shift, lanes)
                s = view(zero, r[4] + base + i * BLOCK * size, lanes)
                m, k = mean[i], scale[i]
                for j in range(lanes):
                    s[j] += dz[j] * ((a[j] - m) * k)

    return batch_normalization_products


def make_batch_normalization_backward_input(dtype: Any) -> Callable[..., None]:
    """Operands: dZ, A, mean, scale, gamma or 0, d_mean, p_mean, dA, bytes between blocks, channels, positions."""
    size = dtype().itemsize

    def batch_normalization_backward_input(context, record, item, base, scratch):
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 11)
        n, lanes = block_lanes(c, item, size)
        channels = r[9]
        mean, scale = view(zero, r[2], channels), view(zero, r[3], channels)
        d_mean, p_mean = view(zero, r[5], channels), view(zero, r[6], channels)
        for p in range(r[10]):
            for i in range(channels):
                shift = base + (p * channels + i) * BLOCK * size
                a, da = view(zero, r[1] + shift, lanes), moved(zero, r[0] + shift, r[7] + shift, lanes)
                m, k, d, q = mean[i], scale[i], d_mean[i], p_mean[i]
                f = value_at(zero, size, r[4], i, one) * k
                for j in range(lanes):
                    da[j] = f * ((da[j] - d) - (a[j] - m) * k * q)

    return batch_normalization_backward_input


def _sizes(o: Op, channels: int, name: str = "A") -> tuple[int, int]:
    """Return channels and positions."""
    return channels, rows_of(o, name) // channels


def lower_batch_statistics(o: Op, low: Any) -> Recipe:
    """Return the record of the variance and the moving statistics."""
    s, rows = o.static, rows_of(o, "S")
    constants = (rows, s["positions"], bits_of(s["epsilon"]), bits_of(s["momentum"]), bits_of(1.0 - s["momentum"]),
                 int(low.name == "train"))  # fmt: skip
    return Recipe(make_batch_statistics, (), ("S", "mean", "scale", "moving_mean", "moving_variance"), constants,
                  work=4.0 * rows, items=panels(rows, low.size))  # fmt: skip


def lower_inference(o: Op, low: Any) -> Recipe:
    """Return the record of normalization by the moving statistics."""
    names = ("A", "moving_mean", "moving_variance", "gamma", "beta", "Z")
    constants = (*_sizes(o, shape_of(o, "moving_mean")[0]), bits_of(o.static["epsilon"]))
    return Recipe(make_batch_normalization_inference, (), names, constants, work=2.0 * rows_of(o, "A"))


def _recipe(make: Any, names: tuple[str, ...], flops: float) -> Any:
    def recipe(o: Op, low: Any) -> Recipe:
        return Recipe(make, (), names, _sizes(o, rows_of(o, "mean")), work=flops * rows_of(o, "A"))

    return recipe


LOWER = {
    "squared_deviations": _recipe(make_squared_deviations, ("A", "mean", "S"), 3.0),
    "batch_statistics": lower_batch_statistics,
    "batch_normalization_forward": _recipe(
        make_batch_normalization_forward, ("A", "mean", "scale", "gamma", "beta", "Z"), 4.0
    ),
    "batch_normalization_inference": lower_inference,
    "batch_normalization_products": _recipe(make_batch_normalization_products, ("dZ", "A", "mean", "scale", "S"), 4.0),
    "batch_normalization_backward_input": _recipe(
        make_batch_normalization_backward_input,
        ("dZ", "A", "mean", "scale", "gamma", "d_mean", "p_mean", "dA"),
        6.0,
    ),
}
