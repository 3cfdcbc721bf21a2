"""Arrays with the batch in columns, (rows, N), in and out of a program's blocks; and single ops run on
arrays.

The first two are ops: the doors of programs whose arrays lie as the tutorial's do. ``OneOp`` runs one op by
itself, with the walker that runs whole programs: the functions on arrays are made of it, and so test the
kernels that train.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from fastnn.backends.numba_backend import _layout, walker
from fastnn.backends.numba_backend._layout import BLOCK, BLOCKS, OPERANDS, OUT, PER_BLOCK, ROW_ALIGNMENT, SAMPLES, TILES
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._ops import op
from fastnn.backends.numba_backend.dense import block_lanes
from fastnn.errors import InvalidTypeError

Array = np.ndarray[Any, Any]

_FLOATS = np.dtype(np.float32), np.dtype(np.float64)


def make_pack_columns(dtype: Any) -> Callable[..., None]:
    """Operands: tensor, bytes between blocks, rows, address of the contiguous (rows, N) array."""
    size = dtype().itemsize

    def pack_columns(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 4)
        n, lanes = block_lanes(c, item, size)
        for i in range(r[2]):
            source = view(zero, r[3] + (i * c[SAMPLES] + item * c[PER_BLOCK]) * size, n)
            target = view(zero, r[0] + base + i * BLOCK * size, lanes)
            for j in range(n):
                target[j] = source[j]
            for j in range(n, lanes):
                target[j] = zero

    return pack_columns


def make_unpack_columns(dtype: Any) -> Callable[..., None]:
    """Operands: tensor, bytes between blocks, rows, rows that lie before these in the array at ``OUT``."""
    size = dtype().itemsize

    def unpack_columns(context, record, item, base, scratch):
        zero = dtype(0)
        c, r = view(0, context, 16), view(0, record + 8 * OPERANDS, 4)
        n, lanes = block_lanes(c, item, size)
        for i in range(r[2]):
            source = view(zero, r[0] + base + i * BLOCK * size, n)
            target = view(zero, c[OUT] + ((r[3] + i) * c[SAMPLES] + item * c[PER_BLOCK]) * size, n)
            for j in range(n):
                target[j] = source[j]

    return unpack_columns


def float_dtype(x: Array) -> np.dtype[Any]:
    """Return the dtype of an array the kernels can compute with.

    Raises
    ------
    InvalidTypeError
        If it is neither float32 nor float64 in the machine's byte order.
    """
    dtype: np.dtype[Any] = x.dtype
    if dtype not in _FLOATS:
        raise InvalidTypeError(f"kernels take float32 or float64 arrays, got {dtype}")
    return dtype


class OneOp:
    """Tensors in block layout, and single ops run on them.

    Parameters
    ----------
    dtype : numpy dtype
    samples : int
    *rows : int
        Rows of each tensor.
    """

    def __init__(self, dtype: np.dtype[Any], samples: int, *rows: int) -> None:
        self.dtype, self.samples, self.rows = dtype, samples, rows
        self.starts = [0]
        for r in rows:
            self.starts.append(self.starts[-1] + -(-r // ROW_ALIGNMENT) * ROW_ALIGNMENT)
        self.blocks = -(-samples // BLOCK)
        self.arena = np.zeros((self.blocks + 1, self.starts[-1], BLOCK), dtype)
        self.block_bytes = self.arena.strides[0]
        self.loss = np.zeros(2)
        self._kept: list[Array] = []

    def __getitem__(self, tensor: int) -> int:
        """Return the address of a tensor's first block."""
        return int(self.arena.ctypes.data) + self.starts[tensor] * BLOCK * self.dtype.itemsize

    def put(self, tensor: int, x: Array) -> None:
        """Write a (rows, N) array into a tensor."""
        columns = np.zeros((self.rows[tensor], self.blocks * BLOCK), self.dtype)
        columns[:, : self.samples] = x
        blocks = columns.reshape(self.rows[tensor], self.blocks, BLOCK).swapaxes(0, 1)
        self.arena[:-1, self.starts[tensor] : self.starts[tensor] + self.rows[tensor]] = blocks

    def get(self, tensor: int) -> Array:
        """Return a tensor as a new (rows, N) array."""
        blocks = self.arena[:-1, self.starts[tensor] : self.starts[tensor] + self.rows[tensor]]
        columns = blocks.swapaxes(0, 1).reshape(self.rows[tensor], self.blocks * BLOCK)
        return np.ascontiguousarray(columns[:, : self.samples])

    def address(self, x: Any, dtype: Any = None) -> int:
        """Return the address of a contiguous array with the values of ``x``, kept as long as this object."""
        array = np.ascontiguousarray(x, self.dtype if dtype is None else dtype)
        self._kept.append(array)
        return int(array.ctypes.data)

    def over_blocks(self, make: Callable[..., Any], static: tuple[Hashable, ...], *operands: int) -> None:
        """Run an op for every block."""
        self._run(BLOCKS, make, static, 0, operands)

    def over_items(self, make: Callable[..., Any], static: tuple[Hashable, ...], items: int, *operands: int) -> None:
        """Run an op for its items."""
        self._run(TILES, make, static, items, operands)

    def _run(self, kind: int, make: Callable[..., Any], static: tuple[Hashable, ...], items: int,
             operands: tuple[int, ...]) -> None:  # fmt: skip
        record = np.array([_layout.record_row(op(make, self.dtype.type, *static), items, *operands)], np.int64)
        region = np.array([[kind, 0, 1, 0, kind == BLOCKS]], np.int64)
        context = np.zeros(_layout.CONTEXT_SIZE, np.int64)
        context[PER_BLOCK] = BLOCK
        context[_layout.BLOCK_BYTES], context[_layout.SAMPLE_BYTES] = self.block_bytes, self.dtype.itemsize
        scratch = np.empty(_layout.SCRATCH_BYTES + 64, np.uint8)
        at = scratch.ctypes.data + -scratch.ctypes.data % 64
        job = walker.Job(region, record, context)
        job.steps(1, 0, self.samples, self.samples, 0, 0, self.loss.ctypes.data, at)
        walker.run_steps(job)
