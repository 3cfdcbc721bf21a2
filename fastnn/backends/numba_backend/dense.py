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
from fastnn.backends.numba_backend._recording import Recipe, shape_of
from fastnn.backends.numba_backend._tiles import (
    FROM_BIAS,
    FROM_MEMORY,
    FROM_ZERO,
    product_tile,
    transpose_tile,
)
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
def _add_products(zero, size, a, table, shift, to, panel, units, vectors, n):
    """Add one block's ``n`` products to the sums of ``units`` x ``vectors`` weights, sample by sample."""
    m = 0
    while m < units:
        rows = 4 if m + 4 <= units else 1
        at, out = a + m * BLOCK * size, to + m * panel * size
        v = 0
        while v < vectors:
            step = v * VECTOR_BYTES
            if rows == 4:
                if vectors - v >= TILE_VECTORS:
                    product_tile(zero, 4, TILE_VECTORS, FROM_MEMORY, 1, at, BLOCK, 1, table, shift + step, out + step,
                                 panel, 0, n)  # fmt: skip
                    v += TILE_VECTORS
                elif vectors - v >= 2:
                    product_tile(zero, 4, 2, FROM_MEMORY, 1, at, BLOCK, 1, table, shift + step, out + step, panel, 0, n)
                    v += 2
                else:
                    product_tile(zero, 4, 1, FROM_MEMORY, 1, at, BLOCK, 1, table, shift + step, out + step, panel, 0, n)
                    v += 1
            elif vectors - v >= TILE_VECTORS:
                product_tile(zero, 1, TILE_VECTORS, FROM_MEMORY, 1, at, BLOCK, 1, table, shift + step, out + step,
                             panel, 0, n)  # fmt: skip
                v += TILE_VECTORS
            else:
                product_tile(zero, 1, 1, FROM_MEMORY, 1, at, BLOCK, 1, table, shift + step, out + step, panel, 0, n)
                v += 1
        m += rows


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
def _add_samples(zero, size, a, to, units, n):
    """Add one block's ``n`` samples to the sums of ``units`` rows, sample by sample: the gradient of biases.

    Four rows at a time, since each sum is a chain of additions that wait for one another.
    """
    sums = view(zero, to, units)
    m = 0
    while m + 4 <= units:
        x = view(zero, a + m * BLOCK * size, 4 * BLOCK)
        s0, s1, s2, s3 = sums[m], sums[m + 1], sums[m + 2], sums[m + 3]
        for j in range(n):
            s0 += x[j]
            s1 += x[BLOCK + j]
            s2 += x[2 * BLOCK + j]
            s3 += x[3 * BLOCK + j]
        sums[m], sums[m + 1], sums[m + 2], sums[m + 3] = s0, s1, s2, s3
        m += 4
    while m < units:
        x = view(zero, a + m * BLOCK * size, BLOCK)
        s = sums[m]
        for j in range(n):
            s += x[j]
        sums[m] = s
        m += 1


UNITS_PER_ITEM = 32
"""Most units of one item: a panel's rows are read once for all of them (against 4: 1.5x on rows that lie far apart)."""

ENOUGH_ITEMS = 12
"""Items that spread evenly over a few threads; a small layer's items hold fewer units, so that there are as many."""


def units_per_item(units: int, panels: int) -> int:
    """Return how many units one item of a layer's weight gradients holds: 4, 8, 16 or 32."""
    for n in (32, 16, 8):
        if panels * -(-units // n) >= ENOUGH_ITEMS:
            return n
    return 4


FINISH = OPERANDS + 8
"""Where the operands of ``finish`` for W start in the record of ``dense_backward_weights``; those for b follow.

``FINISH_OPERANDS`` each: gradient vector, parameter vector, state vectors, elements between state vectors, bits of l1,
of l2 and of the greatest absolute value of a gradient (the last three float64).
"""
FINISH_OPERANDS = 7


def make_dense_backward_weights(dtype: Any, finish: Callable[..., None]) -> Callable[..., None]:
    """Sum weight gradients tile by tile and hand each finished tile to ``finish``.

    Items are (panel of features, group of units). ``finish(zero, size, context, operands, offset,
    stride, sums, between, rows, n)`` receives ``rows`` rows of ``n`` finished sums, ``between`` bytes apart, of the
    parameters from element ``offset`` of the flat vector, ``stride`` elements from row to row.

    Operands: dZ (address of block 0), bytes between blocks, table of sample rows, units, features, offset of W and of
    b (-1 for none) in the parameter vector, units per item; then ``finish``'s, for W and for b.
    """
    size = dtype().itemsize
    panel = TILE_VECTORS * VECTOR_BYTES // size
    most = UNITS_PER_ITEM * (panel + 1)
    level_bytes = most * size

    def dense_backward_weights(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 8)
        samples, units, features, group = c[SAMPLES], r[3], r[4], r[7]
        for_weights, for_bias = record + 8 * FINISH, record + 8 * (FINISH + FINISH_OPERANDS)
        groups = (units + group - 1) // group
        sums, biases = view(zero, scratch, most), scratch + UNITS_PER_ITEM * panel * size
        for item in range(first_item, last_item):
            k = item // groups * panel
            unit = item % groups * group
            rows = min(units - unit, group)
            columns = min(panel, features - k)
            vectors = (columns * size + VECTOR_BYTES - 1) // VECTOR_BYTES
            with_bias = k == 0 and r[6] >= 0
            used = rows * panel
            for i in range(used):
                sums[i] = zero
            for i in range(UNITS_PER_ITEM * panel, most):
                sums[i] = zero
            finished = 0
            for start in range(0, samples, BLOCK):
                # invariant: sums hold the samples of this SAMPLE_BLOCK before start
                n = min(BLOCK, samples - start)
                a = r[0] + start // BLOCK * r[1] + unit * BLOCK * size
                _add_products(zero, size, a, r[2] + start * 8, k * size, scratch, panel, rows, vectors, n)
                if with_bias:
                    _add_samples(zero, size, a, biases, rows, n)
                if samples > SAMPLE_BLOCK and ((start + BLOCK) % SAMPLE_BLOCK == 0 or start + BLOCK >= samples):
                    add_pairwise(zero, scratch, level_bytes, most, finished)
                    finished += 1
                    for i in range(most):
                        sums[i] = zero
            if finished:
                finish_pairwise(zero, scratch, level_bytes, most, finished)
            finish(zero, size, context, for_weights, r[5] + unit * features + k, features, scratch, panel * size, rows,
                   columns)  # fmt: skip
            if with_bias:
                finish(zero, size, context, for_bias, r[6] + unit, 0, biases, 0, 1, rows)

    return dense_backward_weights


LOWER = {
    "dense_forward": lambda o: Recipe(make_dense_forward, (), ("W", "b", "A", "Z"), shape_of(o, "W")),
    "dense_backward_input": lambda o: Recipe(make_dense_backward_input, (), ("W", "dZ", "dA"), shape_of(o, "W")),
}
