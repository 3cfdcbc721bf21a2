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
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, SCRATCH_BYTES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._panel_weights import lower_panel_weights, takes_panels
from fastnn.backends.numba_backend._processor import TILE_VECTORS, VECTOR_BYTES
from fastnn.backends.numba_backend._recording import Gradient
from fastnn.backends.numba_backend._sample_groups import (
    LANE_SUM_BYTES,
    add_positions,
    combine_groups,
    make_position_sums,
    make_sum_partials,
    partial_items,
    sum_samples,
)
from fastnn.backends.numba_backend._tiles import FROM_MEMORY, FROM_ZERO, positions_tile, transpose_tile
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.contract import SAMPLE_GROUP
from fastnn.plan.plan import Op, Parameter, Tensor

CHUNK_BYTES = 1 << 15
"""What is transposed for some positions at a time: it stays in the first cache."""

PANEL = 2 * TILE_VECTORS
"""Vectors of weights that go through the positions together."""

ROWS = 256
"""Most rows of weights that do."""

RIGHT_BYTES = max(CHUNK_BYTES, BLOCK * PANEL * VECTOR_BYTES)
TOTAL_BYTES = 1 << 18
BIAS_BYTES = ROWS * BLOCK * 8
assert LANE_SUM_BYTES + RIGHT_BYTES + TOTAL_BYTES + BIAS_BYTES <= SCRATCH_BYTES


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


def make_positions_partials(dtype: Any, across_units: bool, biased: bool) -> Callable[..., None]:
    """Sum the gradient of weights, and of biases where the layer is ``biased``, over a block's positions and samples.

    Operands: dZ, A, bytes between blocks, partial sums (one set of weights a block), units, features, positions,
    biases' partial sums. Lanes are features or, ``across_units``, units: what suits layers of few features. Biases'
    sums read dZ while its rows are in the first cache.
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size
    panel = (TILE_VECTORS if across_units else PANEL) * width

    def positions_partials(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 8)
        n, lanes = block_lanes(c, item, size)
        units, features = r[4], r[5]
        left, right, all_rows, all_columns = r[0] + base, r[1] + base, units, features
        if across_units:
            left, right, all_rows, all_columns = r[1] + base, r[0] + base, features, units
        partials = r[3] + item * units * features * size
        biases = r[7] + item * units * size
        view(zero, scratch, 1)[0] = zero + 1
        transposed = scratch + LANE_SUM_BYTES
        totals = transposed + RIGHT_BYTES
        bias_sums = totals + TOTAL_BYTES
        groups = (n + SAMPLE_GROUP - 1) // SAMPLE_GROUP
        a_p = all_rows * BLOCK
        for k in range(0, all_columns, panel):
            columns = min(panel, all_columns - k)
            vectors = (columns + width - 1) // width
            row = vectors * width
            chunk = max(1, CHUNK_BYTES // (lanes * row * size))
            together = min(ROWS, TOTAL_BYTES // (groups * row * size))
            most = together * row
            for m in range(0, all_rows, together):
                rows = min(together, all_rows - m)
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
                    if biased and across_units and m == 0:
                        add_positions(zero, size, right + (p * units + k) * BLOCK * size, units * BLOCK, columns, steps,
                                      p == 0, bias_sums, lanes, scratch)  # fmt: skip
                    elif biased and not across_units and k == 0:
                        add_positions(zero, size, left + (p * units + m) * BLOCK * size, units * BLOCK, rows, steps,
                                      p == 0, bias_sums, lanes, scratch)  # fmt: skip
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
                if biased and across_units and m == 0:
                    sum_samples(zero, size, bias_sums, columns, n, totals, most, biases + k * size, scratch)
                elif biased and not across_units and k == 0:
                    sum_samples(zero, size, bias_sums, rows, n, totals, most, biases + m * size, scratch)

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
    biased, found = isinstance(b, Parameter), []
    if is_summed_in_blocks(o, low.per):
        width = VECTOR_BYTES // low.size
        across = features * -(-units // width) < units * -(-features // width)
        low.record_block_op(make_positions_partials, low.at(dz), low.at(a), low.block_bytes, low.partials(w), units,
                            features, positions, low.partials(b) if biased else 0, static=(across, biased),
                            work=2.0 * positions * w.size)  # fmt: skip
        found.append(Gradient(make_sum_partials, partial_items(w), (low.partials(w), w.size, w.offset), (w,)))
    else:
        found += lower_backward_weights(o, low, None)
        if isinstance(b, Parameter):
            low.record_block_op(make_position_sums, low.at(dz), low.block_bytes, low.partials(b), units, positions,
                                work=1.0 * dz.rows)  # fmt: skip
    if isinstance(b, Parameter):
        found.append(Gradient(make_sum_partials, partial_items(b), (low.partials(b), b.size, b.offset), (b,)))
    return found


LOWER_GRADIENTS = {"dense_backward_weights": lower_weights}
