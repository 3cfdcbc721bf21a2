"""The gated recurrent unit's kernels: ``h = U h + (1 - U) f(z + R s)``, s the sum of the state's products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._cell_loops import ONE_ROW, ROWS, cell_loop, rows_if
from fastnn.backends.numba_backend._dense_products import product_from_bias
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
from fastnn.backends.numba_backend.rearrange import clear_rows
from fastnn.backends.numba_backend.single_source import backward_formula, forward_formula
from fastnn.formulas.primitives import like, where


def make_gru_forward(dtype: Any, formula: Any, has_alpha: bool, gate_formula: Any, gate_has_alpha: bool, apart: bool,
                     drops: bool, masked: bool, carries: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, P, H, Y, W, D, K, b, S, sums (rows of two gates), I, bytes between blocks; then the numbers."""
    size = dtype().itemsize
    row = BLOCK * size
    f, gate = forward_formula(formula, has_alpha), forward_formula(gate_formula, gate_has_alpha)

    def gru_cell(values: Any, constants: Any) -> Any:
        z0, z1, z2, s0, s1, s2, h, mask, d = values
        alpha, beta = constants
        pre0, pre1 = z0 + s0, z1 + s1
        update, reset = gate(pre0, beta), gate(pre1, beta)
        pre2 = z2 + reset * s2
        candidate = f(pre2, alpha)
        a = update * h + (like(update, 1.0) - update) * candidate
        if masked:
            a = where(mask != like(a, 0.0), a, h)
        return pre0, pre1, pre2, update, reset, candidate, a * d if drops else a, a, a

    kept = rows_if(apart)
    reads = (ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ONE_ROW if masked else 0, rows_if(drops))
    run = cell_loop(dtype, gru_cell, reads, (kept, kept, kept, ROWS, ROWS, ROWS, rows_if(drops), ROWS, ROWS), 2)

    def gru_forward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 13)
        k = view(0, record + 8 * (OPERANDS + 13), NUMBERS)
        n, lanes = block_lanes(c, item, size)
        units, block = k[UNITS], base
        alpha, beta = dtype(float_from_int_bits(k[ALPHA])), dtype(float_from_int_bits(k[RECURRENT_ALPHA]))
        step = units * row
        first, carried, sums = block + k[AT] * step, r[11] + block, r[10] + block
        first_state(zero, size, r[3] + first, r[2] + first, r[6] + block, carried, carries, drops, units, lanes)
        for s in range(k[STEPS]):
            # invariant: the visit's P and H hold the state after the visits before
            t = k[AT] + s * k[STEP]
            z, g = r[0] + block + 3 * t * step, r[1] + block + 3 * t * step
            p, h, by_reset = r[2] + block + t * step, r[3] + block + t * step, r[9] + block + t * step
            product_from_bias(zero, size, r[5], units, 1, p, sums, r[8], 2 * units, units, lanes)
            product_from_bias(zero, size, r[5] + 2 * units * units * size, units, 1, p, by_reset,
                              r[8] + 2 * units * size, units, units, lanes)  # fmt: skip
            y = r[4] + block + (k[OUT] + s * k[OUT_STEP]) * step
            to_p, to_h = next_state(p, h, y, carried, k[STEP] * step, s + 1 == k[STEPS], carries)
            run((z, z + step, z + 2 * step, sums, sums + step, by_reset, h, r[7] + block + t * row, r[6] + block,
                 z, z + step, z + 2 * step, g, g + step, g + 2 * step, to_p, to_h, y),
                (alpha, beta), units, lanes)  # fmt: skip

    return gru_forward


def make_gru_backward(dtype: Any, formula: Any, has_alpha: bool, gate_formula: Any, gate_has_alpha: bool, apart: bool,
                      drops: bool, masked: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, dY, W, D, K, dH and kept (rows of a step), H, S, dS, bytes between blocks; then the numbers.

    dZ takes the place of G.
    """
    size = dtype().itemsize
    row = BLOCK * size
    f, gate = backward_formula(formula, has_alpha), backward_formula(gate_formula, gate_has_alpha)

    def gru_cell_back(values: Any, constants: Any) -> Any:
        z0, z1, z2, update, reset, candidate, h, sums, dh, dy, d, past, mask = values
        alpha, beta, puts_out = constants
        zero = like(dh, 0.0)
        if not apart:
            z0, z1, z2 = update, reset, candidate
        dh = dh * d if drops else dh
        dh = dh + past
        dh = where(puts_out != zero, dh + dy, dh)
        d2 = (dh * (like(dh, 1.0) - update)) * f(z2, candidate, alpha)
        d1 = (d2 * sums) * gate(z1, reset, beta)
        d0 = (dh * (h - candidate)) * gate(z0, update, beta)
        by_sum, kept = d2 * reset, dh * update
        if masked:
            here = mask != zero
            d0, d1, d2 = where(here, d0, zero), where(here, d1, zero), where(here, d2, zero)
            by_sum, kept = where(here, by_sum, zero), where(here, kept, dh)
        return d0, d1, d2, d0, d1, by_sum, kept

    kept = rows_if(apart)
    reads = (kept, kept, kept, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, rows_if(drops), ROWS,
             ONE_ROW if masked else 0)  # fmt: skip
    run = cell_loop(dtype, gru_cell_back, reads, (ROWS, ROWS, ROWS, ROWS, ROWS, ROWS, ROWS), 3)

    def gru_backward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 12)
        k = view(0, record + 8 * (OPERANDS + 12), NUMBERS)
        n, lanes = block_lanes(c, item, size)
        units, block = k[UNITS], base
        alpha, beta = dtype(float_from_int_bits(k[ALPHA])), dtype(float_from_int_bits(k[RECURRENT_ALPHA]))
        step = units * row
        dh, past = r[6] + block, r[7] + block
        clear_rows(zero, size, dh, units, lanes)
        clear_rows(zero, size, past, units, lanes)
        for s in range(k[STEPS] - 1, -1, -1):
            # invariant: dH holds what reached the state through the next visit's products, kept what went past them
            t = k[AT] + s * k[STEP]
            gates, state = block + 3 * t * step, block + t * step
            z, g, by = r[0] + gates, r[1] + gates, r[10] + gates
            dy = r[2] + block + (k[OUT] + s * k[OUT_STEP]) * step
            run((z, z + step, z + 2 * step, g, g + step, g + 2 * step, r[8] + state, r[9] + state, dh, dy,
                 r[4] + block, past, r[5] + block + t * row,
                 g, g + step, g + 2 * step, by, by + step, by + 2 * step, past),
                (alpha, beta, dtype(k[STEPS] - s <= k[OUTPUTS])), units, lanes)  # fmt: skip
            if s > 0:
                products_back(zero, size, r[3], by, dh, units, 3 * units, lanes)

    return gru_backward
