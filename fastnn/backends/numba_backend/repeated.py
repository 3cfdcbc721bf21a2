"""The tutorial's functions for calls that come again and again, on few samples: one compiled call looks at types and
shapes, copies, computes and hands the results on.

A function takes the arrays of a call as one tuple. It returns None where a shape is another than those it was made
for, and raises TypeError where an array is not two-dimensional, C-contiguous, writable and of its dtype: the caller
then goes the long way, which accepts all that the tutorial does and names what is wrong. Functions have one workspace
each: they hold the GIL while it is in use, a few microseconds, and are not made where Python has none.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._jit import dispatcher_of, entry, entry_point, helper, numba
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend.network import HEADER, INPUTS, KEPT_BYTES, RESULTS, SHAPES, Program, run_program
from fastnn.backends.numba_backend.single_source import share
from fastnn.contract import SAMPLE_BLOCK
from fastnn.losses import crossentropy_cost
from fastnn.plan.dense_network import DenseNetwork

Array = np.ndarray[Any, Any]
Arrays = tuple[Array, ...]
Values = tuple[Array, dict[str, Array], bool]

SMALL = 1024
"""Elements of predictions that ``small_cost`` takes, one after another."""

MOST_WIDTHS = 6
"""Widths of the deepest network that a function of its own is compiled for."""

_compiling = threading.Lock()


def _compile_only(function: Any, *signature: Any) -> None:
    """Compile an entry for these types; with others that nobody asked for, a call raises TypeError."""
    dispatcher = dispatcher_of(function)
    with _compiling:
        if signature not in dispatcher.overloads:
            dispatcher.disable_compile(False)
            dispatcher.compile(signature)
            dispatcher.disable_compile()


def _matrices(dtype: np.dtype[Any], count: int) -> Any:
    """Return Numba's type of a tuple of ``count`` matrices."""
    return numba.types.UniTuple(_matrix(dtype), count)


def _matrix(dtype: np.dtype[Any]) -> Any:
    return numba.types.Array(numba.from_dtype(dtype), 2, "C")


def _named(names: Sequence[str], parts: Sequence[Any]) -> Callable[[Any], dict[str, Any]]:
    """Return ``lambda a: {name: a[part], ...}``, written out: half the time of a loop over four names."""
    items = ", ".join(f"{name!r}: a[p{k}]" for k, name in enumerate(names))
    function: Callable[[Any], dict[str, Any]] = eval(
        f"lambda a: {{{items}}}", {f"p{k}": part for k, part in enumerate(parts)}
    )
    return function


def _new(shapes: Sequence[tuple[int, ...]], dtype: np.dtype[Any]) -> Callable[[], Arrays]:
    """Return ``lambda: (np.empty(shape, dtype), ...)``, likewise."""
    items = "".join(f"empty({shape!r}, dtype), " for shape in shapes)
    function: Callable[[], Arrays] = eval(f"lambda: ({items})", {"empty": np.empty, "dtype": dtype})
    return function


@helper
def _take(header, arrays):
    """Copy arrays to a program's inputs; return whether their shapes are the program's."""
    shapes = view(0, header[SHAPES], 2 * len(arrays))
    at = header[INPUTS]
    zero = arrays[0].dtype.type(0)
    for k in range(len(arrays)):
        array = arrays[k]
        rows, columns = array.shape
        if rows != shapes[2 * k] or columns != shapes[2 * k + 1]:
            return False
        values, slot = view(zero, array.ctypes.data, rows * columns), view(zero, at, rows * columns)
        for i in range(rows * columns):
            slot[i] = values[i]
        at += rows * columns * array.itemsize
    return True


_holding = partial(entry, nogil=False)


@_holding
def _forward_of(header_at, out, arrays):
    """Run one step on these arrays: 1 if Z1 is finite, 0 if not, -1 where a shape is not the program's."""
    if not _take(view(0, header_at, HEADER), arrays):
        return -1
    return 1 if run_program(header_at, out) else 0


@_holding
def _gradients_of(header_at, results, arrays):
    """Write gradients to matrices; return False, with nothing written, where shapes or data are not as they must be."""
    header = view(0, header_at, HEADER)
    x, y = arrays[len(results)], arrays[len(results) + 1]
    wrong = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            wrong += x[i, j] - x[i, j] != 0  # a difference of NaN or infinities is NaN
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            wrong += not (y[i, j] >= 0 and y[i, j] <= 1)
    if wrong or not _take(header, arrays):
        return False
    run_program(header_at, x)
    zero = x.dtype.type(0)
    at = header[RESULTS]
    for k in range(len(results)):
        size = results[k].size
        result, found = view(zero, results[k].ctypes.data, size), view(zero, at, size)
        for i in range(size):
            result[i] = found[i]
        at += size * x.itemsize
    return True


