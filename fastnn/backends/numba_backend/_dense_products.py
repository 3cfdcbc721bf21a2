"""A block's products with a dense layer's weights: forward, row by row of W, and back to the input, column by column.

``product`` computes rows of ``c[m] = start + sum over t of a[m, t] * b[t]``, a tile of the micro-kernel at a time. The
sums of the way back run down the columns of W, whose elements lie a row apart: each on another page, and all in the
same few sets of the caches. So ``product_back`` takes a few rows of W at a time, goes along them from group of columns
to group of columns, and takes the sums up again with the next rows. They go on in the same order.
"""

from __future__ import annotations

from typing import Any

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK
from fastnn.backends.numba_backend._prefetch import FIRST_CACHE, SECOND_CACHE
from fastnn.backends.numba_backend._processor import TILE_VECTORS, VECTOR_BYTES
from fastnn.backends.numba_backend._tiles import (
    FROM_BIAS,
    FROM_MEMORY,
    FROM_ZERO,
    GOING_ON,
    product_tile,
    product_tile_ahead,
    tile_rows,
)

TALL = 6
"""Rows of the widest tile, which reads each row of the right factor once for all of them (against 4: 3 % on 512 and
more features, 15 % on 10 units)."""

ROWS_BACK, COLUMNS_BACK = 48, 48
"""Rows and columns of W of a part of the way back: the rows' deltas stay in the first cache, as the cache lines of a
group of columns do between its tiles."""


def _make_columns(start: int, vectors: int) -> Any:
    tall = TALL if vectors == TILE_VECTORS else tile_rows(vectors)
    near = SECOND_CACHE if start == GOING_ON else FIRST_CACHE

    @inner
    def columns(zero, size, a, a_m, a_t, b, c, bias, rows, count):
        """Compute ``rows`` rows, ``vectors`` wide."""
        m = 0
        # single rows wait for their own additions: of 8 rows and 9 rather two tiles of 4
        while m + tall <= rows and (tall != TALL or rows - m < 8 or rows - m > 9):
            at, to = a + m * a_m * size, c + m * BLOCK * size
            if start == FROM_BIAS:
                # of a forward product's weights each row lies behind the one before
                product_tile_ahead(zero, tall, vectors, start, 0, at, a_m, a_t, b, BLOCK, to, BLOCK, bias + m * size,
                                   count, at + tall * a_m * size, tall * size, near)  # fmt: skip
            elif start == GOING_ON:
                product_tile_ahead(zero, tall, vectors, start, 0, at, a_m, a_t, b, BLOCK, to, BLOCK, bias, count,
                                   at + COLUMNS_BACK * size, a_t * size, near)  # fmt: skip
            else:
                product_tile(zero, tall, vectors, start, 0, at, a_m, a_t, b, BLOCK, to, BLOCK, 0, count)
            m += tall
        if tall > 4:
            while m + 4 <= rows:
                product_tile(zero, 4, vectors, start, 0, a + m * a_m * size, a_m, a_t, b, BLOCK, c + m * BLOCK * size,
                             BLOCK, bias + m * size if start == FROM_BIAS else bias, count)  # fmt: skip
                m += 4
        while m < rows:
            product_tile(zero, 1, vectors, start, 0, a + m * a_m * size, a_m, a_t, b, BLOCK, c + m * BLOCK * size,
                         BLOCK, bias + m * size if start == FROM_BIAS else bias, count)  # fmt: skip
            m += 1

    return columns


def _make_product(start: int) -> Any:
    wide, two, one = (_make_columns(start, vectors) for vectors in (TILE_VECTORS, 2, 1))

    @inner
    def product(zero, size, a, a_m, a_t, b, c, bias, rows, count, lanes):
        """Compute ``rows`` rows of a block: ``c[m] = start + sum over t of a[m, t] * b[t]``, lanes samples wide."""
        v = 0
        while v < lanes * size:
            vectors = (lanes * size - v) // VECTOR_BYTES
            if vectors >= TILE_VECTORS:
                wide(zero, size, a, a_m, a_t, b + v, c + v, bias, rows, count)
                v += TILE_VECTORS * VECTOR_BYTES
            elif vectors >= 2:
                two(zero, size, a, a_m, a_t, b + v, c + v, bias, rows, count)
                v += 2 * VECTOR_BYTES
            else:
                one(zero, size, a, a_m, a_t, b + v, c + v, bias, rows, count)
                v += VECTOR_BYTES

    return product


@inner
def product_reading_on(zero, size, a, b, c, bias, rows, count, lanes, ahead, length):
    """Compute rows of a forward product, and ask for ``length`` bytes of memory at ``ahead`` on the way.

    For lanes that fill the widest tiles. The memory comes while products are summed, a cache line every few steps: all
    at once it would be waited for.
    """
    columns = lanes * size // (TILE_VECTORS * VECTOR_BYTES)
    part = length // columns
    for v in range(columns):
        b_at, c_at, m = b + v * TILE_VECTORS * VECTOR_BYTES, c + v * TILE_VECTORS * VECTOR_BYTES, 0
        while m + TALL <= rows and (rows - m < 8 or rows - m > 9):
            product_tile_ahead(zero, TALL, TILE_VECTORS, FROM_BIAS, 0, a + m * count * size, count, 1, b_at, BLOCK,
                               c_at + m * BLOCK * size, BLOCK, bias + m * size, count,
                               ahead + v * part + m * part // rows, (TALL * part // rows + count - 1) // count,
                               SECOND_CACHE)  # fmt: skip
            m += TALL
        while m < rows:
            if m + 4 <= rows:
                product_tile(zero, 4, TILE_VECTORS, FROM_BIAS, 0, a + m * count * size, count, 1, b_at, BLOCK,
                             c_at + m * BLOCK * size, BLOCK, bias + m * size, count)  # fmt: skip
                m += 4
            else:
                product_tile(zero, 1, TILE_VECTORS, FROM_BIAS, 0, a + m * count * size, count, 1, b_at, BLOCK,
                             c_at + m * BLOCK * size, BLOCK, bias + m * size, count)  # fmt: skip
                m += 1


product_from_bias = _make_product(FROM_BIAS)
product_from_zero = _make_product(FROM_ZERO)
product_from_memory = _make_product(FROM_MEMORY)
_product_going_on = _make_product(GOING_ON)


@inner
def product_back(zero, size, w, dz, da, units, features, lanes):
    """Compute a block's ``da[k] = sum over i of w[i, k] * dz[i]`` from +0, lanes samples wide."""
    for i in range(0, units, ROWS_BACK):
        # invariant: da holds the products of the units before i
        rows = min(units - i, ROWS_BACK)
        for k in range(0, features, COLUMNS_BACK):
            _product_going_on(zero, size, w + (i * features + k) * size, 1, features, dz + i * BLOCK * size,
                              da + k * BLOCK * size, i, min(features - k, COLUMNS_BACK), rows, lanes)  # fmt: skip
