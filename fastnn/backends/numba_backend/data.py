"""The doors of a program: samples, targets and weights in, predictions out.

Users' rows are gathered through the step's order and transposed block by block on the way in, so X is never copied
whole. Rows whose dtype, layout and width suit the vector kernels are read in place, here and again for the weight
gradients of the first layer; other rows are converted into a copy of the minibatch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import (
    BLOCK,
    DIRECT,
    FIRST,
    LOSS,
    OPERANDS,
    ORDER,
    OUT,
    OUT_ROW,
    PER_BLOCK,
    WEIGHT,
    X_COLUMN,
    X_ROW,
    Y_COLUMN,
    Y_ROW,
    X,
    Y,
)
from fastnn.backends.numba_backend._memory import view, wide_vectors
from fastnn.backends.numba_backend._processor import VECTOR_BYTES
from fastnn.backends.numba_backend._tiles import PIECE_BYTES, transpose_pieces, transpose_tile
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.finite import has_nonfinite


@inner
def find_rows(c, item, n, lanes, at, row_bytes, rows):
    """Write the addresses of a block's rows of a user's array that starts at ``at`` to the table ``rows``.

    Lanes past the last sample repeat it: whatever they compute is never summed.
    """
    first = c[FIRST] + item * c[PER_BLOCK]
    table = view(0, rows, lanes)
    if c[ORDER] == 0:
        start = at + first * row_bytes
        for j in range(n):
            table[j] = start + j * row_bytes
    else:
        order = view(0, c[ORDER] + 8 * first, n)
        for j in range(n):
            table[j] = at + order[j] * row_bytes
    for j in range(n, lanes):
        table[j] = table[n - 1]


@inner
def transpose_rows(zero, size, rows, lanes, features, target):
    """Write a block's rows, by their addresses, transposed, as far as vectors go; return how many features that is."""
    width, piece = VECTOR_BYTES // size, PIECE_BYTES // size
    k = 0
    while k + width <= features:
        for j in range(0, lanes, width):
            transpose_tile(zero, 1, rows + 8 * j, k * size, target + (k * BLOCK + j) * size, BLOCK)
        k += width
    while k + piece <= features:
        for j in range(0, lanes, width):
            transpose_pieces(zero, rows + 8 * j, k * size, target + (k * BLOCK + j) * size, BLOCK)
        k += piece
    return k


def make_pack_samples(dtype: Any, source: Any) -> Callable[..., None]:
    """Operands: tensor, bytes between blocks, features, table of sample rows or 0, copy of rows, its row elements.

    ``source`` is the dtype of the user's array.
    """
    size = dtype().itemsize

    def pack_samples(context, record, item, base, scratch):
        zero, other = dtype(0), source(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 6)
        n, lanes = block_lanes(c, item, size)
        width = VECTOR_BYTES // size
        target, features = r[0] + base, r[2]
        rows = view(0, scratch, BLOCK)
        find_rows(c, item, n, lanes, c[X], c[X_ROW], scratch)
        k = 0
        if c[DIRECT]:
            k = transpose_rows(zero, size, scratch, lanes, features, target)
        while k < features:
            line = view(zero, target + k * BLOCK * size, lanes)
            for j in range(lanes):
                line[j] = dtype(view(other, rows[j] + k * c[X_COLUMN], 1)[0])
            k += 1
        if r[3] != 0:
            table = view(0, r[3] + item * c[PER_BLOCK] * 8, BLOCK)
            if c[DIRECT] and features % width == 0:
                for j in range(n):
                    table[j] = rows[j]
            else:
                for j in range(n):
                    table[j] = r[4] + (item * c[PER_BLOCK] + j) * r[5] * size
                    line = view(zero, table[j], features)
                    for k in range(features):
                        line[k] = dtype(view(other, rows[j] + k * c[X_COLUMN], 1)[0])

    return pack_samples


def make_check_samples(dtype: Any, source: Any) -> Callable[..., None]:
    """Operands: features. Note in the place of the step's loss if a sample of the block holds NaN or infinity.

    ``source`` is the dtype of the user's array. Rows that are read next are in the cache then.
    """
    size = source().itemsize

    def check_samples(context, record, item, base, scratch):
        wide_vectors()
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 1)
        n = block_lanes(c, item, size)[0]
        rows = view(0, scratch, n)
        find_rows(c, item, n, n, c[X], c[X_ROW], scratch)
        wrong = 0
        for j in range(n):
            if has_nonfinite(source(0), size, rows[j], r[0], c[X_COLUMN]):
                wrong += 1
        if wrong > 0:
            view(0.0, c[LOSS], 1)[0] = 1.0

    return check_samples


def make_pack_targets(dtype: Any, source: Any, labels: bool) -> Callable[..., None]:
    """Operands: tensor, bytes between blocks, outputs, weight tensor (one row), classes.

    Integer labels, one for each position, become one-hot rows: 1 at the label, 0 elsewhere.
    """
    size = dtype().itemsize
    as_they_are = source is dtype and not labels

    def pack_targets(context, record, item, base, scratch):
        zero, one, other = dtype(0), dtype(1), source(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        weight = view(zero, r[3] + base, lanes)
        target, first = r[0] + base, 0
        rows = view(0, scratch, BLOCK)
        if c[WEIGHT] == 0:
            for j in range(lanes):
                weight[j] = one
        else:
            find_rows(c, item, n, lanes, c[WEIGHT], size, scratch)
            for j in range(lanes):
                weight[j] = view(zero, rows[j], 1)[0]
        find_rows(c, item, n, lanes, c[Y], c[Y_ROW], scratch)
        if as_they_are and c[Y_COLUMN] == size:
            first = transpose_rows(zero, size, scratch, lanes, r[2], target)
        column = c[Y_COLUMN]
        if labels:
            found = view(0, scratch + 8 * BLOCK, lanes)
            for i in range(0, r[2], r[4]):
                for j in range(lanes):
                    found[j] = view(other, rows[j] + i // r[4] * column, 1)[0]
                for k in range(r[4]):
                    line = view(zero, target + (i + k) * BLOCK * size, lanes)
                    for j in range(lanes):
                        line[j] = one if found[j] == k else zero
        else:
            for i in range(first, r[2]):
                line = view(zero, target + i * BLOCK * size, lanes)
                for j in range(lanes):
                    line[j] = dtype(view(other, rows[j] + i * column, 1)[0])

    return pack_targets


def make_unpack(dtype: Any) -> Callable[..., None]:
    """Operands: tensor, bytes between blocks, rows. Writes row ``FIRST + j`` of the predictions for sample j."""
    size = dtype().itemsize

    def unpack(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 3)
        n, lanes = block_lanes(c, item, size)
        width, rows = VECTOR_BYTES // size, r[2]
        source, target = r[0] + base, c[OUT] + (c[FIRST] + item * c[PER_BLOCK]) * c[OUT_ROW] * size
        # whole tiles of samples and rows first: a tile writes nothing beyond them
        samples, features = n // width * width, rows // width * width
        for j in range(0, samples, width):
            for k in range(0, features, width):
                transpose_tile(zero, 0, source + (k * BLOCK + j) * size, BLOCK, target + (j * c[OUT_ROW] + k) * size,
                               c[OUT_ROW])  # fmt: skip
        block = view(zero, source, rows * BLOCK)
        for j in range(n):
            out = view(zero, target + j * c[OUT_ROW] * size, rows)
            for i in range(features if j < samples else 0, rows):
                out[i] = block[i * BLOCK + j]

    return unpack
