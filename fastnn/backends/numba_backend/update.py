"""What happens to finished gradient sums: stored, or used at once to update the weights while they are in cache.

The counterpart of ``numpy_backend/update.py``. The gradient of a parameter is its sum over samples divided by
the number of samples, plus the penalty's gradient, clipped by value, then handed to the update rule: one read and
one write of weights and optimiser state a step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import LOSS, OPERANDS, SAMPLES, SCALARS
from fastnn.backends.numba_backend._memory import elements, float_from_int_bits, view
from fastnn.backends.numba_backend.reduction import make_sum_formula
from fastnn.backends.numba_backend.single_source import share
from fastnn.contract import VECTOR_LANES
from fastnn.formulas.primitives import like, sqrt, where
from fastnn.regularizers import gradient as penalty_gradient
from fastnn.regularizers import penalty

share(penalty_gradient)


def _square(x, a, b):
    return x * x


sum_squares, sum_penalty = make_sum_formula(_square), make_sum_formula(penalty)


@inner
def mean_by(zero, samples):
    """Return (by, exact): a sum of so many is divided by ``by`` or, where ``exact``, multiplied by it.

    Dividing by a power of two and multiplying by its reciprocal round the same real number, and a division takes five
    times as long (784 x 128 weights: 19 us).
    """
    n = like(zero, samples)
    if samples & (samples - 1) == 0:
        return like(zero, 1) / n, True
    return n, False


@inner
def finish_gradient(zero, size, context, operands, offset, sums, n, penalty, clip):
    """Turn ``n`` sums over samples into gradients in place: mean, plus the penalty's gradient, clipped by value."""
    r = view(0, operands, 7)
    by, exact = mean_by(zero, view(0, context, 16)[SAMPLES])
    gradient = view(zero, sums, n)
    if exact:
        for i in range(n):
            gradient[i] = gradient[i] * by
    else:
        for i in range(n):
            gradient[i] = gradient[i] / by
    if penalty:
        l1, l2 = like(zero, float_from_int_bits(r[4])), like(zero, float_from_int_bits(r[5]))
        weights = view(zero, r[1] + offset * size, n)
        if r[4] != 0 or r[5] != 0:  # as the plan states them: a factor may round to zero in float32
            for i in range(n):
                gradient[i] = gradient[i] + penalty_gradient(weights[i], l1, l2)
    if clip:
        most = like(zero, float_from_int_bits(r[6]))
        for i in range(n):
            g = where(gradient[i] > most, most, gradient[i])
            gradient[i] = where(g < -most, -most, g)
    return gradient


def make_store(dtype: Any, penalty: bool, clip: bool) -> Any:
    """Return a ``finish`` (see ``_dense_weights.py``) that writes gradients into the gradient vector."""

    @inner
    def store(zero, size, context, operands, offset, stride, sums, between, rows, n):
        target = view(0, operands, 1)[0]
        for m in range(rows):
            at = offset + m * stride
            gradient = finish_gradient(zero, size, context, operands, at, sums + m * between, n, penalty, clip)
            row = view(zero, target + at * size, n)
            for i in range(n):
                row[i] = gradient[i]

    return store


def make_update(update: Callable[..., Any], slots: int, scalars: int, penalty: bool, clip: bool) -> Any:
    """Return a ``finish`` that updates weights in place by ``update(w, g, slots, scalars)``."""
    step = (_step0, _step1, _step2, _step3)[slots](share(update))

    @inner
    def update_weights(zero, size, context, operands, offset, stride, sums, between, rows, n):
        r = view(0, operands, 4)
        constants = elements(zero, view(0, context, 16)[SCALARS], scalars)
        by, exact = mean_by(zero, view(0, context, 16)[SAMPLES])
        if penalty or clip:
            for m in range(rows):
                finish_gradient(
                    zero, size, context, operands, offset + m * stride, sums + m * between, n, penalty, clip
                )
            by, exact = like(zero, 1), True
        for m in range(rows):
            at = (offset + m * stride) * size
            step(zero, view(zero, r[1] + at, n), view(zero, sums + m * between, n), r[2] + at, r[3] * size, constants,
                 n, by, exact)  # fmt: skip

    return update_weights


CHUNK = 4096
"""Elements in one item of ``vector_update``."""


