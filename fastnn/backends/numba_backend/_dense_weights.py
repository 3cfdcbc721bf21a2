"""The gradient of a dense layer's weights, tile by tile: each weight's sum over the samples, then its update.

Activations are read sample by sample: the user's own rows for the first layer, transposed copies for the others. Lanes
are features, or units where features are few; no sum ever runs across lanes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._atomic import CACHE_LINE, atomic_load, publish, wait_for
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, PER_BLOCK, SAMPLES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._pairwise import add_pairwise, finish_pairwise
from fastnn.backends.numba_backend._prefetch import fetch_line, fetch_to_write
from fastnn.backends.numba_backend._processor import TILE_VECTORS, VECTOR_BYTES
from fastnn.backends.numba_backend._recording import Gradient
from fastnn.backends.numba_backend._tiles import FROM_MEMORY, add_square, product_tile, transpose_tile
from fastnn.backends.numba_backend.dense import sample_at
from fastnn.contract import SAMPLE_BLOCK, SAMPLE_GROUP
from fastnn.plan.plan import Op, Parameter, Tensor


@inner
def _add_products(zero, size, a, table, shift, to, panel, units, vectors, n, weights, weights_row):
    """Add one block's ``n`` products to the sums of ``units`` x ``vectors`` weights, sample by sample.

    The cache lines of the weights themselves, rows ``weights_row`` bytes apart, are asked for on the way (0: not now).
    """
    m = 0
    while m < units:
        rows = 4 if m + 4 <= units else 1
        at, out = a + m * BLOCK * size, to + m * panel * size
        v = 0
        while v < vectors:
            step = v * VECTOR_BYTES
            if rows == 4:
                if vectors - v >= TILE_VECTORS:
                    if weights != 0:
                        fetch_to_write(
                            weights + m * weights_row + v * VECTOR_BYTES, 4, weights_row, TILE_VECTORS * VECTOR_BYTES
                        )
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
def add_samples(zero, size, a, to, units, n):
    """Add one block's ``n`` samples to the sums of ``units`` rows, sample by sample: the gradient of biases.

    As far as whole vectors go, squares are transposed, so that each addition is of a vector of units.
    """
    width = VECTOR_BYTES // size
    rows, samples = units // width * width, n // width * width
    for m in range(0, rows, width):
        for j in range(0, samples, width):
            add_square(zero, a + (m * BLOCK + j) * size, BLOCK, to + m * size)
    if samples > 0:
        _add_singly(zero, size, a + rows * BLOCK * size, to + rows * size, units - rows, samples)
    _add_singly(zero, size, a + samples * size, to, units, n - samples)


@inner
def _add_singly(zero, size, a, to, units, n):
    """Add ``n`` samples to the sums of ``units`` rows.

    Four rows at a time, since each sum is a chain of additions that wait for one another.
    """
    if n == 0:
        return
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


ROWS_PER_ITEM = 32
"""Most rows of one item: a panel's rows are read once for all of them (against 4: 1.5x on rows that lie far apart)."""

ENOUGH_ITEMS = 12
"""Items that spread evenly over a few threads; a small layer's items hold fewer rows, so that there are as many."""


SHARING_PAYS = 1e6
"""Floating-point operations of a layer's weight gradients from which there should be items for several threads."""


