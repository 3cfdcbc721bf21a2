"""One sample at a time through a stack of dense layers: what a frozen predictor runs.

Lanes are units here, not samples: a layer's weights are packed once so that for each feature the weights of the next
128 float32 units lie side by side, and are then read through once from end to end. Each unit's sum still starts at the
bias and adds its products by ascending feature, so the bits are those of ``predict``. A call is one compiled function
on three arguments; it allocates its own small workspace, so threads share nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._jit import VECTOR_BYTES, entry, op
from fastnn.backends.numba_backend._memory import call, float_from_int_bits, view, wide_vectors
from fastnn.backends.numba_backend._recording import bits_of, rows_of
from fastnn.backends.numba_backend._row_tile import row_tile
from fastnn.backends.numba_backend.activation import arguments_forward, forward_loop
from fastnn.formulas import exp, log
from fastnn.plan.executor import State
from fastnn.plan.plan import Op, Parameter, Plan, Tensor

Array = np.ndarray[Any, Any]

PANEL_VECTORS = (8, 4, 2, 1)
"""Vectors of units side by side in a panel of packed weights; a layer is divided greedily."""

RECORD = 8
"""Words of a record: address of the op, where its result lies in the workspace (bytes), six operands."""

_OPS, _RECORDS, _INPUTS, _OUTPUTS, _WORK, _SIZE = range(6)


@entry
def run_rows(header_at, x, out):
    """Compute ``out``, (M,) or (n, M), from ``x``, (D,) or (n, D); return whether x is finite."""
    header = view(0, header_at, 6)
    size, inputs, outputs = header[_SIZE], header[_INPUTS], header[_OUTPUTS]
    flat, results = x.reshape(-1), out.reshape(-1)
    wrong = 0
    for i in range(flat.size):
        wrong += flat[i] - flat[i] != 0  # a difference of NaN or infinities is NaN
    work = np.empty(header[_WORK], out.dtype)
    records = view(0, header[_RECORDS], header[_OPS] * RECORD)
    for row in range(results.size // outputs):
        source = x.ctypes.data + row * inputs * size
        for o in range(header[_OPS]):
            target = work.ctypes.data + records[o * RECORD + 1]
            call(records[o * RECORD], 0, header[_RECORDS] + (o * RECORD + 2) * 8, source, target, 0)
            source = target
        last = view(results[0], source, outputs)
        for i in range(outputs):
            results[row * outputs + i] = last[i]
    return wrong == 0


def make_dense_row(dtype: Any) -> Callable[..., None]:
    """Compute ``target = b + sum over features of packed weights * source``, a panel at a time.

    Operands: features, packed weights, packed bias, numbers of panels of 8, 4, 2 and 1 vectors (16 bits each).
    """

    def dense_row(context, record, source, target, scratch):
        zero = dtype(0)
        r = view(0, record, 4)
        features, w, b, panels = r[0], r[1], r[2], r[3]
        shift = 0
        for kind in range(4):
            vectors = 8 >> kind
            wide = vectors * VECTOR_BYTES
            for _ in range((panels >> (16 * kind)) & 0xFFFF):
                if kind == 0:
                    row_tile(zero, 8, source, w, b + shift, target + shift, features)
                elif kind == 1:
                    row_tile(zero, 4, source, w, b + shift, target + shift, features)
                elif kind == 2:
                    row_tile(zero, 2, source, w, b + shift, target + shift, features)
                else:
                    row_tile(zero, 1, source, w, b + shift, target + shift, features)
                w += features * wide
                shift += wide

    return dense_row


def make_activation_row(dtype: Any, function: Callable[..., Any] | str, has_alpha: bool) -> Callable[..., None]:
    """Operands: elements, a multiple of a vector's, or features where the activation is over a whole sample; alpha."""
    if isinstance(function, str):
        return _SAMPLE_WISE[function](dtype)
    run = forward_loop(dtype, function, has_alpha)

    def activation_row(context, record, source, target, scratch):
        wide_vectors()
        r = view(0, record, 2)
        run((target, target), (dtype(float_from_int_bits(r[1])),), r[0])

    return activation_row


