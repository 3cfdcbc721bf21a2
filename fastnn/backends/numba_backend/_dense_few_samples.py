"""Forward through a dense layer of many weights with few samples: threads share the weights, not the samples.

Where blocks of samples go through the whole network, every core reads all weights, half of which another core has just
updated. Here a product is a region of its own, whose items are groups of units over all samples, and the records of
weights' gradients are divided among the workers in the same way: a core reads the rows of W that it updates itself, and
what moves between cores are the samples. No sum changes. (The gradient back the same way, by groups of features, was
slower: it goes down columns, a part of which every core has updated.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._dense_products import product_from_bias
from fastnn.backends.numba_backend._layout import BLOCK, CONTEXT_SIZE, OPERANDS, PER_BLOCK, SAMPLES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._recording import Recipe, shape_of
from fastnn.backends.numba_backend.dense import block_lanes, sample_at
from fastnn.plan.plan import Op

UNITS = 48
"""Units of an item: whole tiles of every width."""

LEAST_BYTES = 4 << 20
"""Bytes of a layer's weights from which threads share them. (512 x 512, batch 32: 540 us a step, shared 630.)"""

LEAST_WIDTH = 16
"""Units, and features, for each sample of a step from which they do. (1024 x 1024, batch 128: 6650, shared 6720.)"""


def make_dense_forward_by_units(dtype: Any) -> Callable[..., None]:
    """Operands: W, b (addresses), A, Z (addresses of block 0), bytes between blocks, units, features.

    Items are groups of ``UNITS`` units.
    """
    size = dtype().itemsize

    def dense_forward_by_units(context, record, first_item, last_item, scratch):
        zero = dtype(0)
        c, r = view(0, context, CONTEXT_SIZE), view(0, record + 8 * OPERANDS, 7)
        samples, per, units, features = c[SAMPLES], c[PER_BLOCK], r[5], r[6]
        for item in range(first_item, last_item):
            m = item * UNITS
            for start in range(0, samples, per):
                n, lanes = block_lanes(c, start // per, size)
                a, z = sample_at(c, r[2], size, r[4], start), sample_at(c, r[3], size, r[4], start)
                product_from_bias(zero, size, r[0] + m * features * size, features, 1, a, z + m * BLOCK * size,
                                  r[1] + m * size, min(units - m, UNITS), features, lanes)  # fmt: skip

    return dense_forward_by_units


def first_unit(units: int, part: int, workers: int) -> int:
    """Return the first unit of a worker's part of a layer: of whole items, as ``_team.items_before`` shares them."""
    return min(units, -(-units // UNITS) * part // workers * UNITS)


def shares_weights(o: Op, size: int, samples: int) -> bool:
    """Whether threads share the weights of an op, in steps of so many samples."""
    if o.kind != "dense_forward" or o.static["positions"] > 1:
        return False
    units, features = shape_of(o, "W")
    return units * features * size >= LEAST_BYTES and min(units, features) >= LEAST_WIDTH * samples


def forward_by_units(o: Op) -> Recipe:
    """Return the recipe of a forward product whose threads share the weights."""
    units, features = shape_of(o, "W")
    return Recipe(make_dense_forward_by_units, (), ("W", "b", "A", "Z"), (units, features),
                  work=2.0 * units * features, items=-(-units // UNITS))  # fmt: skip
