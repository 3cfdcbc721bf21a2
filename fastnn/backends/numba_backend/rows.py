"""One sample at a time through a stack of dense layers: what a frozen predictor runs, and ``predict`` of few rows.

Lanes are units here, not samples. A predictor's weights are packed once, so that for each feature the weights of the
next 128 float32 units lie side by side, and are then read through from end to end; ``predict`` reads the model's own
as they lie, so that it never uses old ones, whoever wrote to them. A call is one compiled function on three arguments;
it allocates its own small workspace, so threads share nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._jit import entry, entry_point, numba
from fastnn.backends.numba_backend._memory import call, view
from fastnn.backends.numba_backend._ops import op
from fastnn.backends.numba_backend._processor import VECTOR_BYTES
from fastnn.backends.numba_backend._recording import bits_of, rows_of
from fastnn.backends.numba_backend._row_ops import (
    COUNT,
    ROWS_SIZE,
    SCRATCH,
    SOURCE_ROW,
    TARGET_ROW,
    make_activation_row,
    make_dense_row_in_place,
    make_dense_row_packed,
)
from fastnn.backends.numba_backend.activation import arguments_forward
from fastnn.backends.numba_backend.workspace import aligned_zeros
from fastnn.backends.protocol import RowFunction
from fastnn.plan.executor import State
from fastnn.plan.plan import Op, Parameter, Plan, Tensor

Array = np.ndarray[Any, Any]

PANEL_VECTORS = (8, 4, 2, 1)
"""Vectors of units side by side in a panel of packed weights; a layer is divided greedily."""

RECORD = 8
"""Words of a record: address of the op, in which half of the workspace its result lies, six operands."""

GROUP = 8
"""Samples that go through a layer before the next one."""

_OPS, _RECORDS, _INPUTS, _OUTPUTS, _ROOM, _SCRATCH, _SIZE = range(7)
_LINE = 64
"""Bytes of a cache line: the workspace starts on one, and its first holds the context of the ops."""


@entry
def run_rows(header_at, x, out):
    """Compute ``out``, (M,) or (n, M), from ``x``, (D,) or (n, D); return whether x is finite."""
    header = view(0, header_at, 7)
    size, inputs, outputs, room = header[_SIZE], header[_INPUTS], header[_OUTPUTS], header[_ROOM]
    flat, results = x.reshape(-1), out.reshape(-1)
    wrong = 0
    for i in range(flat.size):
        wrong += flat[i] - flat[i] != 0  # a difference of NaN or infinities is NaN
    samples = results.size // outputs
    most = min(samples, GROUP)
    work = np.empty(2 * _LINE + header[_SCRATCH] + 2 * most * room, np.uint8)
    records = view(0, header[_RECORDS], header[_OPS] * RECORD)
    for first in range(0, samples, GROUP):
        context = work.ctypes.data + (-work.ctypes.data & (_LINE - 1))
        group, scratch = view(0, context, ROWS_SIZE), context + _LINE
        source = x.ctypes.data + first * inputs * size
        group[COUNT], group[SOURCE_ROW], group[TARGET_ROW] = min(most, samples - first), inputs * size, room
        for o in range(header[_OPS]):
            target = scratch + header[_SCRATCH] + records[o * RECORD + 1] * most * room
            call(records[o * RECORD], context, header[_RECORDS] + (o * RECORD + 2) * 8, source, target, scratch)
            source, group[SOURCE_ROW] = target, room
        for row in range(group[COUNT]):
            last = view(results[0], source + row * room, outputs)
            for i in range(outputs):
                results[(first + row) * outputs + i] = last[i]
    return wrong == 0


def _panels(units: int, width: int) -> list[int]:
    """Return how many panels of each of ``PANEL_VECTORS`` hold a layer's units."""
    vectors, counts = -(-units // width), []
    for wide in PANEL_VECTORS:
        counts.append(vectors // wide)
        vectors %= wide
    return counts


def _packed(counts: Sequence[int]) -> int:
    """Return the numbers of panels in one word, 16 bits each, the widest's lowest."""
    word = 0
    for count in reversed(counts):
        word = word << 16 | count
    return word


def _pack(weights: Array, width: int, counts: Sequence[int], into: Array) -> None:
    """Write weights (units, features) panel by panel, in a panel feature by feature; units beyond the last stay 0."""
    units, features = weights.shape
    start = at = 0
    for wide, count in zip(PANEL_VECTORS, counts, strict=True):
        for _ in range(count):
            panel = into[at : at + features * wide * width].reshape(features, wide * width)
            panel[:, : min(units - start, wide * width)] = weights[start : start + wide * width].T
            start, at = start + wide * width, at + panel.size


class RowProgram:
    """A plan's predictions, compiled for one sample after another.

    Parameters
    ----------
    plan : Plan
        For which ``takes`` is true.
    dtype : numpy dtype
    state : State
    frozen : bool
        Copy the weights and pack them; otherwise those of ``state`` are read at each call.
    """

    def __init__(self, plan: Plan, dtype: np.dtype[Any], state: State, frozen: bool) -> None:
        self._width, self._parts, self._state = VECTOR_BYTES // dtype.itemsize, 0, state
        self._dtype = dtype
        widest = max(t.rows for t in plan.tensors)
        room = (-(-widest // self._width) + 1) * VECTOR_BYTES  # a row of the workspace, in bytes
        packed = 0
        if frozen:
            for o in plan.forward:
                packed += self._packed_size(o)
        # in the order in which they are read: the prefetch of a layer's end is that of the next one's start
        self._packed = aligned_zeros(packed, dtype)
        rows: list[list[int]] = []
        side = 0
        for o in plan.forward:
            if o.kind == "dense_forward":
                side ^= 1
                make = make_dense_row_packed if frozen else make_dense_row_in_place
                operands = self._pack(o) if frozen else self._in_place(o)
                rows.append([op(make, dtype.type), side, *operands])
            else:
                activation = o.static["activation"]
                units = rows_of(o, "Z")
                elements = -(-units // self._width) * self._width if activation.elementwise else units
                address = op(make_activation_row, dtype.type, *arguments_forward(activation))
                rows.append([address, side, elements, bits_of(activation.alpha or 0.0)])
        self._records = np.zeros((len(rows), RECORD), np.int64)
        for record, row in zip(self._records, rows, strict=True):
            record[: len(row)] = row
        self._header = np.array([len(rows), self._records.ctypes.data, plan.inputs.rows, plan.outputs.rows, room,
                                 0 if frozen else SCRATCH, dtype.itemsize], np.int64)  # fmt: skip
        self.header = int(self._header.ctypes.data)

    def _padded(self, units: int) -> int:
        return -(-units // self._width) * self._width

    def _packed_size(self, o: Op) -> int:
        """Return how many elements a layer's packed bias and weights take."""
        w = o.operands.get("W")
        return self._padded(w.shape[0]) * (1 + w.shape[1]) if isinstance(w, Parameter) else 0

    def _pack(self, o: Op) -> list[int]:
        w, b = o.operands["W"], o.operands["b"]
        assert isinstance(w, Parameter)
        units, features = w.shape
        counts = _panels(units, self._width)
        assert max(counts) <= 0x7FFF
        size, padded = self._packed_size(o), self._padded(units)
        into = self._packed[self._parts : self._parts + size]
        self._parts += size
        if isinstance(b, Parameter):
            into[:units] = self._values(b)
        _pack(self._values(w).reshape(w.shape), self._width, counts, into[padded:])
        at = into.ctypes.data
        return [features, at + padded * self._dtype.itemsize, at, _packed(counts)]

    def _in_place(self, o: Op) -> list[int]:
        w, b = o.operands["W"], o.operands["b"]
        assert isinstance(w, Parameter)
        bias = self._values(b).ctypes.data if isinstance(b, Parameter) else 0
        return [w.shape[1], self._values(w).ctypes.data, bias, w.shape[0]]

    def _values(self, p: Parameter) -> Array:
        return self._state.parameters[p.offset : p.offset + p.size]


def row_function(plan: Plan, dtype: np.dtype[Any], state: State, *, frozen: bool) -> RowFunction | None:
    """Return what computes single samples of a chain of dense layers; see ``protocol.Backend``."""
    if not takes(plan):
        return None
    program = RowProgram(plan, dtype, state, frozen)
    kind = numba.from_dtype(dtype)
    runs = []
    for rank in (1, 2):
        array = numba.types.Array(kind, rank, "C")
        # bound to the program as well, which lives as long as what holds its addresses
        run: Any = partial(entry_point(run_rows, numba.int64, array, array), program.header)
        run.program = program
        runs.append(run)
    return RowFunction(*runs)


def takes(plan: Plan) -> bool:
    """Whether a plan's predictions can be computed row by row: dense layers and activations, in a chain."""
    at = plan.inputs.index
    for o in plan.forward:
        if o.kind not in ("dense_forward", "activation_forward") or o.static["positions"] != 1:
            return False
        read, written = (o.operands[name] for name in ("AZ" if o.kind == "dense_forward" else "ZA"))
        assert isinstance(read, Tensor) and isinstance(written, Tensor)
        if read.index != at or (o.kind == "activation_forward" and at == plan.inputs.index):
            return False
        at = written.index
    return bool(plan.forward)
