"""Sums of a channel's values over the places of a sample, lanes being samples, and over the samples of a minibatch.

The counterpart of ``numpy_backend/sums.py``. The sum over samples goes through a chain of additions for each channel:
rows are transposed by vector shuffles so that a vector holds as many channels as it has lanes, and no lane ever adds
what belongs to another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, PAIR_LEVELS, PER_BLOCK, SAMPLES, SCRATCH_BYTES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._pairwise import add_pairwise, finish_pairwise
from fastnn.backends.numba_backend._processor import VECTOR_BYTES
from fastnn.backends.numba_backend._recording import Gradient, Recipe, rows_of
from fastnn.backends.numba_backend._tiles import FROM_MEMORY, product_tile, transpose_tile
from fastnn.backends.numba_backend.activation import long_rows
from fastnn.backends.numba_backend.dense import block_lanes, sample_at
from fastnn.contract import SAMPLE_BLOCK
from fastnn.formulas.primitives import like
from fastnn.plan.plan import Op, Parameter, Tensor

PANEL_BYTES = VECTOR_BYTES
"""Channels of one item, in bytes: one vector."""

LEVELS_BYTES = (PAIR_LEVELS + 2) * PANEL_BYTES
TILE_AT = LEVELS_BYTES
ONE_AT = TILE_AT + BLOCK * VECTOR_BYTES
assert ONE_AT + 8 <= SCRATCH_BYTES


@inner
def add_rows(zero, size, a, to, rows, n, scratch):
    """Add one block's ``n`` samples to the sums of ``rows`` rows, at most a vector of them, sample by sample."""
    width = VECTOR_BYTES // size
    if rows == width:
        # a product with 1 is exact
        view(zero, scratch + ONE_AT, 1)[0] = like(zero, 1)
        for j in range(0, n, width):
            transpose_tile(zero, 0, a + j * size, BLOCK, scratch + TILE_AT + j * VECTOR_BYTES, width)
        product_tile(zero, 1, 1, FROM_MEMORY, 0, scratch + ONE_AT, 0, 0, scratch + TILE_AT, width, to, 0, 0, n)
        return
    sums = view(zero, to, rows)
    for i in range(rows):
        x = view(zero, a + i * BLOCK * size, n)
        s = sums[i]
        for j in range(n):
            s += x[j]
        sums[i] = s


@inner
def sum_rows(zero, size, c, a, between, rows, scratch):
    """Write the sums over samples (rule 3) of ``rows`` rows, at most a vector of them, to ``scratch``."""
    width = VECTOR_BYTES // size
    sums = view(zero, scratch, width)
    for i in range(width):
        sums[i] = zero
    samples, per = c[SAMPLES], c[PER_BLOCK]
    finished = 0
    for first in range(0, samples, SAMPLE_BLOCK):
        last = min(samples, first + SAMPLE_BLOCK)
        for start in range(first, last, per):
            # invariant: sums hold this SAMPLE_BLOCK's samples before start
            add_rows(
                zero,
                size,
                sample_at(c, a, size, between, start),
                scratch,
                rows,
                min(per, last - start),
                scratch,
            )
        if samples > SAMPLE_BLOCK:
            add_pairwise(zero, scratch, PANEL_BYTES, width, finished)
            finished += 1
            for i in range(width):
                sums[i] = zero
    if finished:
        finish_pairwise(zero, scratch, PANEL_BYTES, width, finished)


