"""The simple recurrent layer's kernels: ``h = f(z)``, where z continues the inputs' products with the state's."""

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


def make_simple_rnn_forward(dtype: Any, formula: Any, has_alpha: bool, apart: bool, drops: bool,
                            masked: bool, carries: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, P, H, Y, W, D, K, I, bytes between blocks; then the numbers of ``_recurrent_steps.py``.

    ``apart``: whether pre-activations are kept, G is another tensor than Z; ``drops``: whether there is D, H is another
    tensor than P; ``masked``: whether there is K; ``carries``: whether there is I, the state before and after.
    """
    size = dtype().itemsize
    row = BLOCK * size
    f = forward_formula(formula, has_alpha)

    def cell(values: Any, constants: Any) -> Any:
        z, h, mask, d = values
        g = f(z, constants[0])
        a = where(mask != like(z, 0.0), g, h) if masked else g
        return g, a * d if drops else a, a, a

    reads = (ROWS, rows_if(masked), ONE_ROW if masked else 0, rows_if(drops))
    run = cell_loop(dtype, cell, reads, (ROWS, rows_if(drops), ROWS, ROWS), 1)

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
            here = block + t * step
            z, p, h = r[0] + here, r[2] + here, r[3] + here
            product_from_memory(zero, size, r[5], units, 1, p, z, 0, units, units, lanes)
            y = r[4] + block + (k[OUT] + s * k[OUT_STEP]) * step
            to_p, to_h = next_state(p, h, y, carried, k[STEP] * step, s + 1 == k[STEPS], carries)
            run((z, h, r[7] + block + t * row, r[6] + block, r[1] + here, to_p, to_h, y), (alpha,), units, lanes)

    return simple_rnn_forward


def make_simple_rnn_backward(dtype: Any, formula: Any, has_alpha: bool, apart: bool, drops: bool,
                             masked: bool) -> Callable[..., None]:  # fmt: skip
    """Operands: Z, G, dY, W, D, K, dH and kept (rows of a step), bytes between blocks; then the numbers.

    dZ takes the place of G.
    """
    size = dtype().itemsize
    row = BLOCK * size
    f = backward_formula(formula, has_alpha)

    def cell(values: Any, constants: Any) -> Any:
        z, a, dh, dy, d, past, mask = values
        alpha, puts_out = constants
        zero = like(a, 0.0)
        dh = dh * d if drops else dh
        dh = dh + past if masked else dh
        dh = where(puts_out != zero, dh + dy, dh)
        dz = dh * f(z if apart else a, a, alpha)
        if not masked:
            return dz, dz
        here = mask != zero
        return where(here, dz, zero), where(here, zero, dh)

    reads = (rows_if(apart), ROWS, ROWS, ROWS, rows_if(drops), rows_if(masked), ONE_ROW if masked else 0)
    run = cell_loop(dtype, cell, reads, (ROWS, rows_if(masked)), 2)

    def simple_rnn_backward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 9)
        k = view(0, record + 8 * (OPERANDS + 9), NUMBERS)
        n, lanes = block_lanes(c, item, size)
        units, block, alpha = k[UNITS], base, dtype(float_from_int_bits(k[ALPHA]))
        step = units * row
        dh, past = r[6] + block, r[7] + block
        clear_rows(zero, size, dh, units, lanes)
        clear_rows(zero, size, past, units, lanes)
        for s in range(k[STEPS] - 1, -1, -1):
            # invariant: dH holds what reached the state through the next visit's products, kept what went past them
            t = k[AT] + s * k[STEP]
            z, g = r[0] + block + t * step, r[1] + block + t * step
            dy = r[2] + block + (k[OUT] + s * k[OUT_STEP]) * step
            run((z, g, dh, dy, r[4] + block, past, r[5] + block + t * row, g, past),
                (alpha, dtype(k[STEPS] - s <= k[OUTPUTS])), units, lanes)  # fmt: skip
            if s > 0:
                products_back(zero, size, r[3], g, dh, units, units, lanes)

    return simple_rnn_backward