def _make_softmax_row(dtype: Any) -> Callable[..., None]:
    def softmax_row(context, record, source, target, scratch):
        wide_vectors()
        zero = dtype(0)
        r = view(0, record, 1)
        a = view(zero, target, r[0])
        high, total = a[0], zero
        for i in range(1, r[0]):
            high = a[i] if a[i] > high else high
        for i in range(r[0]):
            a[i] = exp(a[i] - high)
        for i in range(r[0]):
            total += a[i]
        for i in range(r[0]):
            a[i] = a[i] / total

    return softmax_row


def _make_log_softmax_row(dtype: Any) -> Callable[..., None]:
    def log_softmax_row(context, record, source, target, scratch):
        zero = dtype(0)
        r = view(0, record, 1)
        a = view(zero, target, r[0])
        high, total = a[0], zero
        for i in range(1, r[0]):
            high = a[i] if a[i] > high else high
        for i in range(r[0]):
            total += exp(a[i] - high)
        total = log(total)
        for i in range(r[0]):
            a[i] = (a[i] - high) - total

    return log_softmax_row


_SAMPLE_WISE = {"softmax": _make_softmax_row, "log_softmax": _make_log_softmax_row}


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


def _pack(weights: Array, width: int, counts: Sequence[int]) -> Array:
    """Return weights (units, features) panel by panel, in a panel feature by feature; units beyond the last are 0."""
    units, features = weights.shape
    padded = np.zeros((features, -(-units // width) * width), weights.dtype)
    padded[:, :units] = weights.T
    parts, start = [], 0
    for wide, count in zip(PANEL_VECTORS, counts, strict=True):
        for _ in range(count):
            parts.append(padded[:, start : start + wide * width].ravel())
            start += wide * width
    return np.concatenate(parts)


class RowProgram:
    """A plan's predictions, compiled for one sample after another; the weights are copied.

    Parameters
    ----------
    plan : Plan
        For which ``takes`` is true.
    dtype : numpy dtype
    state : State
    """

    def __init__(self, plan: Plan, dtype: np.dtype[Any], state: State) -> None:
        self._keep: list[Array] = []
        self._width = VECTOR_BYTES // dtype.itemsize
        widest = max(t.rows for t in plan.tensors)
        self._room = (-(-widest // self._width) + 1) * VECTOR_BYTES  # a row of the workspace, in bytes
        rows: list[list[int]] = []
        side = 0
        for o in plan.forward:
            if o.kind == "dense_forward":
                side ^= 1
                rows.append([op(make_dense_row, dtype.type), side * self._room, *self._dense(o, dtype, state)])
            else:
                activation = o.static["activation"]
                units = rows_of(o, "Z")
                elements = -(-units // self._width) * self._width if activation.elementwise else units
                address = op(make_activation_row, dtype.type, *arguments_forward(activation))
                rows.append([address, side * self._room, elements, bits_of(activation.alpha or 0.0)])
        records = np.zeros((len(rows), RECORD), np.int64)
        for record, row in zip(records, rows, strict=True):
            record[: len(row)] = row
        self._keep.append(records)
        header = np.array([len(rows), records.ctypes.data, plan.inputs.rows, plan.outputs.rows,
                           2 * self._room // dtype.itemsize, dtype.itemsize], np.int64)  # fmt: skip
        self._keep.append(header)
        self.header = int(header.ctypes.data)

    def _dense(self, o: Op, dtype: np.dtype[Any], state: State) -> list[int]:
        w, b = o.operands["W"], o.operands["b"]
        assert isinstance(w, Parameter)
        units, features = w.shape
        counts = _panels(units, self._width)
        assert max(counts) <= 0x7FFF
        weights = _pack(state.parameters[w.offset : w.offset + w.size].reshape(w.shape), self._width, counts)
        bias = np.zeros(-(-units // self._width) * self._width, dtype)
        if isinstance(b, Parameter):
            bias[:units] = state.parameters[b.offset : b.offset + b.size]
        self._keep += [weights, bias]
        return [features, weights.ctypes.data, bias.ctypes.data, _packed(counts)]


def row_function(plan: Plan, dtype: np.dtype[Any], state: State) -> Callable[[Array, Array], bool] | None:
    """Return what computes single samples of a chain of dense layers; see ``protocol.Backend``."""
    if not takes(plan):
        return None
    program = RowProgram(plan, dtype, state)
    run: Any = partial(run_rows, program.header)
    run.program = program  # lives as long as what holds its address
    for shape in ((), (1,)):  # compiles both
        run(np.zeros((*shape, plan.inputs.rows), dtype), np.empty((*shape, plan.outputs.rows), dtype))
    return run


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
