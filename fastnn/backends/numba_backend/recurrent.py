"""Recurrent layers: one op walks a block of samples through all steps, another walks back.

The counterpart of ``numpy_backend/recurrent.py``. A step is a product that continues the sums of the inputs' products
and one loop over the lanes of a unit at a time, which has all its gates in registers. What the way back needs stays in
tensors of the plan; it leaves the gradients of the pre-activations in the gates' place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.activations import Activation
from fastnn.backends.numba_backend._dense_products import (
    product_from_bias,
    product_from_memory,
    product_from_zero,
)
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import float_from_int_bits, view, wide_vectors
from fastnn.backends.numba_backend._recording import Recipe, bits_of, rows_of, shape_of
from fastnn.backends.numba_backend._streams import get, pointer, put
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.noise import DRAWING, make_dropout_forward
from fastnn.backends.numba_backend.rearrange import clear_rows, copy_rows
from fastnn.backends.numba_backend.single_source import backward_formula, forward_formula
from fastnn.plan.plan import Op, Tensor
from fastnn.random.bernoulli import bernoulli_threshold

# The numbers of the steps, which stand behind a record's addresses and the bytes between blocks: a visit's place in the
# sequence is AT + number * STEP, its output's OUT + number * OUT_STEP of OUTPUTS.
UNITS, STEPS, AT, STEP, OUT, OUT_STEP, OUTPUTS, ALPHA, RECURRENT_ALPHA = range(9)
NUMBERS = 9


@inner
def first_state(zero, size, to_h, to_p, factors, start, carries, drops, rows, lanes):
    """Write the first state, zeros or the carried one, to H's place and, with dropout, to P's."""
    if not carries:
        clear_rows(zero, size, to_h, rows, lanes)
        clear_rows(zero, size, to_p, rows, lanes)
        return
    copy_rows(zero, size, start, to_h, rows, lanes)
    if drops:
        for u in range(rows):
            at = u * BLOCK * size
            h, d, p = view(zero, to_h + at, lanes), view(zero, factors + at, lanes), view(zero, to_p + at, lanes)
            for j in range(lanes):
                p[j] = h[j] * d[j]


ROWS_BACK = 32
"""Gates' rows that go back to the state together: with their weights they stay in the first cache for all units."""


@inner
def products_back(zero, size, weights, dz, dh, units, rows, lanes):
    """Write ``W^T dz`` of a block: from +0, products added in ascending order of the gates' ``rows``."""
    product_from_zero(zero, size, weights, 1, units, dz, dh, 0, units, min(rows, ROWS_BACK), lanes)
    for i in range(ROWS_BACK, rows, ROWS_BACK):
        product_from_memory(zero, size, weights + i * units * size, 1, units, dz + i * BLOCK * size, dh, 0, units,
                            min(rows - i, ROWS_BACK), lanes)  # fmt: skip


