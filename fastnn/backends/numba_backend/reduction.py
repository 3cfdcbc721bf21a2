"""Sums to one number: a row over the samples of a step, and a vector over its elements.

The counterpart of ``numpy_backend/reduction.py``; contract, rules 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._atomic import publish, wait_for
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, LOSS, OPERANDS, PER_BLOCK, SAMPLES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._pairwise import add_pairwise, finish_pairwise
from fastnn.backends.numba_backend.dense import sample_at
from fastnn.backends.numba_backend.single_source import share
from fastnn.contract import SAMPLE_BLOCK, VECTOR_LANES


@inner
def sum_samples_of(zero, size, c, row, block_bytes, scratch):
    """Return the sum of a one-row tensor over the samples by the contract's rule 3."""
    samples, per = c[SAMPLES], c[PER_BLOCK]
    blocks = (samples + SAMPLE_BLOCK - 1) // SAMPLE_BLOCK
    out = view(zero, scratch, 1)
    for s in range(blocks):
        total = zero
        for start in range(s * SAMPLE_BLOCK, min(samples, (s + 1) * SAMPLE_BLOCK), per):
            x = view(zero, sample_at(c, row, size, block_bytes, start), BLOCK)
            for j in range(min(per, samples - start)):
                total += x[j]
        out[0] = total
        if blocks > 1:
            add_pairwise(zero, scratch, 64, 1, s)
    if blocks > 1:
        finish_pairwise(zero, scratch, 64, 1, blocks)
    return out[0]


def make_sum_losses(dtype: Any) -> Callable[..., None]:
    """Store the sum of the samples' losses. One item.

    Operands: terms (one row), bytes between blocks.
    """
    size = dtype().itemsize

    def sum_losses(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        c, r = view(0, context, 20), view(0, record + 8 * OPERANDS, 2)
        if first_item == 0 and last_item > 0:
            view(0.0, c[LOSS], 1)[0] = sum_samples_of(zero, size, c, r[0], r[1], scratch)

    return sum_losses


def make_chained_losses(dtype: Any) -> Callable[..., None]:
    """Sum the losses of a run of blocks, on from the sum of those before; the last run stores it.

    For steps of one ``SAMPLE_BLOCK``. Operands: terms, bytes between blocks, the sum handed on, and the word that says
    how many blocks are in it.
    """
    size = dtype().itemsize

    def chained_losses(context, record, first_block, last_block, scratch):
        zero = dtype(0)
        c, r = view(0, context, 20), view(0, record + 8 * OPERANDS, 4)
        samples, per = c[SAMPLES], c[PER_BLOCK]
        handed, total = view(zero, r[2], 1), zero
        if first_block > 0:
            wait_for(r[3], first_block)
            total = handed[0]
        last = min(samples, last_block * per)
        for start in range(first_block * per, last, per):
            x = view(zero, sample_at(c, r[0], size, r[1], start), BLOCK)
            for j in range(min(per, last - start)):
                total += x[j]
        if last < samples:
            handed[0] = total
            publish(r[3], last_block)
        else:
            publish(r[3], 0)
            view(0.0, c[LOSS], 1)[0] = total

    return chained_losses


@inner
def sum_lanes(zero, partial, lanes):
    """Combine ``lanes`` partial sums (a power of two) pairwise, in place; return the sum."""
    while lanes > 1:
        lanes //= 2
        for i in range(lanes):
            partial[i] = partial[2 * i] + partial[2 * i + 1]
    return partial[0]


def make_sum_formula(term: Callable[..., Any]) -> Any:
    """Return a kernel that sums ``term(x[e], a, b)``, a formula, over a vector by the contract's rule 4."""
    formula = share(term)

    @inner
    def sum_formula(zero, x, n, partial, a, b):
        for i in range(VECTOR_LANES):
            partial[i] = zero
        whole = n // VECTOR_LANES * VECTOR_LANES
        for start in range(0, whole, VECTOR_LANES):
            part = x[start : start + VECTOR_LANES]
            for i in range(VECTOR_LANES):
                partial[i] += formula(part[i], a, b)
        for i in range(n - whole):
            partial[i] += formula(x[whole + i], a, b)
        return sum_lanes(zero, partial, VECTOR_LANES)

    return sum_formula
