"""Activations over a block: the single-source formulas on lanes, softmax and log-softmax by loops over features.

The counterpart of ``numpy_backend/activation.py``. A block with all its lanes in use is one long row, so that the
vectoriser sees one loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.activations import Activation
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import float_from_int_bits, view, wide_vectors
from fastnn.backends.numba_backend._recording import Recipe, bits_of, rows_of
from fastnn.backends.numba_backend._vector_loops import vector_loop
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.single_source import backward_formula, forward_formula, share
from fastnn.formulas import exp, log
from fastnn.plan.plan import Op


@inner
def long_rows(rows, lanes):
    """Return (rows, lanes) with a full block flattened to one row."""
    if lanes == BLOCK:
        return 1, rows * BLOCK
    return rows, lanes


@inner
def moved(zero, source, target, lanes):
    """Return the row at ``target`` after copying there the one at ``source``, which may be the same.

    A loop that reads one row and writes another is compiled twice, in vectors for rows that do not overlap and
    element by element for rows that do, such as one and the same: gelu's derivative 13.5 ns an element against 2.2.
    """
    row = view(zero, target, lanes)
    if source != target:
        origin = view(zero, source, lanes)
        for j in range(lanes):
            row[j] = origin[j]
    return row


def arguments_forward(activation: Activation) -> tuple[Any, ...]:
    """Return what ``make_activation_forward`` needs: a formula or a name, and whether there is an alpha."""
    return activation.forward or activation.name, activation.alpha is not None


def arguments_backward(activation: Activation) -> tuple[Any, ...]:
    """Return what ``make_activation_backward`` needs."""
    return activation.derivative or activation.name, activation.alpha is not None


def make_activation_forward(dtype: Any, function: Callable[..., Any] | str, has_alpha: bool) -> Callable[..., None]:
    """Operands: Z, A (may be Z), bytes between blocks, rows, bits of alpha (a float64) or positions.

    ``function`` is the formula ``forward(z[, alpha])``, or the name of an activation over a whole sample, which has
    positions for alpha.
    """
    if isinstance(function, str):
        return _SAMPLE_WISE_FORWARD[function](dtype)
    size = dtype().itemsize
    run = forward_loop(dtype, function, has_alpha)

    def activation_forward(context, record, item, base, scratch):
        wide_vectors()
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        alpha = dtype(float_from_int_bits(r[4]))
        n, lanes = block_lanes(c, item, size)
        rows, lanes = long_rows(r[3], lanes)
        for i in range(rows):
            shift = base + i * BLOCK * size
            run((r[0] + shift, r[1] + shift), (alpha,), lanes)

    return activation_forward


def make_activation_backward(dtype: Any, function: Callable[..., Any] | str, has_alpha: bool) -> Callable[..., None]:
    """Operands: Z, A, dA, dZ (may be dA), bytes between blocks, rows, bits of alpha or positions.

    ``function`` is the formula ``derivative(z, a[, alpha])``, or the name of an activation over a whole sample.
    """
    if isinstance(function, str):
        return _SAMPLE_WISE_BACKWARD[function](dtype)
    size = dtype().itemsize
    run = _backward_loop(dtype, function, has_alpha)

    def activation_backward(context, record, item, base, scratch):
        wide_vectors()
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        alpha = dtype(float_from_int_bits(r[6]))
        n, lanes = block_lanes(c, item, size)
        rows, lanes = long_rows(r[5], lanes)
        for i in range(rows):
            shift = base + i * BLOCK * size
            run((r[0] + shift, r[1] + shift, r[2] + shift, r[3] + shift), (alpha,), lanes)

    return activation_backward


def forward_loop(dtype: Any, function: Callable[..., Any], has_alpha: bool) -> Any:
    """Return ``run((z, a), (alpha,), n)``, which writes ``forward(z[, alpha])`` for ``n`` elements; a may be z."""
    formula = forward_formula(function, has_alpha)
    return vector_loop(dtype, formula, 1, 1, 1) or _scalar_forward(formula)


def _backward_loop(dtype: Any, function: Callable[..., Any], has_alpha: bool) -> Any:
    """Return ``run((z, a, da, dz), (alpha,), n)``, which writes ``da * derivative(z, a[, alpha])``; dz may be da."""
    derivative = backward_formula(function, has_alpha)

    def times(z: Any, a: Any, da: Any, alpha: Any) -> Any:
        return da * derivative(z, a, alpha)

    return vector_loop(dtype, times, 3, 1, 1) or _scalar_backward(times)


# A user's function may hold what vectors cannot run, a constant without a type say.


def _scalar_forward(function: Callable[..., Any]) -> Any:
    formula = share(function)

    @inner
    def run(addresses, constants, n):
        zero = constants[0]
        a = moved(zero, addresses[0], addresses[1], n)
        for j in range(n):
            a[j] = formula(a[j], constants[0])

    return run


def _scalar_backward(function: Callable[..., Any]) -> Any:
    formula = share(function)

    @inner
    def run(addresses, constants, n):
        zero = constants[0]
        z, a = view(zero, addresses[0], n), view(zero, addresses[1], n)
        dz = moved(zero, addresses[2], addresses[3], n)
        for j in range(n):
            dz[j] = formula(z[j], a[j], dz[j], constants[0])

    return run


@inner
def find_top(zero, size, z, rows, lanes, high):
    """Write each lane's greatest feature to the row ``high``."""
    wide_vectors()
    x = view(zero, z, lanes)
    for j in range(lanes):
        high[j] = x[j]
    for i in range(1, rows):
        x = view(zero, z + i * BLOCK * size, lanes)
        for j in range(lanes):
            high[j] = x[j] if x[j] > high[j] else high[j]


