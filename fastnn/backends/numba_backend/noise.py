"""Dropout and noise over a block: a row's 64 words come out of 16 blocks of the generator at once.

The counterpart of ``numpy_backend/noise.py``. Dropout keeps its mask for the way back: reading it takes 0.28 ns an
element in float32 and 0.40 in float64, drawing it again 0.72 and 0.74.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK, OPERANDS, PER_BLOCK, SEED, STEP
from fastnn.backends.numba_backend._memory import float_from_int_bits, view, wide_vectors
from fastnn.backends.numba_backend._recording import Recipe, bits_of, rows_of
from fastnn.backends.numba_backend.activation import long_rows, moved
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.backends.numba_backend.random import GROUP, PAIR_GROUP, word_group, word_pair_group
from fastnn.formulas.primitives import where
from fastnn.plan.plan import Op
from fastnn.random.bernoulli import bernoulli_threshold
from fastnn.random.counter import Purpose
from fastnn.random.normal import normal_from_words

assert GROUP == BLOCK, "an element's number is made for blocks of 64 samples"

DROPOUT, NOISE = np.uint64(Purpose.DROPOUT), np.uint64(Purpose.NOISE)


@inner
def _masked(zero, row, mask, lanes):
    """Multiply a row by its mask in place; what is masked out becomes +0, whatever it was."""
    for j in range(lanes):
        row[j] = where(mask[j] == zero, zero, row[j] * mask[j])


def make_dropout_forward(dtype: Any) -> Callable[..., None]:
    """Operands: A, Z (another than A), M, bytes between blocks, channels, positions, stream, threshold, factor's bits.

    The threshold is the rate as a number of words (``bernoulli_threshold``); the factor is ``1 / (1 - rate)``.
    """
    size = dtype().itemsize

    def dropout_forward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 9)
        n, lanes = block_lanes(c, item, size)
        channels, stream, threshold = r[4], np.uint64(r[6]), np.uint32(r[7])
        factor = dtype(float_from_int_bits(r[8]))
        first = item * c[PER_BLOCK]
        words = view(np.uint32(0), scratch, GROUP)
        drawn = view(np.uint32(0), scratch + 4 * (first % GROUP), lanes)
        for i in range(channels):
            group = np.uint64(first // GROUP * channels + i)
            word_group(np.uint64(c[SEED]), DROPOUT, np.uint64(c[STEP]), stream, group, words)
            mask = view(zero, r[2] + base + i * BLOCK * size, lanes)
            for j in range(lanes):
                mask[j] = where(drawn[j] < threshold, zero, factor)
            for p in range(r[5]):
                shift = base + (p * channels + i) * BLOCK * size
                _masked(zero, moved(zero, r[0] + shift, r[1] + shift, lanes), mask, lanes)

    return dropout_forward


def make_dropout_backward(dtype: Any) -> Callable[..., None]:
    """Operands: M, dZ, dA (may be dZ), bytes between blocks, channels, positions."""
    size = dtype().itemsize

    def dropout_backward(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 6)
        n, lanes = block_lanes(c, item, size)
        rows, lanes = long_rows(r[4], lanes)
        for p in range(r[5]):
            for i in range(rows):
                mask = view(zero, r[0] + base + i * BLOCK * size, lanes)
                shift = base + (p * r[4] + i) * BLOCK * size
                _masked(zero, moved(zero, r[1] + shift, r[2] + shift, lanes), mask, lanes)

    return dropout_backward


def make_gaussian_noise_forward(dtype: Any) -> Callable[..., None]:
    """Operands: A, Z (another than A), bytes between blocks, rows, stream, bits of the standard deviation."""
    size = dtype().itemsize

    def gaussian_noise_forward(context, record, item, base, scratch):
        wide_vectors()
        zero = dtype(0)
        c, r = view(0, context, 18), view(0, record + 8 * OPERANDS, 6)
        n, lanes = block_lanes(c, item, size)
        rows, stream, stddev = r[3], np.uint64(r[4]), dtype(float_from_int_bits(r[5]))
        first = item * c[PER_BLOCK]
        high = view(np.uint32(0), scratch, PAIR_GROUP)
        low = view(np.uint32(0), scratch + 4 * PAIR_GROUP, PAIR_GROUP)
        for i in range(rows):
            done = 0
            while done < lanes:
                # an element takes two words, so a group of blocks serves half of 64 samples
                q = first + done
                skip = q % PAIR_GROUP
                count = min(PAIR_GROUP - skip, lanes - done)
                group = np.uint64((q // GROUP * rows + i) * 2 + q % GROUP // PAIR_GROUP)
                word_pair_group(np.uint64(c[SEED]), NOISE, np.uint64(c[STEP]), stream, group, high, low)
                shift = base + (i * BLOCK + done) * size
                h, l = (
                    view(np.uint32(0), scratch + 4 * skip, count),
                    view(np.uint32(0), scratch + 4 * (PAIR_GROUP + skip), count),
                )
                a, z = view(zero, r[0] + shift, count), view(zero, r[1] + shift, count)
                for j in range(count):
                    z[j] = a[j] + stddev * dtype(normal_from_words(np.uint64(h[j]), np.uint64(l[j])))
                done += count

    return gaussian_noise_forward


DRAWING = 100.0
"""Floating-point operations that a drawn number is taken to cost."""


def lower_dropout_forward(o: Op, low: Any) -> Recipe:
    """Return the record of dropout."""
    s = o.static
    constants = (rows_of(o, "M"), s["positions"], s["stream"], int(bernoulli_threshold(s["rate"])),
                 bits_of(1.0 / (1.0 - s["rate"])))  # fmt: skip
    return Recipe(make_dropout_forward, (), ("A", "Z", "M"), constants, work=DRAWING * rows_of(o, "M"))


LOWER = {
    "dropout_forward": lower_dropout_forward,
    "dropout_backward": lambda o, low: Recipe(
        make_dropout_backward, (), ("M", "dZ", "dA"), (rows_of(o, "M"), o.static["positions"])
    ),
    "gaussian_noise_forward": lambda o, low: Recipe(
        make_gaussian_noise_forward,
        (),
        ("A", "Z"),
        (rows_of(o, "Z"), o.static["stream"], bits_of(o.static["stddev"])),
        work=3 * DRAWING * rows_of(o, "Z"),
    ),
}