def rows_per_item(rows: int, panels: int) -> int:
    """Return how many rows one item of a layer's weight gradients holds: 4, 8, 16 or 32."""
    for n in (32, 16, 8):
        if panels * -(-rows // n) >= ENOUGH_ITEMS:
            return n
    return 4


FINISH = OPERANDS + 11
"""Where the operands of ``finish`` for W start in the record of ``dense_backward_weights``; those for b follow.

``FINISH_OPERANDS`` each: gradient vector, parameter vector, state vectors, elements between state vectors, bits of l1,
of l2 and of the greatest absolute value of a gradient (the last three float64).
"""
FINISH_OPERANDS = 7


WIDEST = TILE_VECTORS * VECTOR_BYTES
"""Bytes of a panel: the lanes of one item."""


BIASES = ROWS_PER_ITEM * WIDEST
"""Where the sums of biases lie in an item's sums."""


def item_elements(size: int) -> int:
    """Return how many sums an item has room for: its rows, then a row of biases."""
    panel = WIDEST // size
    return ROWS_PER_ITEM * panel + max(ROWS_PER_ITEM, panel)


@inner
def _tile(size, r, item, across_units):
    """Return (first lane, first row, rows, lanes, vectors, whether with the bias) of an item of a layer's weights."""
    width = VECTOR_BYTES // size
    panel = TILE_VECTORS * width
    units, features, group = r[3], r[4], r[7]
    all_rows, all_columns = (features, units) if across_units else (units, features)
    groups = (all_rows + group - 1) // group
    k, m = item // groups * panel, item % groups * group
    rows, columns = min(all_rows - m, group), min(panel, all_columns - k)
    with_bias = r[6] >= 0 and (m == 0 if across_units else k == 0)
    return k, m, rows, columns, (columns + width - 1) // width, with_bias


@inner
def _clear_sums(zero, size, to, rows):
    """Write zeros to the sums of ``rows`` rows."""
    sums = view(zero, to, rows * (WIDEST // size))
    for i in range(len(sums)):
        sums[i] = zero


@inner
def _clear_biases(zero, size, to):
    """Write zeros to a tile's sums of biases."""
    biases = view(zero, to, max(ROWS_PER_ITEM, WIDEST // size))
    for i in range(len(biases)):
        biases[i] = zero


@inner
def _move(zero, source, target, rows, n):
    """Copy ``n`` elements of each of ``rows`` rows of a panel."""
    for m in range(rows):
        x, y = view(zero, source + m * WIDEST, n), view(zero, target + m * WIDEST, n)
        for i in range(n):
            y[i] = x[i]


@inner
def _fetch_tile(sums, rows, vectors):
    """Ask for the cache lines of a tile's sums that another core has written."""
    for m in range(rows):
        for byte in range(0, vectors * VECTOR_BYTES, CACHE_LINE):
            fetch_line(sums + m * WIDEST + byte, 0)


@inner
def _fetch_weights(size, record, r, k, m, columns, across_units):
    """Ask for the cache lines of the weights that the tile from row m on will update: other cores have read them."""
    lines = min(ROWS_PER_ITEM, (r[4] if across_units else r[3]) - m)
    at, row = view(0, record + 8 * FINISH, 2)[1] + r[5] * size, r[4] * size
    if across_units:
        fetch_to_write(at + k * row + m * size, columns, row, lines * size)
    else:
        fetch_to_write(at + m * row + k * size, lines, row, columns * size)


@inner
def _add_block(zero, size, c, r, to, biases, start, n, p, k, m, rows, vectors, biases_of, across_units, weights):
    """Add ``n`` samples from ``start`` on, at position p, to a tile's sums and to the biases of ``biases_of`` rows.

    See ``_add_products`` on ``weights``.
    """
    panel = WIDEST // size
    all_rows = r[4] if across_units else r[3]
    a = sample_at(c, r[0], size, r[1], start) + (p * all_rows + m) * BLOCK * size
    table, shift = r[2] + start * 8, p * r[9] + k * size
    _add_products(zero, size, a, table, shift, to, panel, rows, vectors, n, weights, r[4] * size)
    if biases_of:
        if across_units:
            # a product with 1 is the factor itself
            _add_products(zero, size, r[10], table, shift, biases, panel, 1, vectors, n, 0, 0)
        else:
            add_samples(zero, size, a, biases, biases_of, n)


def _make_finish_tile(finish: Callable[..., None], across_units: bool) -> Any:
    """Return what hands a tile's sums to ``finish``; where lanes are units, transposed into ``spare`` first."""

    @inner
    def finish_tile(zero, size, context, record, r, sums, spare, k, m, rows, columns, biases_of):
        width = VECTOR_BYTES // size
        panel = TILE_VECTORS * width
        features, biases = r[4], sums + BIASES
        for_weights, for_bias = record + 8 * FINISH, record + 8 * (FINISH + FINISH_OPERANDS)
        if across_units:
            row = (rows + width - 1) // width * width
            for i in range(0, rows, width):
                for j in range(0, columns, width):
                    transpose_tile(zero, 0, sums + (i * panel + j) * size, panel, spare + (j * row + i) * size, row)
            finish(
                zero, size, context, for_weights, r[5] + k * features + m, features, spare, row * size, columns, rows
            )
            if biases_of:
                finish(zero, size, context, for_bias, r[6] + k, 0, biases, 0, 1, columns)
        else:
            finish(zero, size, context, for_weights, r[5] + m * features + k, features, sums, panel * size, rows,
                   columns)  # fmt: skip
            if biases_of:
                finish(zero, size, context, for_bias, r[6] + m, 0, biases, 0, 1, biases_of)

    return finish_tile


def make_dense_backward_weights(dtype: Any, finish: Callable[..., None], across_units: bool = False) -> Any:
    """Sum weight gradients tile by tile and hand each finished tile to ``finish``.

    A tile's lanes are features and its rows units or, with ``across_units``, the other way round: what suits layers of
    few features, whose rows would leave most lanes idle. Items are (panel of lanes, group of rows).
    ``finish(zero, size, context, operands, offset, stride, sums, between, rows, n)`` receives ``rows`` rows of ``n``
    finished sums, ``between`` bytes apart, of the parameters from element ``offset`` of the flat vector, ``stride``
    elements from row to row.

    Operands: dZ (address of block 0), bytes between blocks, table of A's sample rows, units, features, offset of W and
    of b (-1 for none) in the parameter vector, rows per item, positions, bytes between positions in a sample's row, a
    row of ones; then ``finish``'s, for W and for b. With ``across_units`` the first is A and the table is dZ's.
    """
    size = dtype().itemsize
    most = item_elements(size)
    level_bytes = most * size
    finish_tile = _make_finish_tile(finish, across_units)

    def dense_backward_weights(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        c, r = view(0, context, 20), view(0, record + 8 * OPERANDS, 11)
        samples, per = c[SAMPLES], c[PER_BLOCK]
        sums = view(zero, scratch, most)
        for item in range(first_item, last_item):
            k, item_row, item_rows, columns, vectors, with_bias = _tile(size, r, item, across_units)
            together = SAMPLE_BLOCK if r[8] == 1 else SAMPLE_GROUP
            # with few samples a part's divisions and roots run beside the next part's products; biases go with the 1st
            part = item_rows if across_units or samples > per else 4
            for m in range(item_row, item_row + item_rows, part):
                rows = min(part, item_row + item_rows - m)
                biases_of = item_rows if with_bias and m == item_row else 0
                _clear_sums(zero, size, scratch, rows)
                _clear_biases(zero, size, scratch + BIASES)
                weights = view(0, record + 8 * FINISH, 2)[1] + (r[5] + m * r[4] + k) * size
                finished = 0
                for first in range(0, samples, together):
                    last = min(samples, first + together)
                    for p in range(r[8]):
                        for start in range(first, last, per):
                            # invariant: sums hold these samples' positions before p, of p the samples before start
                            ahead = weights if p == 0 and start == 0 and not across_units else 0
                            _add_block(zero, size, c, r, scratch, scratch + BIASES, start, min(per, last - start), p, k,
                                       m, rows, vectors, biases_of, across_units, ahead)  # fmt: skip
                    if samples > together:
                        add_pairwise(zero, scratch, level_bytes, most, finished)
                        finished += 1
                        for i in range(most):
                            sums[i] = zero
                if finished:
                    finish_pairwise(zero, scratch, level_bytes, most, finished)
                # the levels of partial sums are free by now
                finish_tile(zero, size, context, record, r, scratch, scratch + level_bytes, k, m, rows, columns,
                            biases_of)  # fmt: skip

    return dense_backward_weights


def make_chained_backward_weights(dtype: Any, finish: Callable[..., None], across_units: bool) -> Any:
    """Sum weight gradients like ``make_dense_backward_weights``, each thread over its own samples.

    The threads take the tiles one behind the other: the first sums its samples, the next goes on from there with its
    own, the last hands the sums to ``finish``. So the order is that of the samples, and between cores move the sums of
    small layers instead of the activations of large minibatches. For one position and steps of one ``SAMPLE_BLOCK``.

    Operands: those of ``make_dense_backward_weights``, ``finish``'s, and behind them items, the items' sums, and their
    progress: a word for each, on a cache line of its own, that counts the blocks summed so far.
    """
    size = dtype().itemsize
    most = item_elements(size)
    finish_tile = _make_finish_tile(finish, across_units)

    def chained_backward_weights(context, record, first_block, last_block, scratch):
        zero = dtype(0)
        c, r = view(0, context, 20), view(0, record + 8 * OPERANDS, 11)
        more = view(0, record + 8 * (FINISH + 2 * FINISH_OPERANDS), 3)
        samples, per, spare = c[SAMPLES], c[PER_BLOCK], scratch + most * size
        last = min(samples, last_block * per)
        for item in range(more[0]):
            k, m, rows, columns, vectors, with_bias = _tile(size, r, item, across_units)
            # items of a tile's rows lie one behind the other, so that they are finished in one go
            place = m % ROWS_PER_ITEM
            at, biases = scratch + place * WIDEST, scratch + BIASES + (0 if across_units else place * size)
            of_lanes = vectors * (VECTOR_BYTES // size)
            of_biases = of_lanes if across_units else rows
            sums, progress = more[1] + item * most * size, more[2] + item * CACHE_LINE
            if first_block == 0:
                _clear_sums(zero, size, at, rows)
                if place == 0:
                    _clear_biases(zero, size, scratch + BIASES)
            else:
                wait_for(progress, first_block)
                _move(zero, sums, at, rows, of_lanes)
                if with_bias:
                    _move(zero, sums + BIASES, biases, 1, of_biases)
                if item + 1 < more[0] and atomic_load(progress + CACHE_LINE) == first_block:
                    _fetch_tile(sums + most * size, rows, vectors)
            if place == 0 and last == samples:
                _fetch_weights(size, record, r, k, m, columns, across_units)
            for start in range(first_block * per, last, per):
                _add_block(zero, size, c, r, at, biases, start, min(per, last - start), 0, k, m, rows, vectors,
                           rows if with_bias else 0, across_units, 0)  # fmt: skip
            if last < samples:
                _move(zero, at, sums, rows, of_lanes)
                if with_bias:
                    _move(zero, biases, sums + BIASES, 1, of_biases)
                publish(progress, last_block)
                continue
            publish(progress, 0)
            done = place + rows
            if done == ROWS_PER_ITEM or m + rows == (r[4] if across_units else r[3]):
                with_bias = r[6] >= 0 and (m < ROWS_PER_ITEM if across_units else k == 0)
                finish_tile(zero, size, context, record, r, scratch, spare, k, m - place, done, columns,
                            done if with_bias else 0)  # fmt: skip

    return chained_backward_weights


def is_across_units(units: int, features: int, size: int) -> bool:
    """Whether the weight gradient's lanes should be units: by the vector operations that a sample takes."""
    width = VECTOR_BYTES // size
    across = (features + 1) * -(-units // width)  # the bias is one more row
    along = units * (-(-features // width) + 1)  # a chain of scalar additions for each unit's bias
    return across < 0.8 * along


def chain_pays(units: int, features: int, samples: int) -> bool:
    """Whether handing on a layer's sums moves less between cores than reading each other's activations and deltas."""
    return samples <= SAMPLE_BLOCK and units * features < (units + features) * samples // 4


def lower_backward_weights(o: Op, low: Any, b: Parameter | None) -> list[Gradient]:
    """Keep what the weights' gradient reads, and return its recipe; see ``_recording.Gradient``."""
    dz, a, w = (o.operands[name] for name in ("dZ", "A", "W"))
    assert isinstance(dz, Tensor) and isinstance(a, Tensor) and isinstance(w, Parameter)
    units, features = w.shape
    across = is_across_units(units, features, low.size)
    rows, columns = (features, units) if across else (units, features)
    panel = WIDEST // low.size
    panels = -(-columns // panel)
    # where threads do not pay, large items
    alone = 2.0 * units * features * low.samples * o.static["positions"] < SHARING_PAYS
    group = ROWS_PER_ITEM if alone else rows_per_item(rows, panels)
    table, step = low.sample_rows(*((dz, units) if across else (a, features)))
    at, between = low.lasting(a if across else dz)
    operands = (at, between, table, units, features, w.offset, b.offset if b else -1, group,
                o.static["positions"], step, low.ones())  # fmt: skip
    parameters = (w, b or w)
    cost = min(rows, group) * min(columns, panel) * o.static["positions"]
    items = panels * -(-rows // group)
    # either the threads read each other's activations and deltas, or they hand on the sums
    chain = None
    if o.static["positions"] == 1 and chain_pays(units, features, low.samples):
        chain = make_chained_backward_weights, (items, *low.chain(items, item_elements(low.size)))
    return [Gradient(make_dense_backward_weights, items, operands, parameters, cost, (across,), chain)]
