"""The gradient of a convolution's weights, summed over the places and the samples of a block.

Lanes are samples. A panel of weights has a vector of sums each, which stay in cache while the places go by in chunks;
for each chunk, what it reads is packed side by side, so that it lies in the first cache for all of the panel's weights
(32 -> 32 channels of 3 x 3: 53 GFLOP/s on the tensors as they lie, since rows 256 bytes apart fall into a quarter of
the cache's sets; 75-85 packed). At the end lanes are summed: a block's partial sum is one node of the tree in which
samples are added (rule 3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._convolution_tables import CHUNK, MOST_TAPS, most_cells, tap_groups
from fastnn.backends.numba_backend._convolution_tiles import match_tile, pack_rows
from fastnn.backends.numba_backend._jit import VECTOR_BYTES, inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, SCRATCH_BYTES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._sample_groups import LANE_SUM_BYTES, combine_groups, sum_lanes_of
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.contract import SAMPLE_GROUP
from fastnn.plan.convolution import Convolution

PANEL = 4608
"""Most weights that go through the places together; their sums take up 288 KiB where a vector has 64 bytes."""

PACKED_UNITS = 32
"""Most units of which a chunk's places are packed together."""

PACKED_CELLS = 1 << 16
"""Most bytes of packed cells; as many as ``FIRST_CACHE`` where that can be had."""

FIRST_CACHE = 10 << 10

