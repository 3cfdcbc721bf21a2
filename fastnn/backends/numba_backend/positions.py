"""Weight gradients of layers that multiply every position of a sequence by the same weights.

Each block sums its own samples' part while what it reads is in its core's cache, so that between cores only a set of
partial sums a block moves (LSTM, 28 steps of 28 features to 64 units, batch 64, two cores: a step 1854 to 1600 us).
A group of samples goes through a few positions at a time, for which one factor is transposed, so that lanes are weights
and no sum runs across lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._dense_weights import lower_backward_weights
from fastnn.backends.numba_backend._jit import TILE_VECTORS, VECTOR_BYTES, inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, SCRATCH_BYTES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._panel_weights import lower_panel_weights, takes_panels
from fastnn.backends.numba_backend._recording import Gradient
from fastnn.backends.numba_backend._sample_groups import (
    combine_groups,
    make_position_sums,
    make_sum_partials,
    partial_items,
)
from fastnn.backends.numba_backend._tiles import FROM_MEMORY, FROM_ZERO, positions_tile, transpose_tile
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.contract import SAMPLE_GROUP
from fastnn.plan.plan import Op, Parameter, Tensor

CHUNK = 4
"""Positions that a group of samples goes through together: what is transposed for them stays in the first cache."""

ROWS = 256
"""Most rows of weights that go through the positions together; their sums take up 64 KiB a group of samples."""

PANEL_BYTES = TILE_VECTORS * VECTOR_BYTES
RIGHT_BYTES = max(BLOCK, CHUNK * SAMPLE_GROUP) * PANEL_BYTES
assert RIGHT_BYTES + BLOCK // SAMPLE_GROUP * ROWS * PANEL_BYTES <= SCRATCH_BYTES


def _make_add_tile(start: int) -> Any:
    @inner
    def add_tile(zero, rows, vectors, a, a_p, b, row, b_p, to, positions, count):
        """Add the products of some positions and a group of samples to the sums of ``rows`` (4 or 1) rows."""
        v = 0
        while v < vectors:
            at, c = b + v * VECTOR_BYTES, to + v * VECTOR_BYTES
            if rows == 4:
                if vectors - v >= TILE_VECTORS:
                    positions_tile(zero, 4, TILE_VECTORS, start, a, BLOCK, a_p, at, row, b_p, c, row, positions, count)
                    v += TILE_VECTORS
                elif vectors - v >= 2:
                    positions_tile(zero, 4, 2, start, a, BLOCK, a_p, at, row, b_p, c, row, positions, count)
                    v += 2
                else:
                    positions_tile(zero, 4, 1, start, a, BLOCK, a_p, at, row, b_p, c, row, positions, count)
                    v += 1
            elif vectors - v >= TILE_VECTORS:
                positions_tile(zero, 1, TILE_VECTORS, start, a, BLOCK, a_p, at, row, b_p, c, row, positions, count)
                v += TILE_VECTORS
            else:
                positions_tile(zero, 1, 1, start, a, BLOCK, a_p, at, row, b_p, c, row, positions, count)
                v += 1

    return add_tile


_start_tile, _continue_tile = _make_add_tile(FROM_ZERO), _make_add_tile(FROM_MEMORY)


def make_positions_partials(dtype: Any, across_units: bool) -> Callable[..., None]:
    """Sum the gradient of weights over the positions and the samples of a block.

    Operands: dZ, A, bytes between blocks, partial sums (one set of weights a block), units, features, positions. Lanes
    are features or, ``across_units``, units: what suits layers of few features.
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size
    panel = TILE_VECTORS * width
    most = ROWS * panel

    def positions_partials(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        units, features = r[4], r[5]
        left, right, all_rows, all_columns = r[0] + base, r[1] + base, units, features
        if across_units:
            left, right, all_rows, all_columns = r[1] + base, r[0] + base, features, units
        partials = r[3] + item * units * features * size
        transposed, totals = scratch, scratch + RIGHT_BYTES
        groups = (n + SAMPLE_GROUP - 1) // SAMPLE_GROUP
        chunk = max(1, CHUNK * SAMPLE_GROUP // lanes)
        a_p = all_rows * BLOCK
        for k in range(0, all_columns, panel):
            columns = min(panel, all_columns - k)
            vectors = (columns + width - 1) // width
            row = vectors * width
            for m in range(0, all_rows, ROWS):
                rows = min(ROWS, all_rows - m)
                for p in range(0, r[6], chunk):
                    # invariant: the groups' sums hold the positions before p
                    steps = min(chunk, r[6] - p)
                    for q in range(steps):
                        source = right + ((p + q) * all_columns + k) * BLOCK * size
                        target = transposed + q * lanes * row * size
                        for i in range(0, columns, width):
                            for j in range(0, lanes, width):
                                transpose_tile(zero, 0, source + (i * BLOCK + j) * size, BLOCK,
                                               target + (j * row + i) * size, row)  # fmt: skip
                    i = 0
                    while i < rows:
                        some = 4 if i + 4 <= rows else 1
                        for g in range(groups):
                            first = g * SAMPLE_GROUP
                            count = min(SAMPLE_GROUP, n - first)
                            a = left + ((p * all_rows + m + i) * BLOCK + first) * size
                            b = transposed + first * row * size
                            to = totals + (g * most + i * row) * size
                            if p == 0:
                                _start_tile(zero, some, vectors, a, a_p, b, row, lanes * row, to, steps, count)
                            else:
                                _continue_tile(zero, some, vectors, a, a_p, b, row, lanes * row, to, steps, count)
                        i += some
                combine_groups(zero, size, totals, most, rows * row, n)
                for i in range(rows):
                    sums = view(zero, totals + i * row * size, columns)
                    if across_units:
                        target = view(zero, partials + (k * features + m + i) * size, columns * features)
                        for j in range(columns):
                            target[j * features] = sums[j]
                    else:
                        target = view(zero, partials + ((m + i) * features + k) * size, columns)
                        for j in range(columns):
                            target[j] = sums[j]

    return positions_partials


def is_summed_in_blocks(o: Op, samples: int) -> bool:
    """Whether an op is the sum of weights at many positions and has, in a block, more terms to keep than weights."""
    if o.kind != "dense_backward_weights" or o.static["positions"] == 1:
        return False
    w = o.operands["W"]
    assert isinstance(w, Parameter)
    units, features = w.shape
    return units * features <= samples * o.static["positions"] * (units + features)


def lower_weights(o: Op, low: Any) -> list[Gradient]:
    """Record the sums over positions while blocks are at hand; return the sums over blocks."""
    dz, a, w, b = (o.operands[name] for name in ("dZ", "A", "W", "b"))
    assert isinstance(dz, Tensor) and isinstance(a, Tensor) and isinstance(w, Parameter)
    positions, (units, features) = o.static["positions"], w.shape
    if takes_panels(o, low.size, low.samples):
        return lower_panel_weights(o, low)
    if positions == 1:
        return lower_backward_weights(o, low, b if isinstance(b, Parameter) else None)
    found = []
    if is_summed_in_blocks(o, low.per):
        width = VECTOR_BYTES // low.size
        across = features * -(-units // width) < units * -(-features // width)
        low.record_block_op(make_positions_partials, low.at(dz), low.at(a), low.block_bytes, low.partials(w), units,
                            features, positions, static=(across,), work=2.0 * positions * w.size)  # fmt: skip
        found.append(Gradient(make_sum_partials, partial_items(w), (low.partials(w), w.size, w.offset), (w,)))
    else:
        found += lower_backward_weights(o, low, None)
    if isinstance(b, Parameter):
        low.record_block_op(make_position_sums, low.at(dz), low.block_bytes, low.partials(b), units, positions,
                            work=1.0 * dz.rows)  # fmt: skip
        found.append(Gradient(make_sum_partials, partial_items(b), (low.partials(b), b.size, b.offset), (b,)))
    return found


LOWER_GRADIENTS = {"dense_backward_weights": lower_weights}
