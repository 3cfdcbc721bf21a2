"""Long short-term memory's kernels: ``c = F c + I G``, ``h = O f(c)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._cell_loops import ONE_ROW, ROWS, cell_loop, rows_if
from fastnn.backends.numba_backend._dense_products import product_from_memory
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS
from fastnn.backends.numba_backend._memory import float_from_int_bits, view, wide_vectors
from fastnn.backends.numba_backend._recurrent_steps import (
    ALPHA,
    AT,
    NUMBERS,
    OUT,
    OUT_STEP,
    OUTPUTS,
    RECURRENT_ALPHA,
    STEP,
    STEPS,
    UNITS,
    first_state,
    next_state,
    products_back,
)
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.rearrange import clear_rows, copy_rows
from fastnn.backends.numba_backend.single_source import backward_formula, forward_formula
from fastnn.formulas.primitives import like, where


def make_lstm_forward(dtype: Any, formula: Any, has_alpha: bool, gate_formula: Any, gate_has_alpha: bool, apart: bool,
                      drops: bool, masked: bool, carries: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, P, H, Y, W, D, K, C, F, I, bytes between blocks; then the numbers."""
    size = dtype().itemsize
    row = BLOCK * size
    f, gate = forward_formula(formula, has_alpha), forward_formula(gate_formula, gate_has_alpha)

    def lstm_cell(values: Any, constants: Any) -> Any:
        z0, z1, z2, z3, old, h, mask, d = values
        alpha, beta = constants
        enter, forget, candidate, leave = gate(z0, beta), gate(z1, beta), f(z2, alpha), gate(z3, beta)
        c = forget * old + enter * candidate
        flat = f(c, alpha)
        a = leave * flat
        if masked:
            here = mask != like(c, 0.0)
            c, a = where(here, c, old), where(here, a, h)
        return enter, forget, candidate, leave, flat, c, a * d if drops else a, a, a

    reads = (ROWS, ROWS, ROWS, ROWS, ROWS, rows_if(masked), ONE_ROW if masked else 0, rows_if(drops))
    run = cell_loop(dtype, lstm_cell, reads, (ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, rows_if(drops), ROWS, ROWS), 2)

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
            z, g = r[0] + block + 4 * t * step, r[1] + block + 4 * t * step
            p, h = r[2] + block + t * step, r[3] + block + t * step
            cells, squashed = r[8] + block + s * step, r[9] + block + s * step
            product_from_memory(zero, size, r[5], units, 1, p, z, 0, 4 * units, units, lanes)
            y = r[4] + block + (k[OUT] + s * k[OUT_STEP]) * step
            to_p, to_h = next_state(p, h, y, carried, k[STEP] * step, s + 1 == k[STEPS], carries)
            run((z, z + step, z + 2 * step, z + 3 * step, cells, h, r[7] + block + t * row, r[6] + block,
                 g, g + step, g + 2 * step, g + 3 * step, squashed, cells + step, to_p, to_h, y),
                (alpha, beta), units, lanes)  # fmt: skip
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

    def lstm_cell_back(values: Any, constants: Any) -> Any:
        z0, z1, z2, z3, enter, forget, candidate, leave, old, c, flat, dc_after, dh, dy, d, past, mask = values
        alpha, beta, puts_out = constants
        zero = like(dh, 0.0)
        if not apart:
            z0, z1, z2, z3, c = enter, forget, candidate, leave, flat
        dh = dh * d if drops else dh
        dh = dh + past if masked else dh
        dh = where(puts_out != zero, dh + dy, dh)
        dc = dc_after + (dh * leave) * f(c, flat, alpha)
        d0 = (dc * candidate) * gate(z0, enter, beta)
        d1 = (dc * old) * gate(z1, forget, beta)
        d2 = (dc * enter) * f(z2, candidate, alpha)
        d3 = (dh * flat) * gate(z3, leave, beta)
        dc = dc * forget
        if not masked:
            return d0, d1, d2, d3, dc, dh
        here = mask != zero
        return (where(here, d0, zero), where(here, d1, zero), where(here, d2, zero), where(here, d3, zero),
                where(here, dc, dc_after), where(here, zero, dh))  # fmt: skip

    kept = rows_if(apart)
    reads = (kept, kept, kept, kept, ROWS, ROWS, ROWS, ROWS, ROWS, kept, ROWS, ROWS, ROWS, ROWS, rows_if(drops),
             rows_if(masked), ONE_ROW if masked else 0)  # fmt: skip
    run = cell_loop(dtype, lstm_cell_back, reads, (ROWS, ROWS, ROWS, ROWS, ROWS, rows_if(masked)), 3)

    def lstm_backward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 12)
        k = view(0, record + 8 * (OPERANDS + 12), NUMBERS)
        n, lanes = block_lanes(c, item, size)
        units, block = k[UNITS], base
        alpha, beta = dtype(float_from_int_bits(k[ALPHA])), dtype(float_from_int_bits(k[RECURRENT_ALPHA]))
        step = units * row
        dh, past, dc = r[6] + block, r[7] + block, r[8] + block
        for work in (dh, past, dc):
            clear_rows(zero, size, work, units, lanes)
        for s in range(k[STEPS] - 1, -1, -1):
            # invariant: dH holds what reached the state through the next visit's products, kept what went past them,
            # dC the gradient by row s + 1 of C from the next visit
            t = k[AT] + s * k[STEP]
            z, g = r[0] + block + 4 * t * step, r[1] + block + 4 * t * step
            cells, squashed = r[9] + block + s * step, r[10] + block + s * step
            dy = r[2] + block + (k[OUT] + s * k[OUT_STEP]) * step
            run((z, z + step, z + 2 * step, z + 3 * step, g, g + step, g + 2 * step, g + 3 * step, cells, cells + step,
                 squashed, dc, dh, dy, r[4] + block, past, r[5] + block + t * row,
                 g, g + step, g + 2 * step, g + 3 * step, dc, past),
                (alpha, beta, dtype(k[STEPS] - s <= k[OUTPUTS])), units, lanes)  # fmt: skip
            if s > 0:
                products_back(zero, size, r[3], g, dh, units, 4 * units, lanes)

    return lstm_backward