assert (
    LANE_SUM_BYTES + PANEL * (VECTOR_BYTES + BLOCK // SAMPLE_GROUP * 8) + CHUNK * PACKED_UNITS * VECTOR_BYTES
    + PACKED_CELLS <= SCRATCH_BYTES
)  # fmt: skip


@inner
def part(rest, most):
    """Return the first of the nearly equal parts, each at most ``most``, into which ``rest`` is best divided."""
    parts = (rest + most - 1) // most
    return (rest + parts - 1) // parts


def _make_match(columns: int) -> Any:
    @inner
    def match(zero, d, a, pairs_of, taps, sums, sums_m, sums_n, units):
        """Add one chunk of places to the sums of ``units`` x ``columns`` x ``taps`` weights."""
        m = 0
        while m < units:
            rows = part(units - m, 4)
            at = d + m * VECTOR_BYTES
            for t in range(taps):
                pairs, count = pairs_of[2 * t], pairs_of[2 * t + 1]
                to = sums + m * sums_m + t * VECTOR_BYTES
                if rows == 4:
                    match_tile(zero, 4, columns, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
                elif rows == 3:
                    match_tile(zero, 3, columns, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
                elif rows == 2:
                    match_tile(zero, 2, columns, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
                else:
                    match_tile(zero, 1, columns, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
            m += rows

    return match


_match_4, _match_3, _match_2 = _make_match(4), _make_match(3), _make_match(2)


@inner
def _match_1(zero, d, a, pairs_of, taps, sums, sums_m, sums_n, units):
    """Add one chunk of places to the sums of ``units`` x ``taps`` weights of one channel."""
    m = 0
    while m < units:
        rows = part(units - m, 8)
        at = d + m * VECTOR_BYTES
        for t in range(taps):
            pairs, count = pairs_of[2 * t], pairs_of[2 * t + 1]
            to = sums + m * sums_m + t * VECTOR_BYTES
            if rows == 8:
                match_tile(zero, 8, 1, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
            elif rows == 7:
                match_tile(zero, 7, 1, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
            elif rows == 6:
                match_tile(zero, 6, 1, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
            elif rows == 5:
                match_tile(zero, 5, 1, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
            elif rows == 4:
                match_tile(zero, 4, 1, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
            elif rows == 3:
                match_tile(zero, 3, 1, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
            elif rows == 2:
                match_tile(zero, 2, 1, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
            else:
                match_tile(zero, 1, 1, at, VECTOR_BYTES, a, VECTOR_BYTES, pairs, count, to, sums_m, sums_n)
        m += rows


@inner
def _match_panel(zero, d, a, pairs, taps, sums, sums_m, sums_n, units, channels):
    """Add one chunk of packed places to the sums of ``units`` x ``channels`` x ``taps`` weights."""
    c = 0
    while c < channels:
        columns = part(channels - c, 4)
        at, to = a + c * VECTOR_BYTES, sums + c * sums_n
        if columns == 4:
            _match_4(zero, d, at, pairs, taps, to, sums_m, sums_n, units)
        elif columns == 3:
            _match_3(zero, d, at, pairs, taps, to, sums_m, sums_n, units)
        elif columns == 2:
            _match_2(zero, d, at, pairs, taps, to, sums_m, sums_n, units)
        else:
            _match_1(zero, d, at, pairs, taps, to, sums_m, sums_n, units)
        c += columns


@inner
def _first_tap(group, in_row, columns, most):
    """Return the first tap of a group of taps; see ``tap_groups``."""
    return group // in_row * columns + group % in_row * most


@inner
def _match_chunk(zero, row, r, chunk, d, a, first, last, units, channels, sums, sums_m, sums_n, packed):
    """Add chunk number ``chunk`` to a panel's sums; ``r`` are the op's operands, taps those of groups first..last-1."""
    columns, group, some_units, some_channels = r[12], r[13], r[17], r[18]
    in_row = (columns + group - 1) // group
    groups, taps, start = r[11] * in_row, r[11] * columns, _first_tap(first, in_row, columns, group)
    places, place = min(CHUNK, r[6] - chunk * CHUNK), r[8] * r[9] * row
    packed_cells = packed + CHUNK * some_units * VECTOR_BYTES
    for m in range(0, units, some_units):
        ms = min(some_units, units - m)
        for p in range(places):
            pack_rows(zero, d + (chunk * CHUNK + p) * place + m * row, row, packed + p * some_units * VECTOR_BYTES, ms)
        for g in range(first, last):
            of_cells = view(0, r[4] + 16 * (chunk * groups + g), 2)
            read = view(0, of_cells[0], of_cells[1])
            tap = _first_tap(g, in_row, columns, group)
            pairs = view(0, r[5] + 16 * (chunk * taps + tap), 2 * group)
            count = min(group, columns - tap % columns)
            for c in range(0, channels, some_channels):
                cs = min(some_channels, channels - c)
                for p in range(of_cells[1]):
                    pack_rows(zero, a + read[p] + c * row, row, packed_cells + p * some_channels * VECTOR_BYTES, cs)
                to = sums + m * sums_m + c * sums_n + (tap - start) * VECTOR_BYTES
                _match_panel(zero, packed, packed_cells, pairs, count, to, sums_m, sums_n, ms, cs)


def make_convolution_partials(dtype: Any) -> Callable[..., None]:
    """Sum the gradient of weights over the places and the samples of a block.

    Operands: the tensor at places, the tensor at cells, bytes between blocks, partial sums (one set of weights a
    block), tables of cells and of pairs (see ``MatchTables``), places, chunks, groups of weights, units and channels of
    such a group, rows and columns of the kernel, taps of a group of taps; a panel's units, channels and groups of taps,
    and how many of its units and channels are packed together.
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size
    row = BLOCK * size
    totals_bytes, sums_bytes = BLOCK // SAMPLE_GROUP * PANEL * size, PANEL * VECTOR_BYTES

    def convolution_partials(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 19)
        n, lanes = block_lanes(c, item, size)
        units, channels, columns, group = r[9], r[10], r[12], r[13]
        in_row = (columns + group - 1) // group
        taps, groups = r[11] * columns, r[11] * in_row
        at_places, at_cells = r[0] + base, r[1] + base
        partials = r[3] + item * r[8] * units * channels * taps * size
        totals = scratch + LANE_SUM_BYTES
        sums = totals + totals_bytes
        for g in range(r[8]):
            for m0 in range(0, units, r[14]):
                ms = min(r[14], units - m0)
                for c0 in range(0, channels, r[15]):
                    cs = min(r[15], channels - c0)
                    for first in range(0, groups, r[16]):
                        last = min(groups, first + r[16])
                        t0 = _first_tap(first, in_row, columns, group)
                        ts = (taps if last == groups else _first_tap(last, in_row, columns, group)) - t0
                        used = ms * cs * ts
                        for start in range(0, n, width):
                            empty = view(zero, sums, used * width)
                            for i in range(used * width):
                                empty[i] = zero
                            d = at_places + (g * units + m0) * row + start * size
                            a = at_cells + (g * channels + c0) * row + start * size
                            for k in range(r[7]):
                                # invariant: sums hold, lane by lane, the products at the places of the chunks before
                                _match_chunk(zero, row, r, k, d, a, first, last, ms, cs, sums, cs * ts * VECTOR_BYTES,
                                             ts * VECTOR_BYTES, sums + sums_bytes)  # fmt: skip
                            sum_lanes_of(zero, size, sums, width, used, start, n, totals, PANEL, scratch)
                        combine_groups(zero, size, totals, PANEL, used, n)
                        length = cs * ts if ts == taps else ts  # what lies together in the weights
                        for k in range(used // length):
                            m, channel = k * length // (cs * ts), k * length % (cs * ts) // ts
                            to = ((g * units + m0 + m) * channels + c0 + channel) * taps + t0
                            source, target = (
                                view(zero, totals + k * length * size, length),
                                view(zero, partials + to * size, length),
                            )
                            for i in range(length):
                                target[i] = source[i]

    return convolution_partials


def panel_of(g: Convolution) -> tuple[int, int, int, int, int]:
    """Return a panel's units, channels and groups of taps, and how many units and channels are packed together."""
    units, channels = g.filters // g.groups, g.channels // g.groups
    few_units, few_channels = min(units, 4), min(channels, 4)
    taps = min(MOST_TAPS, g.size[1])
    t = min(len(tap_groups(g)), PANEL // (taps * few_units * few_channels))
    m = min(units, max(few_units, min(64, PANEL // (t * taps * few_channels)) // 4 * 4))
    c = min(channels, max(few_channels, PANEL // (t * taps * m) // 4 * 4))
    usual_cells = min(most_cells(g), (CHUNK - 1) * g.strides[1] + (taps - 1) * g.dilation[1] + 1)
    packed = min(PACKED_CELLS // most_cells(g), FIRST_CACHE // usual_cells) // VECTOR_BYTES
    return m, c, t, min(m, PACKED_UNITS), min(c, max(few_channels, packed // 4 * 4))