def _small_program(network: DenseNetwork, dtype: np.dtype[Any], samples: int, backward: bool) -> Program | None:
    """Return a program that runs on one thread and whose workspace may be kept, or None."""
    if len(network.widths) > MOST_WIDTHS or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    program = Program(network, dtype, samples, backward)
    return None if program.may_share or program.bytes > KEPT_BYTES else program


def network_function(
    network: DenseNetwork, dtype: np.dtype[Any], samples: int
) -> Callable[[Arrays], Values | None] | None:
    """Return ``network_forward`` for few samples; see ``protocol.Backend``."""
    program = _small_program(network, dtype, samples, False)
    if program is None:
        return None
    _compile_only(_forward_of, numba.int64, _matrix(dtype), _matrices(dtype, 2 * len(network.widths) - 1))
    run, empty, at, shape = dispatcher_of(_forward_of), np.empty, program.header_at, (program.rows, samples)
    named, last = _named(network.values, program.parts), network.values[-1]

    def forward(arrays: Arrays) -> Values | None:
        out = empty(shape, dtype)
        finite = run(at, out, arrays)
        if finite < 0:
            return None
        values = named(out)
        return values[last], values, finite == 1

    forward.program = program  # type: ignore[attr-defined]  # whose memory the addresses point to
    return forward


def gradients_function(
    network: DenseNetwork, dtype: np.dtype[Any], samples: int
) -> Callable[[Arrays], dict[str, Array] | None] | None:
    """Return ``network_backward`` for few samples; see ``protocol.Backend``."""
    program = _small_program(network, dtype, samples, True)
    if program is None:
        return None
    count = len(network.names)
    _compile_only(_gradients_of, numba.int64, _matrices(dtype, count), _matrices(dtype, 2 * count + 2))
    run, at, new = dispatcher_of(_gradients_of), program.header_at, _new([s for _, s in program.gradients], dtype)
    named = _named([f"d{name}" for name in network.names], range(count))

    def gradients(arrays: Arrays) -> dict[str, Array] | None:
        results = new()
        return named(results) if run(at, results, arrays) else None

    gradients.program = program  # type: ignore[attr-defined]
    return gradients


@entry
def _descend(rate, results, arrays):
    """Write ``w - rate * g`` of parameters and gradients; return whether the shapes are those of a network."""
    n = len(results)
    before = arrays[0].shape[1]
    for k in range(n):
        w, g, new = arrays[k], arrays[n + k], results[k]
        rows, columns = w.shape
        fits = columns == before if k % 2 == 0 else rows == before and columns == 1
        if not fits or rows * columns == 0 or g.shape != w.shape or new.shape != w.shape:
            return False
        before = rows
        size, zero = rows * columns, w.dtype.type(0)
        step, result = w.dtype.type(rate), view(zero, new.ctypes.data, size)
        weights, gradients = view(zero, w.ctypes.data, size), view(zero, g.ctypes.data, size)
        for i in range(size):
            result[i] = weights[i] - step * gradients[i]
    return True


def update_function(
    shapes: Sequence[tuple[int, int]], dtype: np.dtype[Any]
) -> Callable[[Arrays, float], dict[str, Array] | None] | None:
    """Return gradient descent on parameters of these shapes; see ``protocol.Backend``."""
    count = len(shapes)
    if count >= 2 * MOST_WIDTHS:
        return None
    _compile_only(_descend, numba.float64, _matrices(dtype, count), _matrices(dtype, 2 * count))
    run, new = dispatcher_of(_descend), _new(shapes, dtype)
    named = _named([f"{kind}{n}" for n in range(1, count // 2 + 1) for kind in "Wb"], range(count))

    def update(arrays: Arrays, rate: float) -> dict[str, Array] | None:
        results = new()
        return named(results) if run(rate, results, arrays) else None

    return update


_cost_of = share(crossentropy_cost.value)


@entry
def _cost(y, p):
    """Return the sum over few samples of the tutorial's cost, or -1 where an element is not in [0, 1]."""
    total = p.dtype.type(0)
    for j in range(p.shape[1]):
        sample = p.dtype.type(0)
        for i in range(p.shape[0]):
            if not (y[i, j] >= 0 and y[i, j] <= 1 and p[i, j] >= 0 and p[i, j] <= 1):
                return -1.0
            sample += _cost_of(y[i, j], p[i, j])
        total += sample
    return np.float64(total)


_cost_entries: dict[Any, Callable[..., float]] = {}


def small_cost(Y: Array, P: Array) -> float | None:
    """Return the sum of the tutorial's cost over few samples; see ``protocol.Backend``."""
    if P.shape[1] > SAMPLE_BLOCK or P.size > SMALL:
        return None
    run = _cost_entries.get(P.dtype)
    if run is None:
        array = numba.types.Array(numba.from_dtype(P.dtype), 2, "C")
        run = _cost_entries[P.dtype] = entry_point(_cost, array, array)
    total = run(Y, P)
    return None if total < 0 else total