def make_simple_rnn_forward(dtype: Any, formula: Any, has_alpha: bool, apart: bool, drops: bool,
                            masked: bool, carries: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, P, H, Y, W, D, K, I, bytes between blocks; then the numbers named above.

    ``apart``: whether pre-activations are kept, G is another tensor than Z; ``drops``: whether there is D, H is another
    tensor than P; ``masked``: whether there is K; ``carries``: whether there is I, the state before and after.
    """
    size = dtype().itemsize
    row = BLOCK * size
    f = forward_formula(formula, has_alpha)

    def simple_rnn_forward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 10)
        k = view(0, record + 8 * (OPERANDS + 10), NUMBERS)
        n, lanes = block_lanes(c, item, size)
        units, block, alpha = k[UNITS], base, dtype(float_from_int_bits(k[ALPHA]))
        step = units * row
        first, carried = block + k[AT] * step, r[8] + block
        first_state(zero, size, r[3] + first, r[2] + first, r[6] + block, carried, carries, drops, units, lanes)
        for s in range(k[STEPS]):
            # invariant: the visit's P and H hold the state after the visits before
            t = k[AT] + s * k[STEP]
            here, last = block + t * step, s + 1 == k[STEPS]
            product_from_memory(zero, size, r[5], units, 1, r[2] + here, r[0] + here, 0, units, units, lanes)
            for u in range(units):
                at = here + u * row
                # where the next visit reads the state; the last one's is carried on, or goes nowhere
                next_p = scratch if last else r[2] + at + k[STEP] * step
                next_h = r[3] + at + k[STEP] * step
                if last:
                    next_h = carried + u * row if carries else scratch + row
                z, g, h = pointer(zero, r[0] + at), pointer(zero, r[1] + at), pointer(zero, r[3] + at)
                y = pointer(zero, r[4] + block + (k[OUT] + s * k[OUT_STEP]) * step + u * row)
                d, mask = pointer(zero, r[6] + block + u * row), pointer(zero, r[7] + block + t * row)
                to_p, to_h = pointer(zero, next_p), pointer(zero, next_h)
                for j in range(lanes):
                    a = f(get(z, j, 0), alpha)
                    if apart:
                        put(g, j, 1, a)
                    else:
                        put(z, j, 0, a)
                    if masked:
                        a = a if get(mask, j, 2) != zero else get(h, j, 3)
                    put(y, j, 4, a)
                    put(to_h, j, 3, a)
                    if drops:
                        put(to_p, j, 5, a * get(d, j, 6))

    return simple_rnn_forward


def make_simple_rnn_backward(dtype: Any, formula: Any, has_alpha: bool, apart: bool, drops: bool,
                             masked: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, dY, W, D, K, dH and kept (rows of a step), bytes between blocks; then the numbers.

    dZ takes the place of G.
    """
    size = dtype().itemsize
    row = BLOCK * size
    f = backward_formula(formula, has_alpha)

    def simple_rnn_backward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 9)
        k = view(0, record + 8 * (OPERANDS + 9), NUMBERS)
        n, lanes = block_lanes(c, item, size)
        units, block, alpha = k[UNITS], base, dtype(float_from_int_bits(k[ALPHA]))
        step = units * row
        clear_rows(zero, size, r[6] + block, units, lanes)
        clear_rows(zero, size, r[7] + block, units, lanes)
        for s in range(k[STEPS] - 1, -1, -1):
            # invariant: dH holds what reached the state through the next visit's products, kept what went past them
            t = k[AT] + s * k[STEP]
            here, put_out = block + t * step, k[STEPS] - s <= k[OUTPUTS]
            for u in range(units):
                at = here + u * row
                z, g = pointer(zero, r[0] + at), pointer(zero, r[1] + at)
                back, past = pointer(zero, r[6] + block + u * row), pointer(zero, r[7] + block + u * row)
                dy = pointer(zero, r[2] + block + (k[OUT] + s * k[OUT_STEP]) * step + u * row)
                d, mask = pointer(zero, r[4] + block + u * row), pointer(zero, r[5] + block + t * row)
                for j in range(lanes):
                    dh = get(back, j, 2)
                    if drops:
                        dh = dh * get(d, j, 3)
                    if masked:
                        dh = dh + get(past, j, 4)
                    if put_out:
                        dh = dh + get(dy, j, 5)
                    a = get(g, j, 1)
                    pre = get(z, j, 0) if apart else a
                    dz = dh * f(pre, a, alpha)
                    if masked:
                        here_ = get(mask, j, 6) != zero
                        put(past, j, 4, zero if here_ else dh)
                        dz = dz if here_ else zero
                    put(g, j, 1, dz)
            if s > 0:
                products_back(zero, size, r[3], r[1] + here, r[6] + block, units, units, lanes)

    return simple_rnn_backward


