"""Weight gradients of layers that multiply every position of a sequence by the same weights.

As ``dense.make_dense_backward_weights``, but a position's rows of all samples lie in one piece, and where the features
leave a lane idle it holds a 1: its column of the sums is the bias's gradient, since a product with 1 is the factor
itself. (LSTM, 28 steps of 28 features to 64 units, batch 64: W's gradient and what it reads 560 us without, 330 with.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._jit import TILE_VECTORS, VECTOR_BYTES, op
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, PER_BLOCK, SAMPLES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._recording import Gradient
from fastnn.backends.numba_backend._tiles import transpose_tile
from fastnn.backends.numba_backend.dense import (
    FINISH,
    FINISH_OPERANDS,
    ROWS_PER_ITEM,
    _add_products,
    _add_samples,
    add_pairwise,
    block_at,
    block_lanes,
    finish_pairwise,
    lower_backward_weights,
    rows_per_item,
)
from fastnn.contract import SAMPLE_BLOCK
from fastnn.plan.plan import Op, Parameter, Tensor


def make_keep_positions(dtype: Any) -> Callable[..., None]:
    """Copy a tensor's block sample by sample, position by position, for the weight gradients.

    Operands: A, bytes between blocks, features of a position, target, elements between its rows, positions, bytes
    between positions, and whether a 1 stands behind each row's features.
    """
    size = dtype().itemsize

    def keep_positions(context, record, item, base, scratch):
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 8)
        n, lanes = block_lanes(c, item, size)
        width = VECTOR_BYTES // size
        features, row = r[2], r[4]
        source = r[0] + base
        target = r[3] + item * c[PER_BLOCK] * row * size
        for _ in range(r[5]):
            for j in range(0, lanes, width):
                for k in range(0, features, width):
                    transpose_tile(zero, 0, source + (k * BLOCK + j) * size, BLOCK, target + (j * row + k) * size, row)
            if r[7]:
                rows = view(zero, target, lanes * row)
                for j in range(lanes):
                    rows[j * row + features] = one
            source += features * BLOCK * size
            target += r[6]

    return keep_positions


def make_positions_backward_weights(dtype: Any, finish: Callable[..., None]) -> Callable[..., None]:
    """Sum weight gradients tile by tile and hand each finished tile to ``finish``; lanes are features.

    Operands: dZ (address of block 0), bytes between blocks, table of A's sample rows, units, features, offset of W and
    of b (-1 for none) in the parameter vector, units per item, positions, bytes between positions, whether a 1 stands
    behind the features; then ``finish``'s, for W and for b.
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size
    panel = TILE_VECTORS * width
    most = ROWS_PER_ITEM * (panel + 1)
    level_bytes = most * size

    def positions_backward_weights(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        c, r = view(0, context, 20), view(0, record + 8 * OPERANDS, 11)
        samples, per, units, features, group = c[SAMPLES], c[PER_BLOCK], r[3], r[4], r[7]
        for_weights, for_bias = record + 8 * FINISH, record + 8 * (FINISH + FINISH_OPERANDS)
        groups = (units + group - 1) // group
        sums, biases = view(zero, scratch, most), scratch + ROWS_PER_ITEM * panel * size
        for item in range(first_item, last_item):
            k, m = item // groups * panel, item % groups * group
            rows, columns = min(units - m, group), min(panel, features - k)
            with_bias = r[6] >= 0 and k + panel >= features
            vectors = (columns + (1 if with_bias and r[10] else 0) + width - 1) // width
            for i in range(most):
                sums[i] = zero
            finished = 0
            for first in range(0, samples, SAMPLE_BLOCK):
                last = min(samples, first + SAMPLE_BLOCK)
                for p in range(r[8]):
                    for start in range(first, last, per):
                        # invariant: sums hold this SAMPLE_BLOCK's positions before p, and of p the samples before start
                        n = min(per, last - start)
                        a = block_at(c, r[0], r[1], start) + (p * units + m) * BLOCK * size
                        _add_products(zero, size, a, r[2] + start * 8, p * r[9] + k * size, scratch, panel, rows,
                                     vectors, n)  # fmt: skip
                        if with_bias and not r[10]:
                            _add_samples(zero, size, a, biases, rows, n)
                if samples > SAMPLE_BLOCK:
                    add_pairwise(zero, scratch, level_bytes, most, finished)
                    finished += 1
                    for i in range(most):
                        sums[i] = zero
            if finished:
                finish_pairwise(zero, scratch, level_bytes, most, finished)
            finish(zero, size, context, for_weights, r[5] + m * features + k, features, scratch, panel * size, rows,
                   columns)  # fmt: skip
            if with_bias:
                if r[10]:
                    for i in range(rows):
                        sums[ROWS_PER_ITEM * panel + i] = sums[i * panel + columns]
                finish(zero, size, context, for_bias, r[6] + m, 0, biases, 0, 1, rows)

    return positions_backward_weights


def lower_weights(o: Op, low: Any) -> list[Gradient]:
    """Keep what the weights' gradient reads, and return its recipe; that of ``dense`` where there is one position."""
    dz, a, w, b = (o.operands[name] for name in ("dZ", "A", "W", "b"))
    assert isinstance(dz, Tensor) and isinstance(a, Tensor) and isinstance(w, Parameter)
    positions, (units, features) = o.static["positions"], w.shape
    width = VECTOR_BYTES // low.size
    ones = isinstance(b, Parameter) and features % width > 0
    along = units * -(-features // width)
    # across units dZ is copied, at about what it takes to multiply it by nine features
    if positions == 1 or (features + 9) * -(-units // width) < along:
        return lower_backward_weights(o, low)
    panel = TILE_VECTORS * width
    panels = -(-features // panel)
    group = rows_per_item(units, panels)
    table, step = keep(low, a, features, positions)
    at, between = low.lasting(dz)
    operands = (at, between, table, units, features, w.offset, b.offset if isinstance(b, Parameter) else -1, group,
                positions, step, int(ones))  # fmt: skip
    parameters = (w, b if isinstance(b, Parameter) else w)
    cost = min(units, group) * min(features, panel) * positions
    return [Gradient(make_positions_backward_weights, panels * -(-units // group), operands, parameters, cost)]


def keep(low: Any, a: Tensor, features: int, positions: int) -> tuple[int, int]:
    """Keep a tensor sample by sample; return the table of its rows' addresses and the bytes between positions."""
    key = "positions", a.index, features
    if key not in low.rows_kept:
        width = VECTOR_BYTES // low.size
        row, samples = -(-features // width) * width, low.samples
        between = samples * row * low.size
        at = low.buffer(samples * row * positions + width)
        low.rows_kept[key] = low.table(at + np.arange(samples, dtype=np.int64) * row * low.size), between
        low.record(op(make_keep_positions, low.dtype), 0, low.at(a), low.block_bytes, features, at, row, positions,
                   between, int(features % width > 0))  # fmt: skip
    return low.rows_kept[key]  # type: ignore[no-any-return]


LOWER_GRADIENTS = {"dense_backward_weights": lower_weights}
