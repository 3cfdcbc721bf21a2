"""The gradient of a larger dense layer's weights: activations packed in panels, sums held in registers.

A panel is as many features as a tile of the micro-kernel takes, for all samples of the minibatch, one behind the other.
Rows of hundreds of features lie so far apart that they share few sets of the first cache, and would be fetched again
for every tile; a panel is read as one stream. A tile goes through all samples of a ``SAMPLE_BLOCK`` in registers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._dense_weights import FINISH_OPERANDS, SHARING_PAYS, add_samples, chain_pays
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import (
    BLOCK,
    OPERANDS,
    PAIR_LEVELS,
    PER_BLOCK,
    SAMPLE_BYTES,
    SAMPLES,
    SCRATCH_BYTES,
)
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._pairwise import add_pairwise, finish_pairwise
from fastnn.backends.numba_backend._prefetch import fetch_to_write
from fastnn.backends.numba_backend._processor import TILE_VECTORS, VECTOR_BYTES
from fastnn.backends.numba_backend._recording import Gradient
from fastnn.backends.numba_backend._tiles import FROM_MEMORY, positions_tile, positions_tile_ahead, transpose_tile
from fastnn.backends.numba_backend.dense import block_lanes, sample_at
from fastnn.contract import SAMPLE_BLOCK
from fastnn.plan.plan import Op, Parameter, Tensor

PANEL_BYTES = TILE_VECTORS * VECTOR_BYTES
"""Bytes of a sample in a panel."""

ROWS = 48
"""Most units of an item. Those of a panel follow one another, so that a worker finds it in its second cache."""

CACHED_BYTES = 512 << 10
"""Activations that stay in the second cache together: where several panels do, an item goes along the rows of W."""

ENOUGH_ITEMS = 32
"""Items that spread evenly over a few threads."""

LEAST_UNITS = 64
"""Fewer units read a panel too seldom to pay for packing it."""

FINISH = 10
"""Operands before ``finish``'s in the record of ``panel_backward_weights``."""

assert (ROWS * PANEL_BYTES + 8 * ROWS) * (PAIR_LEVELS + 2) <= SCRATCH_BYTES