def make_vector_update(dtype: Any, update: Callable[..., Any], slots: int, scalars: int) -> Callable[..., None]:
    """Update all weights from the gradient vector: the way taken when a norm must be known first.

    Operands: elements, gradient vector, parameter vector, state vectors, elements between them.
    One item is ``CHUNK`` elements.
    """
    size = dtype().itemsize
    step = (_step0, _step1, _step2, _step3)[slots](share(update))

    def vector_update(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        r = view(0, record + 8 * OPERANDS, 5)
        constants = elements(zero, view(0, context, 16)[SCALARS], scalars)
        first = first_item * CHUNK
        n = min(r[0], last_item * CHUNK) - first
        at = first * size
        step(zero, view(zero, r[2] + at, n), view(zero, r[1] + at, n), r[3] + at, r[4] * size, constants, n,
             like(zero, 1), True)  # fmt: skip

    return vector_update


def make_clip_by_norm(dtype: Any) -> Callable[..., None]:
    """Scale parts of the gradient vector whose Euclidean norm is too great.

    One item a part. Operands: table of (first element, elements) per part, gradient vector, bits of the norm.
    """
    size = dtype().itemsize

    def clip_by_norm(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        r = view(0, record + 8 * OPERANDS, 3)
        most = dtype(float_from_int_bits(r[2]))
        parts = view(0, r[0], 2 * last_item)
        for item in range(first_item, last_item):
            gradient = view(zero, r[1] + parts[2 * item] * size, parts[2 * item + 1])
            partial = view(zero, scratch, VECTOR_LANES)
            norm = sqrt(sum_squares(zero, gradient, len(gradient), partial, zero, zero))
            if norm > most:
                scale = most / norm
                for i in range(len(gradient)):
                    gradient[i] = gradient[i] * scale

    return clip_by_norm


def make_penalty_sum(dtype: Any) -> Callable[..., None]:
    """Store the sum of the parameters' penalties behind the step's loss. One item.

    Operands: number of penalised parameters, table of (first element, elements, bits of l1, of l2) each, parameter
    vector.
    """
    size = dtype().itemsize

    def penalty_sum(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        r = view(0, record + 8 * OPERANDS, 3)
        table = view(0, r[1], 4 * r[0])
        total = zero
        for p in range(r[0]):
            weights = view(zero, r[2] + table[4 * p] * size, table[4 * p + 1])
            l1 = dtype(float_from_int_bits(table[4 * p + 2]))
            l2 = dtype(float_from_int_bits(table[4 * p + 3]))
            partial = view(zero, scratch, VECTOR_LANES)
            total += sum_penalty(zero, weights, len(weights), partial, l1, l2)
        view(0.0, view(0, context, 16)[LOSS] + 8, 1)[0] = total

    return penalty_sum


# One loop per way of taking the mean: a branch inside would keep the loop from vectorising.


def _step0(formula: Any) -> Any:
    @inner
    def step(zero, weights, gradient, state, between, constants, n, by, exact):
        if exact:
            for i in range(n):
                w, s = formula(weights[i], gradient[i] * by, (), constants)
                weights[i] = w
        else:
            for i in range(n):
                w, s = formula(weights[i], gradient[i] / by, (), constants)
                weights[i] = w

    return step


def _step1(formula: Any) -> Any:
    @inner
    def step(zero, weights, gradient, state, between, constants, n, by, exact):
        a = view(zero, state, n)
        if exact:
            for i in range(n):
                w, s = formula(weights[i], gradient[i] * by, (a[i],), constants)
                weights[i] = w
                a[i] = s[0]
        else:
            for i in range(n):
                w, s = formula(weights[i], gradient[i] / by, (a[i],), constants)
                weights[i] = w
                a[i] = s[0]

    return step


def _step2(formula: Any) -> Any:
    @inner
    def step(zero, weights, gradient, state, between, constants, n, by, exact):
        a, b = view(zero, state, n), view(zero, state + between, n)
        if exact:
            for i in range(n):
                w, s = formula(weights[i], gradient[i] * by, (a[i], b[i]), constants)
                weights[i] = w
                a[i] = s[0]
                b[i] = s[1]
        else:
            for i in range(n):
                w, s = formula(weights[i], gradient[i] / by, (a[i], b[i]), constants)
                weights[i] = w
                a[i] = s[0]
                b[i] = s[1]

    return step


def _step3(formula: Any) -> Any:
    @inner
    def step(zero, weights, gradient, state, between, constants, n, by, exact):
        a, b, c = view(zero, state, n), view(zero, state + between, n), view(zero, state + 2 * between, n)
        if exact:
            for i in range(n):
                w, s = formula(weights[i], gradient[i] * by, (a[i], b[i], c[i]), constants)
                weights[i] = w
                a[i] = s[0]
                b[i] = s[1]
                c[i] = s[2]
        else:
            for i in range(n):
                w, s = formula(weights[i], gradient[i] / by, (a[i], b[i], c[i]), constants)
                weights[i] = w
                a[i] = s[0]
                b[i] = s[1]
                c[i] = s[2]

    return step