@inner
def top_and_sum(zero, size, z, rows, lanes, top, total):
    """Write each lane's greatest feature to ``top`` and the sum of exp(z - top), ascending from +0, to ``total``."""
    wide_vectors()
    high, s = view(zero, top, lanes), view(zero, total, lanes)
    find_top(zero, size, z, rows, lanes, high)
    for j in range(lanes):
        s[j] = zero
    for i in range(rows):
        x = view(zero, z + i * BLOCK * size, lanes)
        for j in range(lanes):
            s[j] += exp(x[j] - high[j])


@inner
def exponentials(zero, size, z, rows, lanes, out, total):
    """Write exp(z - top) to ``out`` and its sum, ascending from +0, to ``total``; top is each lane's greatest feature.

    ``total`` has room for two rows.
    """
    wide_vectors()
    high, s = view(zero, total + BLOCK * size, lanes), view(zero, total, lanes)
    find_top(zero, size, z, rows, lanes, high)
    for j in range(lanes):
        s[j] = zero
    for i in range(rows):
        x, e = view(zero, z + i * BLOCK * size, lanes), view(zero, out + i * BLOCK * size, lanes)
        for j in range(lanes):
            e[j] = exp(x[j] - high[j])
            s[j] += e[j]


def _make_softmax_forward(dtype: Any) -> Callable[..., None]:
    size = dtype().itemsize

    def softmax_forward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        rows = r[3] // r[4]
        total = view(zero, scratch, lanes)
        for p in range(r[4]):
            shift = base + p * rows * BLOCK * size
            exponentials(zero, size, r[0] + shift, rows, lanes, r[1] + shift, scratch)
            for i in range(rows):
                y = view(zero, r[1] + shift + i * BLOCK * size, lanes)
                for j in range(lanes):
                    y[j] = y[j] / total[j]

    return softmax_forward


def _make_softmax_backward(dtype: Any) -> Callable[..., None]:
    size = dtype().itemsize

    def softmax_backward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        rows = r[5] // r[6]
        total = view(zero, scratch, lanes)
        for p in range(r[6]):
            shift = base + p * rows * BLOCK * size
            for j in range(lanes):
                total[j] = zero
            for i in range(rows):
                at = shift + i * BLOCK * size
                a, da = view(zero, r[1] + at, lanes), view(zero, r[2] + at, lanes)
                for j in range(lanes):
                    total[j] += da[j] * a[j]
            for i in range(rows):
                at = shift + i * BLOCK * size
                a, dz = view(zero, r[1] + at, lanes), moved(zero, r[2] + at, r[3] + at, lanes)
                for j in range(lanes):
                    dz[j] = a[j] * (dz[j] - total[j])

    return softmax_backward


def _make_log_softmax_forward(dtype: Any) -> Callable[..., None]:
    size = dtype().itemsize

    def log_softmax_forward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        rows = r[3] // r[4]
        high, total = view(zero, scratch, lanes), view(zero, scratch + BLOCK * size, lanes)
        for p in range(r[4]):
            shift = base + p * rows * BLOCK * size
            top_and_sum(zero, size, r[0] + shift, rows, lanes, scratch, scratch + BLOCK * size)
            for j in range(lanes):
                total[j] = log(total[j])
            for i in range(rows):
                at = shift + i * BLOCK * size
                x, y = view(zero, r[0] + at, lanes), view(zero, r[1] + at, lanes)
                for j in range(lanes):
                    y[j] = (x[j] - high[j]) - total[j]

    return log_softmax_forward


def _make_log_softmax_backward(dtype: Any) -> Callable[..., None]:
    size = dtype().itemsize

    def log_softmax_backward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        rows = r[5] // r[6]
        total = view(zero, scratch, lanes)
        for p in range(r[6]):
            shift = base + p * rows * BLOCK * size
            for j in range(lanes):
                total[j] = zero
            for i in range(rows):
                da = view(zero, r[2] + shift + i * BLOCK * size, lanes)
                for j in range(lanes):
                    total[j] += da[j]
            for i in range(rows):
                at = shift + i * BLOCK * size
                a, dz = view(zero, r[1] + at, lanes), moved(zero, r[2] + at, r[3] + at, lanes)
                for j in range(lanes):
                    dz[j] = dz[j] - exp(a[j]) * total[j]

    return log_softmax_backward


_SAMPLE_WISE_FORWARD = {"softmax": _make_softmax_forward, "log_softmax": _make_log_softmax_forward}
_SAMPLE_WISE_BACKWARD = {"softmax": _make_softmax_backward, "log_softmax": _make_log_softmax_backward}


def last_constant(activation: Activation, positions: int = 1) -> int:
    """Return what stands last in an activation's record."""
    return bits_of(activation.alpha or 0.0) if activation.elementwise else positions


def _constants(o: Op) -> tuple[int, int]:
    return rows_of(o, "Z"), last_constant(o.static["activation"], o.static["positions"])


LOWER = {
    "activation_forward": lambda o, low: Recipe(
        make_activation_forward,
        arguments_forward(o.static["activation"]),
        ("Z", "A"),
        _constants(o),
    ),
    "activation_backward": lambda o, low: Recipe(
        make_activation_backward,
        arguments_backward(o.static["activation"]),
        ("Z", "A", "dA", "dZ"),
        _constants(o),
    ),
}
