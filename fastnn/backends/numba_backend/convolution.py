"""Convolutions: one kernel that gathers taps, for outputs and for gradients of inputs, and one for those of weights.

The counterpart of ``numpy_backend/convolution.py``. Lanes are samples throughout, and nothing is copied aside: where a
tap's row lies is the business of tables, made when a program is lowered (``_convolution_tables.py``). Targets fall into
classes by the taps that reach them (the interior; what is missing at each edge; with strides, each residue), and each
class has its table of taps, so that taps in the padding are not there rather than zero.

The gradient of weights is first summed over the places and the samples of a block, in a per-block op
(``_convolution_weights.py``); then over the blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._convolution_matches import matches
from fastnn.backends.numba_backend._convolution_tables import gather_tables
from fastnn.backends.numba_backend._convolution_tiles import gather_tile
from fastnn.backends.numba_backend._convolution_weights import make_convolution_partials, panel_of, part
from fastnn.backends.numba_backend._dense_products import TALL
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import float_from_int_bits, view
from fastnn.backends.numba_backend._processor import TILE_VECTORS, VECTOR_BYTES
from fastnn.backends.numba_backend._recording import Gradient, Recipe, bits_of
from fastnn.backends.numba_backend._sample_groups import make_position_sums, make_sum_partials, partial_items
from fastnn.backends.numba_backend._tiles import tile_rows
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.plan.convolution import Convolution
from fastnn.plan.plan import Op, Parameter, Tensor


def _make_gather(vectors: int) -> Any:
    tall = TALL if vectors == TILE_VECTORS else tile_rows(vectors)

    @inner
    def gather(zero, limit, size, w, w_unit, w_channel, x, channels, taps, count, z, units, bias):
        """Compute ``units`` rows of one target, ``vectors`` wide."""
        row = BLOCK * size
        m = 0
        while m < units:
            rest = units - m
            # of 7 to 9 rows rather parts of 4 and 3 than what 6 leave
            rows = tall if rest == tall or (rest >= tall and (tall != TALL or rest >= 10)) else part(rest, 4)
            a, c, b = w + m * w_unit, z + m * row, bias + m * size
            if rows == tall:
                gather_tile(zero, tall, vectors, a, w_unit, w_channel, x, row, channels, taps, count, c, row, b, limit)
            elif rows == 4:
                gather_tile(zero, 4, vectors, a, w_unit, w_channel, x, row, channels, taps, count, c, row, b, limit)
            elif rows == 3:
                gather_tile(zero, 3, vectors, a, w_unit, w_channel, x, row, channels, taps, count, c, row, b, limit)
            elif rows == 2:
                gather_tile(zero, 2, vectors, a, w_unit, w_channel, x, row, channels, taps, count, c, row, b, limit)
            else:
                gather_tile(zero, 1, vectors, a, w_unit, w_channel, x, row, channels, taps, count, c, row, b, limit)
            m += rows

    return gather


_gather_wide, _gather_two, _gather_one = (_make_gather(vectors) for vectors in (TILE_VECTORS, 2, 1))


def make_gather_taps(dtype: Any) -> Callable[..., None]:
    """Compute every target of a block from its sources: a convolution's output, or the gradient of its input.

    Operands: W, sources, targets, bytes between blocks, bias, table of classes, classes, groups, units and channels of
    a group, bytes in W from unit to unit, from channel to channel, from group to group, bits of the limit (a float64,
    see ``gather_tile``). Units are the targets' channels, channels the sources'. A class: address and number of its
    targets (pairs of bytes from the first source and from the first target), address and number of its taps (pairs of
    bytes in W and from the target's source).
    """
    size = dtype().itemsize
    width = VECTOR_BYTES // size

    def gather_taps(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 14)
        limit = dtype(float_from_int_bits(r[13]))
        n, lanes = block_lanes(c, item, size)
        units, channels, w_unit, w_channel = r[8], r[9], r[10], r[11]
        classes = view(0, r[5], 4 * r[6])
        for k in range(r[6]):
            targets = view(0, classes[4 * k], 2 * classes[4 * k + 1])
            taps, count = classes[4 * k + 2], classes[4 * k + 3]
            for i in range(classes[4 * k + 1]):
                source = r[1] + base + targets[2 * i]
                target = r[2] + base + targets[2 * i + 1]
                for g in range(r[7]):
                    w, bias = r[0] + g * r[12], r[4] + g * units * size
                    x = source + g * channels * BLOCK * size
                    z = target + g * units * BLOCK * size
                    v = 0
                    while v < lanes:
                        vectors, shift = (lanes - v) // width, v * size
                        if vectors >= TILE_VECTORS:
                            _gather_wide(zero, limit, size, w, w_unit, w_channel, x + shift, channels, taps, count,
                                         z + shift, units, bias)  # fmt: skip
                            v += TILE_VECTORS * width
                        elif vectors >= 2:
                            _gather_two(zero, limit, size, w, w_unit, w_channel, x + shift, channels, taps, count,
                                        z + shift, units, bias)  # fmt: skip
                            v += 2 * width
                        else:
                            _gather_one(zero, limit, size, w, w_unit, w_channel, x + shift, channels, taps, count,
                                        z + shift, units, bias)  # fmt: skip
                            v += width

    return gather_taps


def _geometry(o: Op) -> Convolution:
    geometry = o.static["geometry"]
    assert isinstance(geometry, Convolution)
    return geometry


def _gather(names: tuple[str, str, str], to_cells: bool) -> Any:
    def recipe(o: Op, low: Any) -> Recipe:
        g = _geometry(o)
        b = o.operands.get("b")
        filters, channels, taps = g.filters // g.groups, g.channels // g.groups, g.size[0] * g.size[1]
        units, inputs = (channels, filters) if to_cells else (filters, channels)
        bias = low.at(b) if isinstance(b, Parameter) else low.zeros(units * g.groups)
        rows, count = gather_tables(g, to_cells, low.size, low.table)
        to_unit, to_channel = (taps, channels * taps) if to_cells else (channels * taps, taps)
        constants = (bias, rows, count, g.groups, units, inputs, to_unit * low.size, to_channel * low.size,
                     filters * channels * taps * low.size,
                     bits_of(0.0 if o.static.get("rectified") else math.nan))  # fmt: skip
        return Recipe(make_gather_taps, (), names, constants, work=g.flops)

    return recipe


def _weights(places: str, cells: str) -> Any:
    def lower(o: Op, low: Any) -> list[Gradient]:
        """Record the sums over places while blocks are at hand; return the sums over blocks."""
        g = _geometry(o)
        at_places, at_cells, dz = o.operands[places], o.operands[cells], o.operands["dZ"]
        w, b = o.operands["W"], o.operands["b"]
        assert isinstance(at_places, Tensor) and isinstance(at_cells, Tensor) and isinstance(dz, Tensor)
        assert isinstance(w, Parameter)
        found = matches(g, low.size)
        low.record_block_op(make_convolution_partials, low.at(at_places), low.at(at_cells), low.block_bytes,
                            low.partials(w), *found.keep(low.table), len(found.chunks), g.groups,
                            g.filters // g.groups, g.channels // g.groups, *g.size, found.group, found.unit,
                            found.channel, found.tap, int(found.packed), *panel_of(g, found), work=g.flops)  # fmt: skip
        gradients = [Gradient(make_sum_partials, partial_items(w), (low.partials(w), w.size, w.offset), (w,))]
        if isinstance(b, Parameter):
            low.record_block_op(make_position_sums, low.at(dz), low.block_bytes, low.partials(b), b.size,
                                dz.rows // b.size, work=1.0 * dz.rows)  # fmt: skip
            gradients.append(Gradient(make_sum_partials, partial_items(b), (low.partials(b), b.size, b.offset), (b,)))
        return gradients

    return lower


LOWER = {
    "convolution_forward": _gather(("W", "A", "Z"), False),
    "convolution_backward_input": _gather(("W", "dZ", "dA"), True),
    "transposed_convolution_forward": _gather(("W", "A", "Z"), True),
    "transposed_convolution_backward_input": _gather(("W", "dZ", "dA"), False),
}

LOWER_GRADIENTS = {
    "convolution_backward_weights": _weights("dZ", "A"),
    "transposed_convolution_backward_weights": _weights("A", "dZ"),
}