def make_lstm_forward(dtype: Any, formula: Any, has_alpha: bool, gate_formula: Any, gate_has_alpha: bool, apart: bool,
                      drops: bool, masked: bool, carries: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, P, H, Y, W, D, K, C, F, I, bytes between blocks; then the numbers."""
    size = dtype().itemsize
    row = BLOCK * size
    f, gate = forward_formula(formula, has_alpha), forward_formula(gate_formula, gate_has_alpha)

    def lstm_forward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 12)
        k = view(0, record + 8 * (OPERANDS + 12), NUMBERS)
        n, lanes = block_lanes(c, item, size)
        units, block = k[UNITS], base
        alpha, beta = dtype(float_from_int_bits(k[ALPHA])), dtype(float_from_int_bits(k[RECURRENT_ALPHA]))
        step = units * row
        first, carried = block + k[AT] * step, r[10] + block
        first_state(zero, size, r[3] + first, r[2] + first, r[6] + block, carried, carries, drops, units, lanes)
        if carries:
            copy_rows(zero, size, carried + step, r[8] + block, units, lanes)
        else:
            clear_rows(zero, size, r[8] + block, units, lanes)
        for s in range(k[STEPS]):
            # invariant: the visit's P and H hold the state after the visits before, row s of C the cells' state
            t = k[AT] + s * k[STEP]
            gates, state, cells, last = block + 4 * t * step, block + t * step, block + s * step, s + 1 == k[STEPS]
            product_from_memory(zero, size, r[5], units, 1, r[2] + state, r[0] + gates, 0, 4 * units, units, lanes)
            for u in range(units):
                at = u * row
                # where the next visit reads the state; the last one's is carried on, or goes nowhere
                next_p = scratch if last else r[2] + state + k[STEP] * step + at
                next_h = r[3] + state + k[STEP] * step + at
                if last:
                    next_h = carried + at if carries else scratch + row
                z, g = r[0] + gates + at, r[1] + gates + at
                z0, z1, z2, z3 = (pointer(zero, z), pointer(zero, z + step), pointer(zero, z + 2 * step),
                                  pointer(zero, z + 3 * step))  # fmt: skip
                g0, g1, g2, g3 = (pointer(zero, g), pointer(zero, g + step), pointer(zero, g + 2 * step),
                                  pointer(zero, g + 3 * step))  # fmt: skip
                before, after = pointer(zero, r[8] + cells + at), pointer(zero, r[8] + cells + step + at)
                squashed, h = pointer(zero, r[9] + cells + at), pointer(zero, r[3] + state + at)
                y = pointer(zero, r[4] + block + (k[OUT] + s * k[OUT_STEP]) * step + at)
                d, mask = pointer(zero, r[6] + block + at), pointer(zero, r[7] + block + t * row)
                to_p, to_h = pointer(zero, next_p), pointer(zero, next_h)
                for j in range(lanes):
                    enter, forget = gate(get(z0, j, 0), beta), gate(get(z1, j, 1), beta)
                    candidate, leave = f(get(z2, j, 2), alpha), gate(get(z3, j, 3), beta)
                    if apart:
                        put(g0, j, 4, enter)
                        put(g1, j, 5, forget)
                        put(g2, j, 6, candidate)
                        put(g3, j, 7, leave)
                    else:
                        put(z0, j, 0, enter)
                        put(z1, j, 1, forget)
                        put(z2, j, 2, candidate)
                        put(z3, j, 3, leave)
                    old = get(before, j, 8)
                    cell = forget * old + enter * candidate
                    flat = f(cell, alpha)
                    put(squashed, j, 9, flat)
                    a = leave * flat
                    if masked:
                        here = get(mask, j, 10) != zero
                        cell = cell if here else old
                        a = a if here else get(h, j, 11)
                    put(after, j, 8, cell)
                    put(y, j, 12, a)
                    put(to_h, j, 11, a)
                    if drops:
                        put(to_p, j, 13, a * get(d, j, 14))
        if carries:
            copy_rows(zero, size, r[8] + block + k[STEPS] * step, carried + step, units, lanes)

    return lstm_forward


def make_lstm_backward(dtype: Any, formula: Any, has_alpha: bool, gate_formula: Any, gate_has_alpha: bool, apart: bool,
                       drops: bool, masked: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, dY, W, D, K, dH, kept and dC (rows of a step), C, F, bytes between blocks; then the numbers.

    dZ takes the place of G.
    """
    size = dtype().itemsize
    row = BLOCK * size
    f, gate = backward_formula(formula, has_alpha), backward_formula(gate_formula, gate_has_alpha)

    def lstm_backward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 12)
        k = view(0, record + 8 * (OPERANDS + 12), NUMBERS)
        n, lanes = block_lanes(c, item, size)
        units, block = k[UNITS], base
        alpha, beta = dtype(float_from_int_bits(k[ALPHA])), dtype(float_from_int_bits(k[RECURRENT_ALPHA]))
        step = units * row
        for work in range(6, 9):
            clear_rows(zero, size, r[work] + block, units, lanes)
        for s in range(k[STEPS] - 1, -1, -1):
            # invariant: dH holds what reached the state through the next visit's products, kept what went past them,
            # dC the gradient by row s + 1 of C from the next visit
            t = k[AT] + s * k[STEP]
            gates, cells, put_out = block + 4 * t * step, block + s * step, k[STEPS] - s <= k[OUTPUTS]
            for u in range(units):
                at = u * row
                z, g = r[0] + gates + at, r[1] + gates + at
                z0, z1, z2, z3 = (pointer(zero, z), pointer(zero, z + step), pointer(zero, z + 2 * step),
                                  pointer(zero, z + 3 * step))  # fmt: skip
                g0, g1, g2, g3 = (pointer(zero, g), pointer(zero, g + step), pointer(zero, g + 2 * step),
                                  pointer(zero, g + 3 * step))  # fmt: skip
                dy = pointer(zero, r[2] + block + (k[OUT] + s * k[OUT_STEP]) * step + at)
                d, mask = pointer(zero, r[4] + block + at), pointer(zero, r[5] + block + t * row)
                back, past = pointer(zero, r[6] + block + at), pointer(zero, r[7] + block + at)
                by_cell, squashed = pointer(zero, r[8] + block + at), pointer(zero, r[10] + cells + at)
                before, after = pointer(zero, r[9] + cells + at), pointer(zero, r[9] + cells + step + at)
                for j in range(lanes):
                    dh = get(back, j, 8)
                    if drops:
                        dh = dh * get(d, j, 9)
                    if masked:
                        dh = dh + get(past, j, 10)
                    if put_out:
                        dh = dh + get(dy, j, 11)
                    enter, forget, candidate, leave = get(g0, j, 4), get(g1, j, 5), get(g2, j, 6), get(g3, j, 7)
                    pre0, pre1, pre2, pre3, cell = enter, forget, candidate, leave, get(squashed, j, 12)
                    flat = cell
                    if apart:
                        pre0, pre1, pre2, pre3 = get(z0, j, 0), get(z1, j, 1), get(z2, j, 2), get(z3, j, 3)
                        cell = get(after, j, 13)
                    dc_before = get(by_cell, j, 14)
                    dc = dc_before + (dh * leave) * f(cell, flat, alpha)
                    d0 = (dc * candidate) * gate(pre0, enter, beta)
                    d1 = (dc * get(before, j, 13)) * gate(pre1, forget, beta)
                    d2 = (dc * enter) * f(pre2, candidate, alpha)
                    d3 = (dh * flat) * gate(pre3, leave, beta)
                    dc = dc * forget
                    if masked:
                        here = get(mask, j, 15) != zero
                        put(past, j, 10, zero if here else dh)
                        d0, d1 = d0 if here else zero, d1 if here else zero
                        d2, d3 = d2 if here else zero, d3 if here else zero
                        dc = dc if here else dc_before
                    put(g0, j, 4, d0)
                    put(g1, j, 5, d1)
                    put(g2, j, 6, d2)
                    put(g3, j, 7, d3)
                    put(by_cell, j, 14, dc)
            if s > 0:
                products_back(zero, size, r[3], r[1] + gates, r[6] + block, units, 4 * units, lanes)

    return lstm_backward


