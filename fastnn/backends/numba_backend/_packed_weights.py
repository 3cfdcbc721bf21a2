"""Weights packed for the gradient that flows back through a large dense layer, once a step.

That gradient reads a few neighboring columns of W, all rows: each row on a page of its own, and all in the same few
sets of the caches. Packed, ``GROUP`` columns of a row lie side by side and the rows without a gap, so that they are
read as one stream: 2048 to 2048 features at 114 GFLOP/s a core instead of 40.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._jit import TILE_VECTORS, VECTOR_BYTES, inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._tiles import FROM_ZERO, copy_row, product_tile, tile_rows
from fastnn.backends.numba_backend.dense import TALL, block_lanes
from fastnn.plan.plan import Op, Parameter

GROUP = 16
"""Columns that lie side by side: a multiple of the vectors' widths."""

TOGETHER = 8
"""Groups of an item of ``pack_weights``: so many neighbors are read of a row before the next."""

LEAST_BYTES, LEAST_SAMPLES = 4096, 2 * BLOCK
"""Bytes of a row of W (a page) and samples of a step from which packing pays. Small blocks of samples take 16 columns
of W at a time, whole cache lines, as they are: 1024 x 1024 at batch 32 would go from 3.2 to 4.0 ms a step."""


def group_stride(units: int) -> int:
    """Return the elements between groups: no multiple of a page, so that they do not share sets of the caches."""
    return (units + 1) * GROUP


def make_pack_weights(dtype: Any) -> Callable[..., None]:
    """Operands: W, units, features, packed weights, elements between groups. Items are ``TOGETHER`` groups."""
    size = dtype().itemsize

    def pack_weights(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        r = view(0, record + 8 * OPERANDS, 5)
        units, features = r[1], r[2]
        for item in range(first_item, last_item):
            first = item * TOGETHER * GROUP
            whole = (min(features, first + TOGETHER * GROUP) - first) // GROUP
            rest = min(features - first - whole * GROUP, GROUP) if whole < TOGETHER else 0
            for i in range(units):
                source = r[0] + (i * features + first) * size
                target = r[3] + (first // GROUP * r[4] + i * GROUP) * size
                for _ in range(whole):
                    copy_row(zero, GROUP, source, target)
                    source += GROUP * size
                    target += r[4] * size
                for j in range(rest):
                    view(zero, target, GROUP)[j] = view(zero, source, GROUP)[j]

    return pack_weights


def _make_columns(vectors: int) -> Any:
    tall = TALL if vectors == TILE_VECTORS else tile_rows(vectors)

    @inner
    def columns(zero, size, packed, stride, units, b, c, features):
        """Compute the gradient to ``features``, ``vectors`` of samples wide."""
        for k in range(0, features, GROUP):
            a, to = packed + k // GROUP * stride * size, c + k * BLOCK * size
            rows = min(GROUP, features - k)
            m = 0
            while m + tall <= rows:
                product_tile(zero, tall, vectors, FROM_ZERO, 0, a + m * size, 1, GROUP, b, BLOCK, to + m * BLOCK * size,
                             BLOCK, 0, units)  # fmt: skip
                m += tall
            if tall > 4:
                while m + 4 <= rows:
                    product_tile(zero, 4, vectors, FROM_ZERO, 0, a + m * size, 1, GROUP, b, BLOCK,
                                 to + m * BLOCK * size, BLOCK, 0, units)  # fmt: skip
                    m += 4
            while m < rows:
                product_tile(zero, 1, vectors, FROM_ZERO, 0, a + m * size, 1, GROUP, b, BLOCK, to + m * BLOCK * size,
                             BLOCK, 0, units)  # fmt: skip
                m += 1

    return columns


_wide, _two, _one = (_make_columns(vectors) for vectors in (TILE_VECTORS, 2, 1))


def make_packed_backward_input(dtype: Any) -> Callable[..., None]:
    """Compute ``dA = W^T dZ`` from packed weights, in the same order of sums as ``dense_backward_input``.

    Operands: dZ, dA, bytes between blocks, packed W, elements between its groups, units, features, positions.
    """
    size = dtype().itemsize

    def packed_backward_input(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 8)
        n, lanes = block_lanes(c, item, size)
        units, features = r[5], r[6]
        dz, da = r[0] + base, r[1] + base
        for _ in range(r[7]):
            v = 0
            while v < lanes * size:
                vectors = (lanes * size - v) // VECTOR_BYTES
                if vectors >= TILE_VECTORS:
                    _wide(zero, size, r[3], r[4], units, dz + v, da + v, features)
                    v += TILE_VECTORS * VECTOR_BYTES
                elif vectors >= 2:
                    _two(zero, size, r[3], r[4], units, dz + v, da + v, features)
                    v += 2 * VECTOR_BYTES
                else:
                    _one(zero, size, r[3], r[4], units, dz + v, da + v, features)
                    v += VECTOR_BYTES
            dz += units * BLOCK * size
            da += features * BLOCK * size

    return packed_backward_input


def pays(o: Op, size: int, samples: int) -> bool:
    """Whether a backward op should read packed weights."""
    if o.kind != "dense_backward_input":
        return False
    w = o.operands["W"]
    assert isinstance(w, Parameter)
    units, features = w.shape
    return features * size >= LEAST_BYTES and samples >= LEAST_SAMPLES and units >= GROUP
