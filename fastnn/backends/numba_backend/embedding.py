"""Embeddings over a block: a sample's row of the table is contiguous, and vector shuffles turn it into a column.

The counterpart of ``numpy_backend/embedding.py``. In the gradient, an item has every eighth row of the table, so that
common words, which often have the lowest numbers, are spread; it looks through all numbers for its own, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, PER_BLOCK, SAMPLES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._pairwise import add_pairwise, finish_pairwise
from fastnn.backends.numba_backend._processor import VECTOR_BYTES
from fastnn.backends.numba_backend._recording import Gradient, Recipe, rows_of, shape_of
from fastnn.backends.numba_backend._tiles import transpose_tile
from fastnn.backends.numba_backend.dense import block_lanes, sample_at
from fastnn.contract import SAMPLE_BLOCK
from fastnn.formulas.primitives import like
from fastnn.plan.plan import Op, Parameter, Tensor

STRANDS = 8
"""Items of the gradient (a power of two)."""

SUMS = OPERANDS + 10
"""Where the operands of ``finish`` start in the record of the gradient."""


@inner
def table_row(zero, number, rows):
    """Return the row of the table that a number stands for; what lies outside is taken for the nearest row."""
    last = like(zero, rows - 1)
    x = number if number > zero else zero
    x = x if x < last else last
    return min(int(x), rows - 1)


def make_embedding_forward(dtype: Any) -> Callable[..., None]:
    """Operands: A, E, Z, bytes between blocks, places, rows of the table, their elements."""
    size = dtype().itemsize
    width = VECTOR_BYTES // size

    def embedding_forward(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        length = r[6]
        rows = view(0, scratch, BLOCK)
        for p in range(r[4]):
            a = view(zero, r[0] + base + p * BLOCK * size, lanes)
            for j in range(lanes):
                rows[j] = r[1] + table_row(zero, a[j], r[5]) * length * size
            z = r[2] + base + p * length * BLOCK * size
            d = 0
            while d + width <= length:
                for j in range(0, lanes, width):
                    transpose_tile(zero, 1, scratch + 8 * j, d * size, z + (d * BLOCK + j) * size, BLOCK)
                d += width
            while d < length:
                line = view(zero, z + d * BLOCK * size, lanes)
                for j in range(lanes):
                    line[j] = view(zero, rows[j] + d * size, 1)[0]
                d += 1

    return embedding_forward


def make_embedding_backward_weights(dtype: Any, finish: Callable[..., None]) -> Callable[..., None]:
    """Sum the gradients of a table's rows and hand them to ``finish`` (see ``_dense_weights.py``).

    Operands: table of addresses of dZ's samples, bytes between their places, A (address of block 0), bytes between
    blocks, places, rows of the table, their elements, the table's offset in the parameter vector, workspace as large as
    the table, bytes from one level of partial sums to the next; then ``finish``'s. Item ``i`` has the rows ``i``,
    ``i + STRANDS``, ...
    """
    size = dtype().itemsize

    def embedding_backward_weights(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        c, r = view(0, context, 20), view(0, record + 8 * OPERANDS, 10)
        samples, per, rows, length = c[SAMPLES], c[PER_BLOCK], r[5], r[6]
        gradients = view(0, r[0], samples)
        for item in range(first_item, last_item):
            for k in range(item, rows, STRANDS):
                total = view(zero, r[8] + k * length * size, length)
                for d in range(length):
                    total[d] = zero
            finished = 0
            for first in range(0, samples, SAMPLE_BLOCK):
                last = min(samples, first + SAMPLE_BLOCK)
                for p in range(r[4]):
                    for start in range(first, last, per):
                        # invariant: sums hold this SAMPLE_BLOCK's places before p, and of p the samples before start
                        a = view(zero, sample_at(c, r[2], size, r[3], start) + p * BLOCK * size, per)
                        for j in range(min(per, last - start)):
                            k = table_row(zero, a[j], rows)
                            if k & (STRANDS - 1) == item:
                                total = view(zero, r[8] + k * length * size, length)
                                dz = view(zero, gradients[start + j] + p * r[1], length)
                                for d in range(length):
                                    total[d] += dz[d]
                if samples > SAMPLE_BLOCK:
                    for k in range(item, rows, STRANDS):
                        at = r[8] + k * length * size
                        add_pairwise(zero, at, r[9], length, finished)
                        total = view(zero, at, length)
                        for d in range(length):
                            total[d] = zero
                    finished += 1
            if finished:
                for k in range(item, rows, STRANDS):
                    finish_pairwise(zero, r[8] + k * length * size, r[9], length, finished)
            mine = (rows - item + STRANDS - 1) // STRANDS
            finish(zero, size, context, record + 8 * SUMS, r[7] + item * length, STRANDS * length,
                   r[8] + item * length * size, STRANDS * length * size, mine, length)  # fmt: skip

    return embedding_backward_weights


def lower_backward_weights(o: Op, low: Any) -> list[Gradient]:
    """Keep what the table's gradient reads, and return its recipe."""
    dz, a, e = (o.operands[name] for name in ("dZ", "A", "E"))
    assert isinstance(dz, Tensor) and isinstance(a, Tensor) and isinstance(e, Parameter)
    rows, length = e.shape
    table, step = low.sample_rows(dz, length)
    at, between = low.lasting(a)
    blocks = -(-low.samples // SAMPLE_BLOCK)
    levels = 1 if blocks == 1 else 1 + blocks.bit_length()
    operands = (table, step, at, between, a.rows, rows, length, e.offset, low.buffer(levels * e.size),
                e.size * low.size)  # fmt: skip
    cost = a.rows * (length // STRANDS + STRANDS)
    return [Gradient(make_embedding_backward_weights, min(STRANDS, rows), operands, (e,), cost)]


LOWER = {
    "embedding_forward": lambda o, low: Recipe(
        make_embedding_forward, (), ("A", "E", "Z"), (rows_of(o, "A"), *shape_of(o, "E"))
    ),
}

LOWER_GRADIENTS = {"embedding_backward_weights": lower_backward_weights}