def make_gru_forward(dtype: Any, formula: Any, has_alpha: bool, gate_formula: Any, gate_has_alpha: bool, apart: bool,
                     drops: bool, masked: bool, carries: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, P, H, Y, W, D, K, b, S, sums (rows of two gates), bytes between blocks; then the numbers."""
    size = dtype().itemsize
    row = BLOCK * size
    f, gate = forward_formula(formula, has_alpha), forward_formula(gate_formula, gate_has_alpha)

    def gru_forward(context, record, item, base, scratch):
        wide_vectors()
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 13)
        k = view(0, record + 8 * (OPERANDS + 13), NUMBERS)
        n, lanes = block_lanes(c, item, size)
        units, block = k[UNITS], base
        alpha, beta = dtype(float_from_int_bits(k[ALPHA])), dtype(float_from_int_bits(k[RECURRENT_ALPHA]))
        step = units * row
        first, carried = block + k[AT] * step, r[11] + block
        first_state(zero, size, r[3] + first, r[2] + first, r[6] + block, carried, carries, drops, units, lanes)
        for s in range(k[STEPS]):
            # invariant: the visit's P and H hold the state after the visits before
            t = k[AT] + s * k[STEP]
            gates, state, last = block + 3 * t * step, block + t * step, s + 1 == k[STEPS]
            product_from_bias(zero, size, r[5], units, 1, r[2] + state, r[10] + block, r[8], 2 * units, units, lanes)
            product_from_bias(zero, size, r[5] + 2 * units * units * size, units, 1, r[2] + state, r[9] + state,
                              r[8] + 2 * units * size, units, units, lanes)  # fmt: skip
            for u in range(units):
                at = u * row
                # where the next visit reads the state; the last one's is carried on, or goes nowhere
                next_p = scratch if last else r[2] + state + k[STEP] * step + at
                next_h = r[3] + state + k[STEP] * step + at
                if last:
                    next_h = carried + at if carries else scratch + row
                z, g = r[0] + gates + at, r[1] + gates + at
                z0, z1, z2 = pointer(zero, z), pointer(zero, z + step), pointer(zero, z + 2 * step)
                g0, g1, g2 = pointer(zero, g), pointer(zero, g + step), pointer(zero, g + 2 * step)
                s0, s1 = pointer(zero, r[10] + block + at), pointer(zero, r[10] + block + step + at)
                s2, h = pointer(zero, r[9] + state + at), pointer(zero, r[3] + state + at)
                y = pointer(zero, r[4] + block + (k[OUT] + s * k[OUT_STEP]) * step + at)
                d, mask = pointer(zero, r[6] + block + at), pointer(zero, r[7] + block + t * row)
                to_p, to_h = pointer(zero, next_p), pointer(zero, next_h)
                for j in range(lanes):
                    pre0, pre1 = get(z0, j, 0) + get(s0, j, 6), get(z1, j, 1) + get(s1, j, 6)
                    update, reset = gate(pre0, beta), gate(pre1, beta)
                    pre2 = get(z2, j, 2) + reset * get(s2, j, 7)
                    candidate = f(pre2, alpha)
                    if apart:
                        put(z0, j, 0, pre0)
                        put(z1, j, 1, pre1)
                        put(z2, j, 2, pre2)
                        put(g0, j, 3, update)
                        put(g1, j, 4, reset)
                        put(g2, j, 5, candidate)
                    else:
                        put(z0, j, 0, update)
                        put(z1, j, 1, reset)
                        put(z2, j, 2, candidate)
                    old = get(h, j, 11)
                    a = update * old + (one - update) * candidate
                    if masked:
                        a = a if get(mask, j, 10) != zero else old
                    put(y, j, 12, a)
                    put(to_h, j, 11, a)
                    if drops:
                        put(to_p, j, 13, a * get(d, j, 14))

    return gru_forward


def make_gru_backward(dtype: Any, formula: Any, has_alpha: bool, gate_formula: Any, gate_has_alpha: bool, apart: bool,
                      drops: bool, masked: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, dY, W, D, K, dH and kept (rows of a step), H, S, dS, bytes between blocks; then the numbers.

    dZ takes the place of G.
    """
    size = dtype().itemsize
    row = BLOCK * size
    f, gate = backward_formula(formula, has_alpha), backward_formula(gate_formula, gate_has_alpha)

    def gru_backward(context, record, item, base, scratch):
        wide_vectors()
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 12)
        k = view(0, record + 8 * (OPERANDS + 12), NUMBERS)
        n, lanes = block_lanes(c, item, size)
        units, block = k[UNITS], base
        alpha, beta = dtype(float_from_int_bits(k[ALPHA])), dtype(float_from_int_bits(k[RECURRENT_ALPHA]))
        step = units * row
        clear_rows(zero, size, r[6] + block, units, lanes)
        clear_rows(zero, size, r[7] + block, units, lanes)
        for s in range(k[STEPS] - 1, -1, -1):
            # invariant: dH holds what reached the state through the next visit's products, kept what went past them
            t = k[AT] + s * k[STEP]
            gates, state, put_out = block + 3 * t * step, block + t * step, k[STEPS] - s <= k[OUTPUTS]
            for u in range(units):
                at = u * row
                z, g, by = r[0] + gates + at, r[1] + gates + at, r[10] + gates + at
                z0, z1, z2 = pointer(zero, z), pointer(zero, z + step), pointer(zero, z + 2 * step)
                g0, g1, g2 = pointer(zero, g), pointer(zero, g + step), pointer(zero, g + 2 * step)
                s0, s1, s2 = pointer(zero, by), pointer(zero, by + step), pointer(zero, by + 2 * step)
                dy = pointer(zero, r[2] + block + (k[OUT] + s * k[OUT_STEP]) * step + at)
                d, mask = pointer(zero, r[4] + block + at), pointer(zero, r[5] + block + t * row)
                back, past = pointer(zero, r[6] + block + at), pointer(zero, r[7] + block + at)
                h, sums = pointer(zero, r[8] + state + at), pointer(zero, r[9] + state + at)
                for j in range(lanes):
                    dh = get(back, j, 9)
                    if drops:
                        dh = dh * get(d, j, 10)
                    dh = dh + get(past, j, 11)
                    if put_out:
                        dh = dh + get(dy, j, 12)
                    update, reset, candidate = get(g0, j, 3), get(g1, j, 4), get(g2, j, 5)
                    pre0, pre1, pre2 = update, reset, candidate
                    if apart:
                        pre0, pre1, pre2 = get(z0, j, 0), get(z1, j, 1), get(z2, j, 2)
                    d2 = (dh * (one - update)) * f(pre2, candidate, alpha)
                    d1 = (d2 * get(sums, j, 13)) * gate(pre1, reset, beta)
                    d0 = (dh * (get(h, j, 14) - candidate)) * gate(pre0, update, beta)
                    by_sum, kept = d2 * reset, dh * update
                    if masked:
                        here = get(mask, j, 15) != zero
                        d0, d1, d2 = d0 if here else zero, d1 if here else zero, d2 if here else zero
                        by_sum, kept = by_sum if here else zero, kept if here else dh
                    put(past, j, 11, kept)
                    put(g0, j, 3, d0)
                    put(g1, j, 4, d1)
                    put(g2, j, 5, d2)
                    put(s0, j, 6, d0)
                    put(s1, j, 7, d1)
                    put(s2, j, 8, by_sum)
            if s > 0:
                products_back(zero, size, r[3], r[10] + gates, r[6] + block, units, 3 * units, lanes)

    return gru_backward


