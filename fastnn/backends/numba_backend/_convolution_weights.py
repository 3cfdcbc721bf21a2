"""The gradient of a convolution's weights, summed over the places and the samples of a block.

Lanes are samples. Each weight of a panel has a vector of sums. The places go by in chunks; for each chunk, the rows of
the units at its places and those of the channels at the cells that it reads are packed, one plane each, since rows 256
bytes apart share a quarter of the cache's sets. A tile of four units and five neighboring taps of one channel then goes
through all places of the chunk with its sums in registers: nine loads for twenty products. At the end lanes are summed:
a block's partial sum is one node of the tree in which samples are added (rule 3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._convolution_matches import CHUNK, MOST_CELLS, MOST_TAPS, Matches
from fastnn.backends.numba_backend._convolution_tiles import match_tile, pack_rows
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, SCRATCH_BYTES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._processor import VECTOR_BYTES
from fastnn.backends.numba_backend._sample_groups import LANE_SUM_BYTES, combine_groups, sum_lanes_of
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.contract import SAMPLE_GROUP
from fastnn.plan.convolution import Convolution

PANEL = 9216
"""Most weights that go through the places together; their sums take up 576 KiB where a vector has 64 bytes."""

PANEL_UNITS = 32
"""Most units of a panel."""

PACKED_UNITS = PANEL_UNITS * (CHUNK | 1) * VECTOR_BYTES
"""Most bytes of packed places."""

PACKED_CELLS = (MOST_CELLS + 1) * VECTOR_BYTES
"""Most bytes of packed cells."""

assert (
    LANE_SUM_BYTES + PANEL * (VECTOR_BYTES + BLOCK // SAMPLE_GROUP * 8) + PACKED_UNITS + PACKED_CELLS <= SCRATCH_BYTES
)  # fmt: skip


@inner
def part(rest, most):
    """Return the first of the nearly equal parts, each at most ``most``, into which ``rest`` is best divided."""
    parts = (rest + most - 1) // most
    return (rest + parts - 1) // parts


def _make_match(columns: int) -> Any:
    @inner
    def match(zero, rows, d, d_m, a, a_n, found, count, sums, sums_m, sums_n):
        """Add a chunk's matches to the sums of ``rows`` x ``columns`` weights."""
        if rows == 4:
            match_tile(zero, 4, columns, d, d_m, a, a_n, found, count, sums, sums_m, sums_n)
        elif rows == 3:
            match_tile(zero, 3, columns, d, d_m, a, a_n, found, count, sums, sums_m, sums_n)
        elif rows == 2:
            match_tile(zero, 2, columns, d, d_m, a, a_n, found, count, sums, sums_m, sums_n)
        else:
            match_tile(zero, 1, columns, d, d_m, a, a_n, found, count, sums, sums_m, sums_n)

    return match


_match_1, _match_2, _match_3, _match_4, _match_5 = (_make_match(columns) for columns in range(1, MOST_TAPS + 1))


@inner
def _match(zero, rows, columns, d, d_m, a, a_n, found, count, sums, sums_m, sums_n):
    if columns == 5:
        _match_5(zero, rows, d, d_m, a, a_n, found, count, sums, sums_m, sums_n)
    elif columns == 4:
        _match_4(zero, rows, d, d_m, a, a_n, found, count, sums, sums_m, sums_n)
    elif columns == 3:
        _match_3(zero, rows, d, d_m, a, a_n, found, count, sums, sums_m, sums_n)
    elif columns == 2:
        _match_2(zero, rows, d, d_m, a, a_n, found, count, sums, sums_m, sums_n)
    else:
        _match_1(zero, rows, d, d_m, a, a_n, found, count, sums, sums_m, sums_n)


@inner
def _first_tap(group, in_row, columns, most):
    """Return the first tap of a group of taps."""
    return group // in_row * columns + group % in_row * most


@inner
def _pack_units(zero, row, r, chunk, d, units, vectors, target):
    """Copy a chunk's places of some units: a plane for each vector of samples and unit, read row by row."""
    unit, place = r[13], r[7] * r[8] * row
    of_chunk = view(0, r[4] + 32 * chunk, 4)
    for p in range(of_chunk[1]):
        source, to = d + (of_chunk[0] + p) * place, target + p * VECTOR_BYTES
        v = 0
        while v < vectors:
            if vectors - v >= 4:
                pack_rows(zero, 4, source + v * VECTOR_BYTES, row, to + v * units * unit, unit, units * unit, units)
                v += 4
            elif vectors - v >= 2:
                pack_rows(zero, 2, source + v * VECTOR_BYTES, row, to + v * units * unit, unit, units * unit, units)
                v += 2
            else:
                pack_rows(zero, 1, source + v * VECTOR_BYTES, row, to + v * units * unit, unit, 0, units)
                v += 1


