"""Sums over samples where each sample's terms are summed first: rule 3 with groups of ``SAMPLE_GROUP`` samples.

A kernel that works on a block has, for each weight, a row of sums, one per sample. Here a block's rows become one
partial sum each (its groups in order, then pairwise: a block of 16, 32 or 64 samples is one node of the tree), and
afterwards, over all blocks, the partial sums become gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, PER_BLOCK, SAMPLES, SCRATCH_BYTES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._processor import VECTOR_BYTES
from fastnn.backends.numba_backend._tiles import FROM_MEMORY, FROM_ZERO, product_tile, transpose_tile
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.contract import SAMPLE_GROUP
from fastnn.plan.plan import Parameter

LANE_SUM_BYTES = VECTOR_BYTES + VECTOR_BYTES * (VECTOR_BYTES // 4)
"""Scratch that ``sum_lanes_of`` takes: a one, and a square tile."""


@inner
def sum_lanes_of(zero, size, rows_at, between, rows, first, n, totals, most, scratch):
    """Add one vector of samples to its group's sums: ``totals[group, i] += rows[i, j]`` for the lanes j in use.

    Rows lie ``between`` elements apart; the vector's first sample is number ``first`` of ``n``. Groups lie ``most``
    elements apart, a multiple of the vector's width. Transposed tile by tile, so that 16 rows are added at a time;
    a product by one changes no bit.
    """
    width = VECTOR_BYTES // size
    view(zero, scratch, 1)[0] = zero + 1
    tile = scratch + VECTOR_BYTES
    to = totals + first // SAMPLE_GROUP * most * size
    if first % SAMPLE_GROUP == 0:
        total = view(zero, to, (rows + width - 1) // width * width)
        for i in range(len(total)):
            total[i] = zero
    for i in range(0, rows, width):
        transpose_tile(zero, 0, rows_at + i * between * size, between, tile, width)
        at = to + i * size
        product_tile(zero, 1, 1, FROM_MEMORY, 0, scratch, 0, 0, tile, width, at, 0, 0, min(width, n - first))


@inner
def combine_groups(zero, size, totals, most, rows, n):
    """Combine the groups of a block of ``n`` samples pairwise into the first."""
    groups = (n + SAMPLE_GROUP - 1) // SAMPLE_GROUP
    step = 1
    while step < groups:
        for g in range(0, groups - step, 2 * step):
            left = view(zero, totals + g * most * size, rows)
            right = view(zero, totals + (g + step) * most * size, rows)
            for i in range(rows):
                left[i] = left[i] + right[i]
        step *= 2


def _make_add_rows(start: int) -> Any:
    @inner
    def add_rows(zero, one, source, between, to, count, two):
        """Add ``count`` rows, ``between`` elements apart, of two vectors or one; a product by one changes no bit."""
        if two:
            product_tile(zero, 1, 2, start, 0, one, 0, 0, source, between, to, 0, 0, count)
        else:
            product_tile(zero, 1, 1, start, 0, one, 0, 0, source, between, to, 0, 0, count)

    return add_rows


_start_rows, _continue_rows = _make_add_rows(FROM_ZERO), _make_add_rows(FROM_MEMORY)


@inner
def add_positions(zero, size, source, between, rows, steps, begins, to, lanes, one):
    """Add ``steps`` positions of a block, ``between`` elements apart, to the rows of sums at ``to``, or begin them.

    ``one`` is the address of a one.
    """
    wide = 2 * VECTOR_BYTES // size
    for i in range(0, rows * BLOCK, BLOCK):
        for v in range(0, lanes, wide):
            at, sums = source + (i + v) * size, to + (i + v) * size
            if begins:
                _start_rows(zero, one, at, between, sums, steps, 2 * (lanes - v) > wide)
            else:
                _continue_rows(zero, one, at, between, sums, steps, 2 * (lanes - v) > wide)


@inner
def sum_samples(zero, size, sums, rows, n, totals, most, target, scratch):
    """Add up rows of one sum a sample: group by group of a block of ``n`` samples, then pairwise."""
    width = VECTOR_BYTES // size
    for first in range(0, n, width):
        sum_lanes_of(zero, size, sums + first * size, BLOCK, rows, first, n, totals, most, scratch)
    combine_groups(zero, size, totals, most, rows, n)
    source, to = view(zero, totals, rows), view(zero, target, rows)
    for i in range(rows):
        to[i] = source[i]


def make_position_sums(dtype: Any) -> Callable[..., None]:
    """Sum a tensor over the positions and the samples of a block: the gradient of biases.

    Operands: tensor, bytes between blocks, partial sums (one row a block), features of a position, positions.
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size
    room = SCRATCH_BYTES - LANE_SUM_BYTES
    most = room // (BLOCK * size + BLOCK // SAMPLE_GROUP * size) // width * width

    def position_sums(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        features = r[3]
        view(zero, scratch, 1)[0] = zero + 1
        totals = scratch + LANE_SUM_BYTES
        sums = totals + BLOCK // SAMPLE_GROUP * most * size
        for k in range(0, features, most):
            rows = min(most, features - k)
            for p in range(0, r[4], SAMPLE_GROUP):
                # invariant: sums hold, sample by sample, the positions before p
                add_positions(zero, size, r[0] + base + (p * features + k) * BLOCK * size, features * BLOCK, rows,
                              min(SAMPLE_GROUP, r[4] - p), p == 0, sums, lanes, scratch)  # fmt: skip
            sum_samples(zero, size, sums, rows, n, totals, most, r[2] + (item * features + k) * size, scratch)

    return position_sums


ITEM = 1024
"""Weights of one item of ``sum_partials``."""


def partial_items(parameter: Parameter) -> int:
    """Return how many items the sums of a parameter's partial sums have."""
    return -(-parameter.size // ITEM)


def make_sum_partials(dtype: Any, finish: Callable[..., None]) -> Callable[..., None]:
    """Combine the blocks' partial sums pairwise, and hand them to ``finish`` (see ``_dense_weights.py``).

    Operands: partial sums, elements of the parameter, its offset in the parameter vector; then ``finish``'s.
    """
    size = dtype().itemsize

    def sum_partials(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 3)
        blocks = (c[SAMPLES] + c[PER_BLOCK] - 1) // c[PER_BLOCK]
        first = first_item * ITEM
        n = min(r[1], last_item * ITEM) - first
        at = r[0] + first * size
        step = 1
        while step < blocks:
            for b in range(0, blocks - step, 2 * step):
                left, right = view(zero, at + b * r[1] * size, n), view(zero, at + (b + step) * r[1] * size, n)
                for i in range(n):
                    left[i] = left[i] + right[i]
            step *= 2
        finish(zero, size, context, record + 8 * (OPERANDS + 3), r[2] + first, 0, at, 0, 1, n)

    return sum_partials