def make_sequence_mask(dtype: Any) -> Callable[..., None]:
    """Operands: A, Z, K, bytes between blocks, steps, features, bits of the value (a float64)."""
    size = dtype().itemsize

    def sequence_mask(context, record, item, base, scratch):
        zero, one = dtype(0), dtype(1)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        value, features = dtype(float_from_int_bits(r[6])), r[5]
        for t in range(r[4]):
            mask = view(zero, r[2] + base + t * BLOCK * size, lanes)
            for j in range(lanes):
                mask[j] = zero
            for i in range(t * features, (t + 1) * features):
                a = view(zero, r[0] + base + i * BLOCK * size, lanes)
                for j in range(lanes):
                    mask[j] = one if a[j] != value else mask[j]
            for i in range(t * features, (t + 1) * features):
                shift = base + i * BLOCK * size
                a, z = view(zero, r[0] + shift, lanes), view(zero, r[1] + shift, lanes)
                for j in range(lanes):
                    z[j] = a[j] if mask[j] != zero else zero

    return sequence_mask


def make_mask_gradient(dtype: Any) -> Callable[..., None]:
    """Operands: K, dZ (dA takes its place), bytes between blocks, steps, features."""
    size = dtype().itemsize

    def mask_gradient(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        for i in range(r[3] * r[4]):
            mask = view(zero, r[0] + base + i // r[4] * BLOCK * size, lanes)
            dz = view(zero, r[1] + base + i * BLOCK * size, lanes)
            for j in range(lanes):
                dz[j] = dz[j] if mask[j] != zero else zero

    return mask_gradient


def _formulas(o: Op, name: str) -> tuple[Any, ...]:
    """Return what makers take for the cell's activation ``f`` and, where it has one, the gates' ``r``."""
    found: tuple[Any, ...] = ()
    for what in ("f", "r"):
        if what in o.static:
            activation = o.static[what]
            assert isinstance(activation, Activation)
            found += (getattr(activation, name), activation.alpha is not None)
    return found


def _numbers(o: Op) -> tuple[int, ...]:
    """Return the numbers of the steps."""
    visits = o.static["visits"]
    (at, out), (then, out_then) = visits[0], visits[min(1, len(visits) - 1)]
    alphas = (bits_of(o.static[name].alpha or 0.0) for name in ("f", "r") if name in o.static)
    outputs = 1 + max(place for _, place in visits)
    return shape_of(o, "W")[1], len(visits), at, then - at, out, out_then - out, outputs, *alphas


def _recipe(make: Any, formula: str, *names: str) -> Callable[[Op, Any], Recipe]:
    def recipe(o: Op, low: Any) -> Recipe:
        forward = "Y" in o.operands
        has = [o.operands[name] is not None for name in (("D", "K", "I") if forward else ("D", "K"))]
        first, second = o.operands["Z"], o.operands["G"]
        assert isinstance(first, Tensor) and isinstance(second, Tensor)
        apart = first.index != second.index
        rows, units = shape_of(o, "W")
        work = (2.0 * units + 20.0) * rows * len(o.static["visits"])
        return Recipe(make, (*_formulas(o, formula), apart, *has), names, _numbers(o), work=work)

    return recipe


def _dropout_mask(o: Op, low: Any) -> Recipe:
    """Return the record of dropout of whatever the workspace holds: the mask is what is wanted."""
    s = o.static
    constants = (s["rows"], 1, s["stream"], int(bernoulli_threshold(s["rate"])), bits_of(1.0 / (1.0 - s["rate"])))
    return Recipe(make_dropout_forward, (), ("work", "work", "M"), constants, work=DRAWING * s["rows"])


_FORWARD, _BACKWARD = ("Z", "G", "P", "H", "Y", "W", "D", "K"), ("Z", "G", "dY", "W", "D", "K", "dH", "kept")

LOWER = {
    "simple_rnn_forward": _recipe(make_simple_rnn_forward, "forward", *_FORWARD, "I"),
    "simple_rnn_backward": _recipe(make_simple_rnn_backward, "derivative", *_BACKWARD),
    "lstm_forward": _recipe(make_lstm_forward, "forward", *_FORWARD, "C", "F", "I"),
    "lstm_backward": _recipe(make_lstm_backward, "derivative", *_BACKWARD, "dC", "C", "F"),
    "gru_forward": _recipe(make_gru_forward, "forward", *_FORWARD, "b", "S", "sums", "I"),
    "gru_backward": _recipe(make_gru_backward, "derivative", *_BACKWARD, "H", "S", "dS"),
    "dropout_mask": _dropout_mask,
    "sequence_mask": lambda o, low: Recipe(
        make_sequence_mask,
        (),
        ("A", "Z", "K"),
        (o.static["steps"], rows_of(o, "A") // o.static["steps"], bits_of(o.static["value"])),
    ),
    "mask_gradient": lambda o, low: Recipe(
        make_mask_gradient, (), ("K", "dZ"), (o.static["steps"], rows_of(o, "dZ") // o.static["steps"])
    ),
}