@inner
def _match_chunk(zero, row, r, chunk, d, a, first, last, units, channels, sums, sums_m, sums_n, packed):
    """Add chunk number ``chunk`` to a panel's sums; ``r`` are the op's operands, taps those of groups first..last-1."""
    columns, group, unit, channel, some_channels = r[11], r[12], r[13], r[14], r[20]
    in_row = (columns + group - 1) // group
    groups, start = r[10] * in_row, _first_tap(first, in_row, columns, group)
    of_chunk = view(0, r[4] + 32 * chunk, 4)
    cells = view(0, of_chunk[2], of_chunk[3])
    for c0 in range(0, channels, some_channels):
        cs, a_at = min(some_channels, channels - c0), a + c0 * row
        if r[16]:
            for p in range(len(cells)):
                pack_rows(zero, 1, a_at + cells[p], row, packed + p * VECTOR_BYTES, channel, 0, cs)
            a_at = packed
        m = 0
        while m < units:
            rows = part(units - m, 4)
            c = 0
            while c < cs:
                # where a row of the kernel is a single tap, channels are what lies side by side
                wide = part(cs - c, MOST_TAPS) if columns == 1 else 1
                for g in range(first, last):
                    of_taps = view(0, r[5] + 16 * (chunk * groups + g), 2)
                    found, count = of_taps[0], of_taps[1]
                    tap = _first_tap(g, in_row, columns, group)
                    to = sums + m * sums_m + (c0 + c) * sums_n + (tap - start) * VECTOR_BYTES
                    if columns == 1:
                        _match(zero, rows, wide, d + m * unit, unit, a_at + c * channel, channel, found, count, to,
                               sums_m, sums_n)  # fmt: skip
                    else:
                        _match(zero, rows, min(group, columns - tap % columns), d + m * unit, unit,
                               a_at + c * channel, r[15], found, count, to, sums_m, VECTOR_BYTES)  # fmt: skip
                c += wide
            m += rows


def make_convolution_partials(dtype: Any) -> Callable[..., None]:
    """Sum the gradient of weights over the places and the samples of a block.

    Operands: the tensor at places, the tensor at cells, bytes between blocks, partial sums (one set of weights a
    block), table of chunks (first place, places, address and number of cells), table of lists (address and length, for
    each chunk and group of taps), chunks, groups of weights, units and channels of such a group, rows and columns of
    the kernel, taps of a group of taps, bytes from unit to unit and from channel to channel where they are packed, from
    tap to tap, whether cells are packed (see ``Matches``); a panel's units, channels and groups of taps, and how many
    of its channels are packed together.
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size
    row = BLOCK * size
    totals_bytes, sums_bytes = BLOCK // SAMPLE_GROUP * PANEL * size, PANEL * VECTOR_BYTES

    def convolution_partials(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 21)
        n, lanes = block_lanes(c, item, size)
        units, channels, columns, group = r[8], r[9], r[11], r[12]
        in_row = (columns + group - 1) // group
        taps, groups = r[10] * columns, r[10] * in_row
        at_places, at_cells = r[0] + base, r[1] + base
        partials = r[3] + item * r[7] * units * channels * taps * size
        totals = scratch + LANE_SUM_BYTES
        sums = totals + totals_bytes
        packed = sums + sums_bytes
        for g in range(r[7]):
            for m0 in range(0, units, r[17]):
                ms = min(r[17], units - m0)
                for c0 in range(0, channels, r[18]):
                    cs = min(r[18], channels - c0)
                    for first in range(0, groups, r[19]):
                        last = min(groups, first + r[19])
                        t0 = _first_tap(first, in_row, columns, group)
                        ts = (taps if last == groups else _first_tap(last, in_row, columns, group)) - t0
                        used = ms * cs * ts
                        # few weights: all vectors of a chunk in turn, while its rows are in the second cache
                        together = max(1, min(PANEL // (used + width), PACKED_UNITS // (ms * r[13]))) * width
                        between = (used + width - 1) // width * width * VECTOR_BYTES
                        for start in range(0, n, together):
                            end = min(n, start + together)
                            empty = view(zero, sums, (end - start + width - 1) // width * between // size)
                            for i in range(len(empty)):
                                empty[i] = zero
                            for k in range(r[6]):
                                # invariant: sums hold, lane by lane, the products at the places of the chunks before
                                d = at_places + (g * units + m0) * row + start * size
                                _pack_units(zero, row, r, k, d, ms, (end - start + width - 1) // width, packed)
                                for v in range(start, end, width):
                                    a = at_cells + (g * channels + c0) * row + v * size
                                    nth = (v - start) // width
                                    _match_chunk(zero, row, r, k, packed + nth * ms * r[13], a, first, last, ms, cs,
                                                 sums + nth * between, cs * ts * VECTOR_BYTES, ts * VECTOR_BYTES,
                                                 packed + PACKED_UNITS)  # fmt: skip
                            for v in range(start, end, width):
                                at = sums + (v - start) // width * between
                                sum_lanes_of(zero, size, at, width, used, v, n, totals, PANEL, scratch)
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


def panel_of(g: Convolution, found: Matches) -> tuple[int, int, int, int]:
    """Return a panel's units, channels and groups of taps, and how many of its channels are packed together."""
    units, channels = g.filters // g.groups, g.channels // g.groups
    few_units = min(units, 4)
    groups = g.size[0] * -(-g.size[1] // found.group)
    t = min(groups, PANEL // (found.group * few_units))
    m = min(units, PANEL_UNITS, max(few_units, PANEL // (t * found.group) // 4 * 4))
    c = min(channels, PANEL // (t * found.group * m))
    return m, c, t, min(c, PACKED_CELLS // found.channel) if found.packed else c
