"""Losses over a block: terms and gradients by the single-source formulas, softmax cross-entropy by loops.

The counterpart of ``numpy_backend/loss.py``. Each lane sums its sample's terms over the outputs in ascending order
from +0, divides by the number of outputs where the loss is a mean, or of positions where there are several, and
multiplies by the sample's weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import float_from_int_bits, view, wide_vectors
from fastnn.backends.numba_backend._recording import Recipe, bits_of, rows_of
from fastnn.backends.numba_backend.activation import exponentials, top_and_sum
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.single_source import share
from fastnn.backends.numba_backend.update import mean_by
from fastnn.formulas import log
from fastnn.plan.plan import Op


def divisor(mean: bool, outputs: int, positions: int) -> tuple[bool, int]:
    """Return whether a sample's sum over outputs is divided, and by what."""
    return mean or positions > 1, outputs if mean else positions


def make_loss_value(
    dtype: Any, value: Callable[..., Any], divided: bool, has_delta: bool, masked: bool
) -> Callable[..., None]:
    """Operands: P, Y, weight, terms (one row), bytes between blocks, outputs, bits of delta, divisor.

    With ``masked`` also outputs of a position, K.

    ``value(y, p)`` or ``value(y, p, delta)``; P is the tensor the formula reads (outputs or pre-activations).
    ``divided`` says whether the divisor counts.
    """
    size = dtype().itemsize
    formula = _with_delta(share(value), has_delta)

    def loss_value(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 10)
        delta = dtype(float_from_int_bits(r[6]))
        n, lanes = block_lanes(c, item, size)
        shift = base
        weight, total = view(zero, r[2] + shift, lanes), view(zero, r[3] + shift, lanes)
        for j in range(lanes):
            total[j] = zero
        for i in range(r[5]):
            at = shift + i * BLOCK * size
            p, y = view(zero, r[0] + at, lanes), view(zero, r[1] + at, lanes)
            if masked:
                mask = view(zero, r[9] + shift + i // r[8] * BLOCK * size, lanes)
                for j in range(lanes):
                    total[j] += zero if mask[j] == zero else formula(y[j], p[j], delta)
            else:
                for j in range(lanes):
                    total[j] += formula(y[j], p[j], delta)
        over = dtype(r[7])
        for j in range(lanes):
            total[j] = total[j] / over * weight[j] if divided else total[j] * weight[j]

    return loss_value


def make_loss_gradient(
    dtype: Any, derivative: Callable[..., Any], divided: bool, has_delta: bool, fused: bool
) -> Callable[..., None]:
    """Operands: P, Y, weight, dP, bytes between blocks, outputs, bits of delta, divisor, A.

    ``derivative(y, p[, delta])``, or ``derivative(y, z, a)`` for a loss fused with its activation.
    """
    size = dtype().itemsize
    if fused:
        formula = _fused(share(derivative))
    else:
        formula = _unfused(_with_delta(share(derivative), has_delta))

    def loss_gradient(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 9)
        delta = dtype(float_from_int_bits(r[6]))
        n, lanes = block_lanes(c, item, size)
        shift = base
        weight = view(zero, r[2] + shift, lanes)
        over, exact = mean_by(zero, r[7])
        for i in range(r[5]):
            at = shift + i * BLOCK * size
            p, y, a = view(zero, r[0] + at, lanes), view(zero, r[1] + at, lanes), view(zero, r[8] + at, lanes)
            dp = view(zero, r[3] + at, lanes)
            # one loop for each way: a branch inside would keep it from vectorising
            if divided and not exact:
                for j in range(lanes):
                    dp[j] = formula(y[j], p[j], a[j], delta) / over * weight[j]
            elif divided:
                for j in range(lanes):
                    dp[j] = formula(y[j], p[j], a[j], delta) * over * weight[j]
            else:
                for j in range(lanes):
                    dp[j] = formula(y[j], p[j], a[j], delta) * weight[j]

    return loss_gradient


def _with_delta(formula: Any, has_delta: bool) -> Any:
    if has_delta:
        return share(formula)

    def without(y, p, delta):
        return formula(y, p)

    return share(without)


def _unfused(formula: Any) -> Any:
    def derivative(y, p, a, delta):
        return formula(y, p, delta)

    return share(derivative)


def _fused(formula: Any) -> Any:
    def derivative(y, p, a, delta):
        return formula(y, p, a)

    return share(derivative)


def make_softmax_crossentropy_value(dtype: Any, masked: bool) -> Callable[..., None]:
    """Operands: Z, Y, weight, terms, bytes between blocks, classes, positions; with ``masked`` K."""
    size = dtype().itemsize

    def softmax_crossentropy_value(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 8)
        n, lanes = block_lanes(c, item, size)
        shift = base
        high, log_sum = view(zero, scratch, lanes), view(zero, scratch + BLOCK * size, lanes)
        one = view(zero, scratch + 2 * BLOCK * size, lanes)
        weight, total = view(zero, r[2] + shift, lanes), view(zero, r[3] + shift, lanes)
        for j in range(lanes):
            total[j] = zero
        for p in range(r[6]):
            first = shift + p * r[5] * BLOCK * size
            top_and_sum(zero, size, r[0] + first, r[5], lanes, scratch, scratch + BLOCK * size)
            for j in range(lanes):
                log_sum[j] = log(log_sum[j])
                one[j] = zero
            for i in range(r[5]):
                at = first + i * BLOCK * size
                z, y = view(zero, r[0] + at, lanes), view(zero, r[1] + at, lanes)
                for j in range(lanes):
                    # a class of weight zero counts nothing, also where its logarithm is infinite
                    one[j] += zero if y[j] == zero else y[j] * (log_sum[j] - (z[j] - high[j]))
            if masked:
                mask = view(zero, r[7] + shift + p * BLOCK * size, lanes)
                for j in range(lanes):
                    one[j] = zero if mask[j] == zero else one[j]
            for j in range(lanes):
                total[j] += one[j]
        positions = dtype(r[6])
        for j in range(lanes):
            total[j] = total[j] / positions * weight[j]

    return softmax_crossentropy_value


def make_softmax_crossentropy_gradient(dtype: Any, many: bool) -> Callable[..., None]:
    """Operands: Z, Y, weight, dZ, bytes between blocks, classes, positions.

    ``many`` says whether there are several positions.
    """
    size = dtype().itemsize

    def softmax_crossentropy_gradient(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        shift, positions = base, dtype(r[6])
        total = view(zero, scratch, lanes)
        weight, mass = view(zero, r[2] + shift, lanes), view(zero, scratch + 2 * BLOCK * size, lanes)
        for p in range(r[6]):
            first = shift + p * r[5] * BLOCK * size
            exponentials(zero, size, r[0] + first, r[5], lanes, r[3] + first, scratch)
            for j in range(lanes):
                mass[j] = zero
            for i in range(r[5]):
                y = view(zero, r[1] + first + i * BLOCK * size, lanes)
                for j in range(lanes):
                    mass[j] += y[j]
            for i in range(r[5]):
                at = first + i * BLOCK * size
                y, dz = view(zero, r[1] + at, lanes), view(zero, r[3] + at, lanes)
                for j in range(lanes):
                    d = dz[j] / total[j] * mass[j] - y[j]
                    dz[j] = d / positions * weight[j] if many else d * weight[j]

    return softmax_crossentropy_gradient


def make_softmax_crossentropy(dtype: Any, many: bool, masked: bool) -> Callable[..., None]:
    """Both of the above, on exponentials computed once: digits, batch 32, 0.31 us instead of 0.54.

    Operands: Z, Y, weight, terms, dZ, bytes between blocks, classes, positions; with ``masked`` K.
    """
    size = dtype().itemsize

    def softmax_crossentropy(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 9)
        n, lanes = block_lanes(c, item, size)
        row = BLOCK * size
        positions = dtype(r[7])
        total, high = view(zero, scratch, lanes), view(zero, scratch + row, lanes)
        log_sum, one = view(zero, scratch + 2 * row, lanes), view(zero, scratch + 3 * row, lanes)
        mass = view(zero, scratch + 4 * row, lanes)
        weight, terms = view(zero, r[2] + base, lanes), view(zero, r[3] + base, lanes)
        for j in range(lanes):
            terms[j] = zero
        for p in range(r[7]):
            first = base + p * r[6] * row
            exponentials(zero, size, r[0] + first, r[6], lanes, r[4] + first, scratch)
            for j in range(lanes):
                log_sum[j] = log(total[j])
                one[j] = zero
                mass[j] = zero
            for i in range(r[6]):
                at = first + i * row
                z, y = view(zero, r[0] + at, lanes), view(zero, r[1] + at, lanes)
                for j in range(lanes):
                    # a class of weight zero counts nothing, also where its logarithm is infinite
                    one[j] += zero if y[j] == zero else y[j] * (log_sum[j] - (z[j] - high[j]))
                    mass[j] += y[j]
            if masked:
                mask = view(zero, r[8] + base + p * row, lanes)
                for j in range(lanes):
                    one[j] = zero if mask[j] == zero else one[j]
            for j in range(lanes):
                terms[j] += one[j]
            for i in range(r[6]):
                at = first + i * row
                y, dz = view(zero, r[1] + at, lanes), view(zero, r[4] + at, lanes)
                for j in range(lanes):
                    d = dz[j] / total[j] * mass[j] - y[j]
                    dz[j] = d / positions * weight[j] if many else d * weight[j]
        for j in range(lanes):
            terms[j] = terms[j] / positions * weight[j]

    return softmax_crossentropy


def with_gradient(ops: tuple[Op, ...]) -> tuple[Op, ...]:
    """Return a program's ops with softmax cross-entropy and its gradient as one op, where both are among them."""
    for v, value in enumerate(ops):
        for g, gradient in enumerate(ops):
            if (value.kind, gradient.kind) == ("softmax_crossentropy_value", "softmax_crossentropy_gradient"):
                both = Op("softmax_crossentropy", {**gradient.operands, **value.operands}, value.static,
                          (*value.writes, *gradient.writes))  # fmt: skip
                return (*ops[:v], both, *ops[v + 1 : g], *ops[g + 1 :])
    return ops


def _divisor(o: Op) -> tuple[bool, int]:
    return divisor(o.static["mean"], rows_of(o, "P"), o.static["positions"])


def _constants(o: Op) -> tuple[int, int, int]:
    return rows_of(o, "P"), bits_of(o.static["delta"] or 0.0), _divisor(o)[1]


def _static(o: Op) -> tuple[Any, ...]:
    return o.static["formula"], _divisor(o)[0], o.static["delta"] is not None


def _classes(o: Op) -> tuple[int, int]:
    return rows_of(o, "Z") // o.static["positions"], o.static["positions"]


def _mask(o: Op) -> tuple[bool, tuple[str, ...]]:
    """Return whether there is a mask, and the operands to stand last."""
    masked = o.operands["K"] is not None
    return masked, ("K",) if masked else ()


def _loss_value(o: Op, low: Any) -> Recipe:
    masked, last = _mask(o)
    constants = (*_constants(o), rows_of(o, "P") // o.static["positions"])
    return Recipe(make_loss_value, (*_static(o), masked), ("P", "Y", "weight", "terms"), constants, last)


def _softmax_crossentropy_value(o: Op, low: Any) -> Recipe:
    masked, last = _mask(o)
    return Recipe(make_softmax_crossentropy_value, (masked,), ("Z", "Y", "weight", "terms"), _classes(o), last)


def _softmax_crossentropy(o: Op, low: Any) -> Recipe:
    masked, last = _mask(o)
    return Recipe(make_softmax_crossentropy, (o.static["positions"] > 1, masked), ("Z", "Y", "weight", "terms", "dZ"),
                  _classes(o), last)  # fmt: skip


MERGED = {"softmax_crossentropy": _softmax_crossentropy}
"""Ops that stand for two of a plan's; see ``with_gradient``."""

LOWER = {
    "loss_value": _loss_value,
    "loss_gradient": lambda o, low: Recipe(
        make_loss_gradient,
        (*_static(o), o.static["fused"]),
        ("P", "Y", "weight", "dP"),
        _constants(o),
        ("A",),
    ),
    "softmax_crossentropy_value": _softmax_crossentropy_value,
    "softmax_crossentropy_gradient": lambda o, low: Recipe(
        make_softmax_crossentropy_gradient, (o.static["positions"] > 1,), ("Z", "Y", "weight", "dZ"), _classes(o)
    ),
}
