"""Dense layers: ``Z = W A + b`` and the gradient to the input; that of the weights stands in ``_dense_weights.py``.

The counterpart of ``numpy_backend/dense.py``, tile by tile. Lanes are samples; no sum ever runs across lanes, so the
order of each is the contract's whatever the vector width.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.backends.numba_backend._dense_products import product_back, product_from_bias, product_reading_on
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import (
    BLOCK,
    DIRECT,
    FIRST,
    OPERANDS,
    ORDER,
    PER_BLOCK,
    SAMPLE_BYTES,
    SAMPLES,
    X_ROW,
    X,
)
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._processor import TILE_VECTORS, VECTOR_BYTES
from fastnn.backends.numba_backend._recording import Recipe, shape_of
from fastnn.backends.numba_backend._tiles import transpose_tile
from fastnn.plan.plan import Op, Tensor


@inner
def block_lanes(c, item, size):
    """Return how many samples block ``item`` holds by the context ``c``, and that rounded up to whole vectors."""
    n = min(c[PER_BLOCK], c[SAMPLES] - item * c[PER_BLOCK])
    width = VECTOR_BYTES // size
    return n, (n + width - 1) // width * width


@inner
def sample_at(c, at, size, between, j):
    """Return the address of sample ``j``, by the context ``c``, of a tensor whose first block is ``at``."""
    inside = j % c[PER_BLOCK]
    first = j - inside
    return at + first // BLOCK * between + first % BLOCK * c[SAMPLE_BYTES] + inside * size


def make_dense_forward(dtype: Any) -> Callable[..., None]:
    """Operands: W, b (addresses), A, Z (addresses of block 0), bytes between blocks, units, features, positions."""
    size = dtype().itemsize

    def dense_forward(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 8)
        n, lanes = block_lanes(c, item, size)
        units, features = r[5], r[6]
        a, z = r[2] + base, r[3] + base
        for _ in range(r[7]):
            product_from_bias(zero, size, r[0], features, 1, a, z, r[1], units, features, lanes)
            a += features * BLOCK * size
            z += units * BLOCK * size

    return dense_forward


def make_dense_forward_of_samples(dtype: Any) -> Callable[..., None]:
    """As ``make_dense_forward``, of the user's rows, at one position: the next block's are asked for on the way."""
    size = dtype().itemsize

    def dense_forward_of_samples(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 8)
        n, lanes = block_lanes(c, item, size)
        units, features = r[5], r[6]
        a, z = r[2] + base, r[3] + base
        in_a_row = c[ORDER] == 0 and c[DIRECT] and c[X_ROW] == features * size
        if in_a_row and lanes * size % (TILE_VECTORS * VECTOR_BYTES) == 0:
            next_rows = c[X] + (c[FIRST] + (item + 1) * c[PER_BLOCK]) * c[X_ROW]
            product_reading_on(zero, size, r[0], a, z, r[1], units, features, lanes, next_rows,
                               c[PER_BLOCK] * c[X_ROW])  # fmt: skip
        else:
            product_from_bias(zero, size, r[0], features, 1, a, z, r[1], units, features, lanes)

    return dense_forward_of_samples


def make_dense_backward_input(dtype: Any) -> Callable[..., None]:
    """Operands: W, dZ, dA, bytes between blocks, units, features, positions."""
    size = dtype().itemsize

    def dense_backward_input(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 7)
        n, lanes = block_lanes(c, item, size)
        units, features = r[4], r[5]
        dz, da = r[1] + base, r[2] + base
        for _ in range(r[6]):
            product_back(zero, size, r[0], dz, da, units, features, lanes)
            dz += units * BLOCK * size
            da += features * BLOCK * size

    return dense_backward_input


def make_keep_rows(dtype: Any) -> Callable[..., None]:
    """Copy a tensor's block sample by sample for the weight gradients.

    Operands: A, bytes between blocks, features of a position, target, elements between its rows, positions. In a
    target's row each position takes up whole vectors; what lies behind its features is never used.
    """
    size = dtype().itemsize

    def keep_rows(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 6)
        n, lanes = block_lanes(c, item, size)
        width = VECTOR_BYTES // size
        features = r[2]
        source = r[0] + base
        target = r[3] + item * c[PER_BLOCK] * r[4] * size
        for _ in range(r[5]):
            for j in range(0, lanes, width):
                for k in range(0, features, width):
                    transpose_tile(zero, 0, source + (k * BLOCK + j) * size, BLOCK, target + (j * r[4] + k) * size,
                                   r[4])  # fmt: skip
            source += features * BLOCK * size
            target += (features + width - 1) // width * VECTOR_BYTES

    return keep_rows


def make_keep_block(dtype: Any) -> Callable[..., None]:
    """Copy a tensor's block out of a worker's storage, for regions to come.

    Operands: A, bytes between blocks, rows, target, its bytes between blocks.
    """
    size = dtype().itemsize

    def keep_block(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 5)
        n, lanes = block_lanes(c, item, size)
        to = r[3] + item * r[4]
        for i in range(r[2]):
            source = view(zero, r[0] + base + i * BLOCK * size, lanes)
            target = view(zero, to + i * BLOCK * size, lanes)
            for j in range(lanes):
                target[j] = source[j]

    return keep_block


def _recipe(make: Any, names: tuple[str, ...]) -> Any:
    def recipe(o: Op, low: Any) -> Recipe:
        units, features = shape_of(o, "W")
        work = 2.0 * units * features * o.static["positions"]
        return Recipe(make, (), names, (units, features, o.static["positions"]), work=work)

    return recipe


_of_tensor = _recipe(make_dense_forward, ("W", "b", "A", "Z"))
_of_samples = _recipe(make_dense_forward_of_samples, ("W", "b", "A", "Z"))

READS_ON_FROM = 1 << 22
"""Bytes of samples of a prediction that are not in a core's caches: their rows are asked for a block ahead."""


def _forward(o: Op, low: Any) -> Recipe:
    a, x = o.operands["A"], low.plan.inputs
    assert isinstance(a, Tensor)
    large = low.name == "predict" and low.samples * x.rows * low.size >= READS_ON_FROM
    return (_of_samples if large and a.index == x.index and o.static["positions"] == 1 else _of_tensor)(o, low)


LOWER = {
    "dense_forward": _forward,
    "dense_backward_input": _recipe(make_dense_backward_input, ("W", "dZ", "dA")),
}