def make_position_sums(dtype: Any) -> Callable[..., None]:
    """Operands: A, S, bytes between blocks, channels, positions."""
    size = dtype().itemsize

    def position_sums(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        rows, lanes = long_rows(r[3], lanes)
        for i in range(rows):
            s = view(zero, r[1] + base + i * BLOCK * size, lanes)
            for j in range(lanes):
                s[j] = zero
        for p in range(r[4]):
            for i in range(rows):
                a = view(zero, r[0] + base + (p * r[3] + i) * BLOCK * size, lanes)
                s = view(zero, r[1] + base + i * BLOCK * size, lanes)
                for j in range(lanes):
                    s[j] += a[j]

    return position_sums


def make_batch_sums(dtype: Any) -> Callable[..., None]:
    """Operands: S, total, mean, bytes between blocks, channels, positions. An item is a vector of channels."""
    size = dtype().itemsize
    width = VECTOR_BYTES // size

    def batch_sums(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        c, r = view(0, context, 20), view(0, record + 8 * OPERANDS, 6)
        terms = like(zero, c[SAMPLES] * r[5])
        sums = view(zero, scratch, width)
        for item in range(first_item, last_item):
            first = item * width
            rows = min(width, r[4] - first)
            sum_rows(zero, size, c, r[0] + first * BLOCK * size, r[3], rows, scratch)
            total, mean = view(zero, r[1] + first * size, rows), view(zero, r[2] + first * size, rows)
            for i in range(rows):
                total[i] = sums[i]
                mean[i] = sums[i] / terms

    return batch_sums


def make_sample_sums(dtype: Any, finish: Callable[..., None]) -> Callable[..., None]:
    """Sum what each sample has for every element of a parameter; hand the sums to ``finish`` (``_dense_weights.py``).

    Operands: G (address of block 0), bytes between blocks, elements, offset in the parameter vector; then ``finish``'s.
    An item is a vector of elements.
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size

    def sample_sums(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        c, r = view(0, context, 20), view(0, record + 8 * OPERANDS, 4)
        for item in range(first_item, last_item):
            first = item * width
            rows = min(width, r[2] - first)
            sum_rows(zero, size, c, r[0] + first * BLOCK * size, r[1], rows, scratch)
            finish(zero, size, context, record + 8 * (OPERANDS + 4), r[3] + first, 0, scratch, 0, 1, rows)

    return sample_sums


FINISHED_AT_ONCE = 1024
"""Elements in one item of ``batch_sums_gradient``."""


def make_batch_sums_gradient(dtype: Any, finish: Callable[..., None]) -> Callable[..., None]:
    """Hand sums over the minibatch to ``finish`` (see ``_dense_weights.py``), which may write where they lie.

    Operands: total, elements, offset in the parameter vector; then ``finish``'s.
    """
    size = dtype().itemsize

    def batch_sums_gradient(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        r = view(0, record + 8 * OPERANDS, 3)
        for item in range(first_item, last_item):
            first = item * FINISHED_AT_ONCE
            n = min(FINISHED_AT_ONCE, r[1] - first)
            finish(zero, size, context, record + 8 * (OPERANDS + 3), r[2] + first, 0, r[0] + first * size, 0, 1, n)

    return batch_sums_gradient


def panels(rows: int, size: int) -> int:
    """Return how many vectors hold a value for each of ``rows``."""
    return -(-rows * size // VECTOR_BYTES)


def lower_sample_sums(o: Op, low: Any) -> list[Gradient]:
    """Return the recipe of a parameter's gradient by samples."""
    g, w = o.operands["G"], o.operands["W"]
    assert isinstance(g, Tensor) and isinstance(w, Parameter)
    at, between = low.lasting(g)
    cost = VECTOR_BYTES // low.size * 2
    return [Gradient(make_sample_sums, panels(w.size, low.size), (at, between, w.size, w.offset), (w,), cost)]


def lower_batch_sums_gradient(o: Op, low: Any) -> list[Gradient]:
    """Return the recipe of a gradient that is summed already."""
    total, w = o.operands["total"], o.operands["W"]
    assert isinstance(total, Tensor) and isinstance(w, Parameter)
    return [Gradient(make_batch_sums_gradient, -(-w.size // FINISHED_AT_ONCE), (low.at(total), w.size, w.offset), (w,))]


def lower_batch_sums(o: Op, low: Any) -> Recipe:
    """Return the record of the sums over a minibatch."""
    rows = rows_of(o, "S")
    return Recipe(make_batch_sums, (), ("S", "total", "mean"), (rows, o.static["positions"]), work=4.0 * rows,
                  items=panels(rows, low.size))  # fmt: skip


LOWER = {
    "position_sums": lambda o, low: Recipe(
        make_position_sums, (), ("A", "S"), (rows_of(o, "S"), o.static["positions"]), work=2.0 * rows_of(o, "A")
    ),
    "batch_sums": lower_batch_sums,
}

LOWER_GRADIENTS = {"sample_sums": lower_sample_sums, "batch_sums_gradient": lower_batch_sums_gradient}