def make_keep_panels(dtype: Any) -> Callable[..., None]:
    """Copy a tensor's block into the panels, sample by sample.

    Operands: A, bytes between blocks, features, panels, bytes between panels.
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size
    panel = TILE_VECTORS * width

    def keep_panels(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        source = r[0] + base
        target = r[3] + item * c[PER_BLOCK] * PANEL_BYTES
        for k in range(0, r[2], width):
            to = target + k // panel * r[4] + k % panel * size
            for j in range(0, lanes, width):
                transpose_tile(zero, 0, source + (k * BLOCK + j) * size, BLOCK, to + j * PANEL_BYTES, panel)

    return keep_panels


def _make_add_columns(vectors: int) -> Any:
    tall = 6 * TILE_VECTORS // vectors

    @inner
    def add_columns(zero, size, a, a_p, b, to, rows, blocks, n, weights, weights_row):
        """Add ``n`` samples in each of some blocks, or parts of one, to the sums of ``rows`` units, ``vectors`` wide.

        The cache lines of the weights, rows ``weights_row`` bytes apart, are asked for on the way (0: not now).
        """
        panel = PANEL_BYTES // size
        b_p = n * panel
        m = 0
        while m + tall <= rows:
            if weights != 0:
                fetch_to_write(weights + m * weights_row, tall, weights_row, vectors * VECTOR_BYTES)
            # of a part of a block, the first lines of the rows to come
            positions_tile_ahead(zero, tall, vectors, FROM_MEMORY, a + m * BLOCK * size, BLOCK, a_p, b, panel, b_p,
                                 to + m * PANEL_BYTES, panel, blocks, n,
                                 tall * size if n == BLOCK else BLOCK * size)  # fmt: skip
            m += tall
        while m + 4 <= rows:
            positions_tile(zero, 4, vectors, FROM_MEMORY, a + m * BLOCK * size, BLOCK, a_p, b, panel, b_p,
                           to + m * PANEL_BYTES, panel, blocks, n)  # fmt: skip
            m += 4
        while m < rows:
            positions_tile(zero, 1, vectors, FROM_MEMORY, a + m * BLOCK * size, BLOCK, a_p, b, panel, b_p,
                           to + m * PANEL_BYTES, panel, blocks, n)  # fmt: skip
            m += 1

    return add_columns


_add_wide, _add_narrow = _make_add_columns(TILE_VECTORS), _make_add_columns(1)


def make_panel_backward_weights(dtype: Any, finish: Callable[..., None]) -> Callable[..., None]:
    """Sum weight gradients tile by tile and hand each finished tile to ``finish``, as ``_dense_weights.py`` does.

    Items are (group of panels of features, group of units).

    Operands: dZ (address of block 0), bytes between blocks, panels, bytes between panels, units, features, offset of W
    and of b (-1 for none) in the parameter vector, units of an item, panels of an item; then ``finish``'s, for W and
    for b.
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size
    panel = TILE_VECTORS * width
    most = ROWS * panel + ROWS
    level_bytes = most * size

    @inner
    def sum_panel(zero, context, record, r, scratch, k, m, rows):
        """Sum and finish the gradients of one panel's weights, features from ``k`` on, of ``rows`` units from ``m``."""
        c = view(0, context, 20)
        samples, per = c[SAMPLES], c[PER_BLOCK]
        features = r[5]
        for_weights = record + 8 * (OPERANDS + FINISH)
        sums, biases = view(zero, scratch, rows * panel), scratch + ROWS * PANEL_BYTES
        bias_sums = view(zero, biases, rows)
        columns = min(panel, features - k)
        packed = r[2] + k // panel * r[3]
        with_bias = r[7] >= 0 and k == 0
        weights = view(0, for_weights, 2)[1] + (r[6] + m * features + k) * size
        finished = 0
        for first in range(0, samples, SAMPLE_BLOCK):
            last = min(samples, first + SAMPLE_BLOCK)
            for i in range(rows * panel):
                sums[i] = zero
            for i in range(rows):
                bias_sums[i] = zero
            start = first
            while start < last:
                # invariant: sums hold the samples from first to start; whole blocks, and parts of one, go in together
                n, blocks, between = min(last - start, per), 1, r[1]
                if n == BLOCK:
                    blocks = (last - start) // n
                elif n == per:
                    blocks, between = min(last - start, BLOCK - start % BLOCK) // n, n * c[SAMPLE_BYTES]
                a = sample_at(c, r[0], size, r[1], start) + m * BLOCK * size
                b = packed + start * PANEL_BYTES
                if columns == panel:
                    _add_wide(zero, size, a, between // size, b, scratch, rows, blocks, n,
                              weights if start == 0 else 0, features * size)  # fmt: skip
                else:
                    for v in range(0, columns * size, VECTOR_BYTES):
                        _add_narrow(zero, size, a, between // size, b + v, scratch + v, rows, blocks, n, 0, 0)
                if with_bias:
                    for i in range(blocks):
                        add_samples(zero, size, a + i * between, biases, rows, n)
                start += blocks * n
            if samples > SAMPLE_BLOCK:
                add_pairwise(zero, scratch, level_bytes, most, finished)
                finished += 1
        if finished:
            finish_pairwise(zero, scratch, level_bytes, most, finished)
        finish(zero, size, context, for_weights, r[6] + m * features + k, features, scratch, PANEL_BYTES, rows,
               columns)  # fmt: skip
        if with_bias:
            finish(zero, size, context, for_weights + 8 * FINISH_OPERANDS, r[7] + m, 0, biases, 0, 1, rows)

    def panel_backward_weights(context, record, first_item, last_item, scratch):
        r = view(0, record + 8 * OPERANDS, FINISH)
        units, features = r[4], r[5]
        most_rows, most_columns = r[8], r[9] * panel
        groups = (units + most_rows - 1) // most_rows
        for item in range(first_item, last_item):
            left, m = item // groups * most_columns, item % groups * most_rows
            for k in range(left, min(features, left + most_columns), panel):
                sum_panel(dtype(0), context, record, r, scratch, k, m, min(units - m, most_rows))

    return panel_backward_weights


def item_shape(units: int, panels: int, samples: int, alone: bool = False) -> tuple[int, int]:
    """Return how many units and how many panels an item of a layer's weights has; large ones for a thread ``alone``.

    Where all samples' activations of many panels stay in the second cache, few units and long stretches of their rows
    of W: read and written in order, from wherever they lie. Else many units, for which a panel is fetched once.
    """
    together = min(panels, max(1, CACHED_BYTES // (samples * PANEL_BYTES)))
    rows = ROWS if together == 1 else ROWS // 2 if together <= 8 else ROWS // 4
    while not alone and -(-panels // together) * -(-units // rows) < ENOUGH_ITEMS:
        if together > 1:
            together = (together + 1) // 2
        elif rows > ROWS // 4:
            rows //= 2
        else:
            break
    return rows, together


def takes_panels(o: Op, size: int, samples: int) -> bool:
    """Whether the weights of an op are summed here: a layer of at least a panel of features and enough units.

    Not where threads rather hand on their sums; see ``_dense_weights.py``.
    """
    if o.kind != "dense_backward_weights" or o.static["positions"] > 1:
        return False
    w = o.operands["W"]
    assert isinstance(w, Parameter)
    units, features = w.shape
    return units >= LEAST_UNITS and features >= PANEL_BYTES // size and not chain_pays(units, features, samples)


def lower_panel_weights(o: Op, low: Any) -> list[Gradient]:
    """Keep what the weights' gradient reads, and return its recipe; see ``_recording.Gradient``."""
    dz, a, w, b = (o.operands[name] for name in ("dZ", "A", "W", "b"))
    assert isinstance(dz, Tensor) and isinstance(a, Tensor) and isinstance(w, Parameter)
    units, features = w.shape
    panel = PANEL_BYTES // low.size
    panels, between_panels = -(-features // panel), low.samples * PANEL_BYTES
    packed = low.buffer(panels * low.samples * panel)
    low.record_block_op(make_keep_panels, low.at(a), low.block_bytes, features, packed, between_panels)
    at, between = low.lasting(dz)
    b_offset = b.offset if isinstance(b, Parameter) else -1
    alone = 2.0 * units * features * low.samples < SHARING_PAYS
    gradients = []
    for part, (first, count) in enumerate(low.parts_of(o, units)):
        rows, together = item_shape(count, panels, low.samples, alone)
        operands = (at + first * BLOCK * low.size, between, packed, between_panels, count, features,
                    w.offset + first * features, b_offset if b_offset < 0 else b_offset + first, rows,
                    together)  # fmt: skip
        items = -(-panels // together) * -(-count // rows)
        cost = min(count, rows) * min(features, together * panel)
        parameters = (w, b if isinstance(b, Parameter) else w)
        gradients.append(Gradient(make_panel_backward_weights, items, operands, parameters, cost, part=part))
    return gradients
