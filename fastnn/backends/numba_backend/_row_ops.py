"""What a layer does to single samples: sums over its weights, then its activation, a row in a workspace.

Lanes are units here, not samples. Each unit's sum still starts at the bias and adds its products by ascending feature,
so the bits are those of a batch. An op takes the few samples that its context counts, from rows at one address to rows
at another. Rows in the workspace are padded to whole vectors; what the padding holds is nobody's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._memory import float_from_int_bits, view, wide_vectors
from fastnn.backends.numba_backend._processor import VECTOR_BYTES
from fastnn.backends.numba_backend._row_tile import row_tile, turn_tiles, turned_row_tile
from fastnn.backends.numba_backend.activation import forward_loop
from fastnn.formulas import exp, log

COUNT, SOURCE_ROW, TARGET_ROW = range(3)
ROWS_SIZE = 3
"""An op's context: the number of samples, bytes from one to the next where they are read and where they go."""

TURNED_VECTORS = 2
"""Vectors of units whose weights are turned at once: 784-128 in float32 in 5.8 us, one by one 6.7, by fours 6.9."""

_TABLE = TURNED_VECTORS * VECTOR_BYTES * (VECTOR_BYTES // 4)
SCRATCH = _TABLE + 8 * TURNED_VECTORS * (VECTOR_BYTES // 4)
"""Bytes that ``make_dense_row_in_place`` needs: weights of so many vectors of features, and addresses of rows."""


def make_dense_row_packed(dtype: Any) -> Callable[..., None]:
    """Compute ``target = b + sum over features of packed weights * source``, a panel at a time.

    Operands: features, packed weights, packed bias, numbers of panels of 8, 4, 2 and 1 vectors (16 bits each).
    """

    def dense_row_packed(context, record, source, target, scratch):
        zero = dtype(0)
        c, r = view(0, context, ROWS_SIZE), view(0, record, 4)
        features, w, b, panels = r[0], r[1], r[2], r[3]
        shift = 0
        for kind in range(4):
            vectors = 8 >> kind
            wide = vectors * VECTOR_BYTES
            for _ in range((panels >> (16 * kind)) & 0xFFFF):
                for n in range(c[COUNT]):
                    x, z = source + n * c[SOURCE_ROW], target + n * c[TARGET_ROW] + shift
                    if kind == 0:
                        row_tile(zero, 8, 1, x, w, b + shift, z, features)
                    elif kind == 1:
                        row_tile(zero, 4, 1, x, w, b + shift, z, features)
                    elif kind == 2:
                        row_tile(zero, 2, 1, x, w, b + shift, z, features)
                    else:
                        row_tile(zero, 1, 1, x, w, b + shift, z, features)
                w += features * wide
                shift += wide

    return dense_row_packed


def make_dense_row_in_place(dtype: Any) -> Callable[..., None]:
    """Compute ``target = b + W source`` on weights as a model holds them: W (units, features), then b, or 0 for none.

    A tile of weights is turned in registers, or for several samples once into ``scratch``. Features that fill no vector
    come last: their tile begins before them, on features that are done. Operands: features, W, b, units.
    """
    size = dtype().itemsize
    lanes = VECTOR_BYTES // size

    def dense_row_in_place(context, record, source, target, scratch):
        zero = dtype(0)
        c, r = view(0, context, ROWS_SIZE), view(0, record, 4)
        samples, x_row, z_row = c[COUNT], c[SOURCE_ROW], c[TARGET_ROW]
        features, w, b, units = r[0], r[1], r[2], r[3]
        vectors = (units + lanes - 1) // lanes
        for n in range(samples):
            z = view(zero, target + n * z_row, vectors * lanes)
            for i in range(vectors * lanes):
                z[i] = zero
            if b != 0:
                bias = view(zero, b, units)
                for i in range(units):
                    z[i] = bias[i]
        table = scratch + _TABLE
        for first in range(0, vectors, 2):
            nv = min(2, vectors - first)
            wide = nv * lanes
            rows = view(0, table, wide)
            for i in range(wide):
                # units beyond the last repeat it
                rows[i] = w + min(first * lanes + i, units - 1) * features * size
            into, at = target + first * VECTOR_BYTES, 0
            while samples == 1 and at + lanes <= features:
                if nv == 2:
                    turned_row_tile(zero, 2, source + at * size, table, at * size, into)
                else:
                    turned_row_tile(zero, 1, source + at * size, table, at * size, into)
                at += lanes
            while at < features:
                count, turned = min(lanes, features - at), scratch
                if features < lanes:
                    few = view(zero, scratch, features * wide)
                    for i in range(wide):
                        row = view(zero, rows[i], features)
                        for t in range(features):
                            few[t * wide + i] = row[t]
                else:
                    if nv == 2:
                        turn_tiles(zero, 2, table, (at + count - lanes) * size, scratch)
                    else:
                        turn_tiles(zero, 1, table, (at + count - lanes) * size, scratch)
                    turned += (lanes - count) * nv * VECTOR_BYTES
                for n in range(samples):
                    x, z_at = source + n * x_row + at * size, into + n * z_row
                    if nv == 2:
                        row_tile(zero, 2, 0, x, turned, z_at, z_at, count)
                    else:
                        row_tile(zero, 1, 0, x, turned, z_at, z_at, count)
                at += count

    return dense_row_in_place


def make_activation_row(dtype: Any, function: Callable[..., Any] | str, has_alpha: bool) -> Callable[..., None]:
    """Operands: elements, a multiple of a vector's, or features where the activation is over a whole sample; alpha."""
    if isinstance(function, str):
        return _SAMPLE_WISE[function](dtype)
    run = forward_loop(dtype, function, has_alpha)

    def activation_row(context, record, source, target, scratch):
        wide_vectors()
        c, r = view(0, context, ROWS_SIZE), view(0, record, 2)
        alpha = dtype(float_from_int_bits(r[1]))
        for n in range(c[COUNT]):
            row = target + n * c[TARGET_ROW]
            run((row, row), (alpha,), r[0])

    return activation_row


def _make_softmax_row(dtype: Any) -> Callable[..., None]:
    def softmax_row(context, record, source, target, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, ROWS_SIZE), view(0, record, 1)
        for n in range(c[COUNT]):
            a = view(zero, target + n * c[TARGET_ROW], r[0])
            high, total = a[0], zero
            for i in range(1, r[0]):
                high = a[i] if a[i] > high else high
            for i in range(r[0]):
                a[i] = exp(a[i] - high)
            for i in range(r[0]):
                total += a[i]
            for i in range(r[0]):
                a[i] = a[i] / total

    return softmax_row


def _make_log_softmax_row(dtype: Any) -> Callable[..., None]:
    def log_softmax_row(context, record, source, target, scratch):
        zero = dtype(0)
        c, r = view(0, context, ROWS_SIZE), view(0, record, 1)
        for n in range(c[COUNT]):
            a = view(zero, target + n * c[TARGET_ROW], r[0])
            high, total = a[0], zero
            for i in range(1, r[0]):
                high = a[i] if a[i] > high else high
            for i in range(r[0]):
                total += exp(a[i] - high)
            total = log(total)
            for i in range(r[0]):
                a[i] = (a[i] - high) - total

    return log_softmax_row


_SAMPLE_WISE = {"softmax": _make_softmax_row, "log_softmax": _make_log_softmax_row}
