"""Dense layers: ``Z = W A + b``, the gradient to the input, the gradient of the weights.

The counterpart of ``numpy_backend/dense.py``, tile by tile. Lanes are samples in the first two and features in the
third, which reads activations sample by sample: the user's own rows for the first layer, transposed copies for the
others. No sum ever runs across lanes, so the order of each is the contract's whatever the vector width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._jit import TILE_VECTORS, VECTOR_BYTES, inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, SAMPLES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._tiles import FROM_BIAS, FROM_MEMORY, FROM_ZERO, product_tile, transpose_tile
from fastnn.contract import SAMPLE_BLOCK


def _make_product(start: int) -> Any:
    @inner
    def product(zero, size, a, a_m, a_t, b, c, bias, rows, count, lanes):
        """Compute ``rows`` rows of a block: ``c[m] = start + sum over t of a[m, t] * b[t]``, lanes samples wide."""
        width = VECTOR_BYTES // size
        v = 0
        while v < lanes:
            vectors = (lanes - v) // width
            at, to = b + v * size, c + v * size
            m = 0
            if vectors >= TILE_VECTORS:
                while m + 4 <= rows:
                    product_tile(zero, 4, TILE_VECTORS, start, 0, a + m * a_m * size, a_m, a_t, at, BLOCK,
                                 to + m * BLOCK * size, BLOCK, bias + m * size, count)  # fmt: skip
                    m += 4
                while m < rows:
                    product_tile(zero, 1, TILE_VECTORS, start, 0, a + m * a_m * size, a_m, a_t, at, BLOCK,
                                 to + m * BLOCK * size, BLOCK, bias + m * size, count)  # fmt: skip
                    m += 1
                v += TILE_VECTORS * width
            else:
                while m + 4 <= rows:
                    product_tile(zero, 4, 1, start, 0, a + m * a_m * size, a_m, a_t, at, BLOCK,
                                 to + m * BLOCK * size, BLOCK, bias + m * size, count)  # fmt: skip
                    m += 4
                while m < rows:
                    product_tile(zero, 1, 1, start, 0, a + m * a_m * size, a_m, a_t, at, BLOCK,
                                 to + m * BLOCK * size, BLOCK, bias + m * size, count)  # fmt: skip
                    m += 1
                v += width

    return product


_product_from_bias = _make_product(FROM_BIAS)
_product_from_zero = _make_product(FROM_ZERO)


@inner
def block_lanes(samples, item, size):
    """Return how many samples block ``item`` holds, and that number rounded up to whole vectors."""
    n = min(BLOCK, samples - item * BLOCK)
    width = VECTOR_BYTES // size
    return n, (n + width - 1) // width * width


def make_dense_forward(dtype: Any) -> Callable[..., None]:
    """Operands: W, b (addresses), A, Z (addresses of block 0), bytes between blocks, units, features."""
    size = dtype().itemsize

    def dense_forward(context, record, item, store, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c[SAMPLES], item, size)
        shift = store * r[4]
        _product_from_bias(zero, size, r[0], r[6], 1, r[2] + shift, r[3] + shift, r[1], r[5], r[6], lanes)

    return dense_forward


def make_dense_backward_input(dtype: Any) -> Callable[..., None]:
    """Operands: W, dZ, dA, bytes between blocks, units, features."""
    size = dtype().itemsize

    def dense_backward_input(context, record, item, store, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 6)
        n, lanes = block_lanes(c[SAMPLES], item, size)
        shift = store * r[3]
        _product_from_zero(zero, size, r[0], 1, r[5], r[1] + shift, r[2] + shift, 0, r[5], r[4], lanes)

    return dense_backward_input


def make_keep_rows(dtype: Any) -> Callable[..., None]:
    """Copy a tensor's block sample by sample for the weight gradients.

    Operands: A, bytes between blocks, rows (a multiple of the vector's lanes), target, elements between its rows.
    """
    size = dtype().itemsize

    def keep_rows(context, record, item, store, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c[SAMPLES], item, size)
        width = VECTOR_BYTES // size
        source = r[0] + store * r[1]
        target = r[3] + item * BLOCK * r[4] * size
        for j in range(0, lanes, width):
            for k in range(0, r[2], width):
                transpose_tile(zero, 0, source + (k * BLOCK + j) * size, BLOCK, target + (j * r[4] + k) * size, r[4])

    return keep_rows


@inner
def _sum_tile(zero, size, a, a_block, table, shift, to, width, rows, vectors, first, last):
    """Sum one tile over samples ``first..last`` (at most ``SAMPLE_BLOCK``) in order."""
    for start in range(first, last, BLOCK):
        block = start // BLOCK
        n = min(BLOCK, last - start)
        at, by = a + block * a_block, table + start * 8
        if rows == 4:
            if vectors == TILE_VECTORS:
                if start == first:
                    product_tile(zero, 4, TILE_VECTORS, FROM_ZERO, 1, at, BLOCK, 1, by, shift, to, width, 0, n)
                else:
                    product_tile(zero, 4, TILE_VECTORS, FROM_MEMORY, 1, at, BLOCK, 1, by, shift, to, width, 0, n)
            else:
                for v in range(vectors):
                    step = v * VECTOR_BYTES
                    if start == first:
                        product_tile(zero, 4, 1, FROM_ZERO, 1, at, BLOCK, 1, by, shift + step, to + step, width, 0, n)
                    else:
                        product_tile(zero, 4, 1, FROM_MEMORY, 1, at, BLOCK, 1, by, shift + step, to + step, width, 0, n)
        else:
            for m in range(rows):
                for v in range(vectors):
                    step = v * VECTOR_BYTES
                    one, out = at + m * BLOCK * size, to + m * width * size + step
                    if start == first:
                        product_tile(zero, 1, 1, FROM_ZERO, 1, one, BLOCK, 1, by, shift + step, out, width, 0, n)
                    else:
                        product_tile(zero, 1, 1, FROM_MEMORY, 1, one, BLOCK, 1, by, shift + step, out, width, 0, n)


@inner
def add_pairwise(zero, to, level_bytes, n, finished):
    """Fold block sums pairwise, neighbours first: sum ``finished`` lies at ``to``, older ones wait in levels above it.

    Works like a binary counter: level l holds the sum of 2^l blocks when bit l of the count of finished blocks is set.
    Returns nothing; the sum of the new block ends in the lowest free level.
    """
    new = view(zero, to, n)
    level = 0
    while (finished >> level) & 1:
        old = view(zero, to + (level + 1) * level_bytes, n)
        for i in range(n):
            new[i] = old[i] + new[i]
        level += 1
    kept = view(zero, to + (level + 1) * level_bytes, n)
    for i in range(n):
        kept[i] = new[i]


@inner
def finish_pairwise(zero, to, level_bytes, n, count):
    """Combine the waiting levels of ``count`` blocks, smallest first, into ``to``."""
    total = view(zero, to, n)
    started = False
    level = 0
    while count >> level:
        if (count >> level) & 1:
            old = view(zero, to + (level + 1) * level_bytes, n)
            if started:
                for i in range(n):
                    total[i] = old[i] + total[i]
            else:
                for i in range(n):
                    total[i] = old[i]
                started = True
        level += 1


@inner
def _sum_rows(zero, size, a, a_block, to, rows, first, last):
    """Sum ``rows`` (at most 4) rows over samples ``first..last`` in order: the gradient of biases."""
    out = view(zero, to, 4)
    s0 = s1 = s2 = s3 = zero
    for start in range(first, last, BLOCK):
        n = min(BLOCK, last - start)
        x = view(zero, a + (start // BLOCK) * a_block, 4 * BLOCK)
        if rows == 4:
            for j in range(n):
                s0 += x[j]
                s1 += x[BLOCK + j]
                s2 += x[2 * BLOCK + j]
                s3 += x[3 * BLOCK + j]
        else:
            for j in range(n):
                s0 += x[j]
            if rows > 1:
                for j in range(n):
                    s1 += x[BLOCK + j]
            if rows > 2:
                for j in range(n):
                    s2 += x[2 * BLOCK + j]
    out[0] = s0
    out[1] = s1
    out[2] = s2
    out[3] = s3


UNITS_PER_ITEM = 16

FINISH = OPERANDS + 7
"""Where the operands of ``finish`` for W start in the record of ``dense_backward_weights``; those for b follow.

``FINISH_OPERANDS`` each: gradient vector, parameter vector, state vectors, elements between state vectors, bits of l1, of
l2 and of the greatest absolute value of a gradient (the last three float64).
"""
FINISH_OPERANDS = 7


def make_dense_backward_weights(dtype: Any, finish: Callable[..., None]) -> Callable[..., None]:
    """Sum weight gradients tile by tile and hand each finished tile to ``finish``.

    Items are (panel of features, group of ``UNITS_PER_ITEM`` units). ``finish(zero, size, context, operands,
    offset, sums, n)`` receives ``n`` sums of consecutive parameters whose first is element ``offset`` of the flat vector.

    Operands: dZ (address of block 0), bytes between blocks, table of sample rows, units, features, offset of W and of
    b (-1 for none) in the parameter vector; then ``finish``'s, for W and for b.
    """
    size = dtype().itemsize
    panel = TILE_VECTORS * VECTOR_BYTES // size
    tile_bytes = 4 * panel * size

    def dense_backward_weights(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        samples, units, features = c[SAMPLES], r[3], r[4]
        for_weights, for_bias = record + 8 * FINISH, record + 8 * (FINISH + FINISH_OPERANDS)
        groups = (units + UNITS_PER_ITEM - 1) // UNITS_PER_ITEM
        blocks = (samples + SAMPLE_BLOCK - 1) // SAMPLE_BLOCK
        width = VECTOR_BYTES // size
        for item in range(first_item, last_item):
            k = item // groups * panel
            unit = item % groups * UNITS_PER_ITEM
            last_unit = min(units, unit + UNITS_PER_ITEM)
            columns = min(panel, features - k)
            vectors = (columns + width - 1) // width
            while unit < last_unit:
                rows = min(4, last_unit - unit)
                a = r[0] + unit * BLOCK * size
                for s in range(blocks):
                    end = min(samples, (s + 1) * SAMPLE_BLOCK)
                    _sum_tile(zero, size, a, r[1], r[2], k * size, scratch, panel, rows, vectors, s * SAMPLE_BLOCK, end)
                    if blocks > 1:
                        add_pairwise(zero, scratch, tile_bytes, 4 * panel, s)
                if blocks > 1:
                    finish_pairwise(zero, scratch, tile_bytes, 4 * panel, blocks)
                for m in range(rows):
                    offset = r[5] + (unit + m) * features + k
                    finish(zero, size, context, for_weights, offset, scratch + m * panel * size, columns)
                if k == 0 and r[6] >= 0:
                    for s in range(blocks):
                        end = min(samples, (s + 1) * SAMPLE_BLOCK)
                        _sum_rows(zero, size, a, r[1], scratch, rows, s * SAMPLE_BLOCK, end)
                        if blocks > 1:
                            add_pairwise(zero, scratch, tile_bytes, 4, s)
                    if blocks > 1:
                        finish_pairwise(zero, scratch, tile_bytes, 4, blocks)
                    finish(zero, size, context, for_bias, r[6] + unit, scratch, rows)
                unit += rows

    return dense_backward_weights
