"""What the recurrent cells' kernels share: the numbers of the steps, the first state, products back to the state."""

from __future__ import annotations

from fastnn.backends.numba_backend._dense_products import product_from_memory, product_from_zero
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._layout import BLOCK
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend.rearrange import clear_rows, copy_rows

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


@inner
def next_state(p, h, y, carried, between, last, carries):
    """Return where a step writes the state: the next visit's P and H, ``between`` bytes past this one's.

    The last visit's is carried on, or goes where the output goes, which is written after it.
    """
    if not last:
        return p + between, h + between
    return y, carried if carries else y


ROWS_BACK = 32
"""Gates' rows that go back to the state together: with their weights they stay in the first cache for all units."""


@inner
def products_back(zero, size, weights, dz, dh, units, rows, lanes):
    """Write ``W^T dz`` of a block: from +0, products added in ascending order of the gates' ``rows``."""
    product_from_zero(zero, size, weights, 1, units, dz, dh, 0, units, min(rows, ROWS_BACK), lanes)
    for i in range(ROWS_BACK, rows, ROWS_BACK):
        product_from_memory(zero, size, weights + i * units * size, 1, units, dz + i * BLOCK * size, dh, 0, units,
                            min(rows - i, ROWS_BACK), lanes)  # fmt: skip
