"""The memory of a program: workspaces, and the rows of a block in which its tensors lie.

Tensors whose lives do not overlap share rows; and where a block's whole way through the network is one region, and the
minibatch's tensors would not stay in cache, they lie in the worker's storage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.backends.numba_backend import workspace
from fastnn.backends.numba_backend._layout import BLOCK, ROW_ALIGNMENT
from fastnn.backends.numba_backend._placement import rows_of_tensors, taken_places, tensor_lives, up
from fastnn.plan.plan import Carried, Op, Parameter, Tensor

Array = np.ndarray[Any, Any]

CACHE_BYTES = 1 << 23
"""Tensors of a minibatch that take up more lie in the workers' storage."""

APART_PAYS = 1.1
"""How much more memory parts of ``BLOCK`` samples may take up to lie apart, where they do not fit into the cache."""


class ProgramMemory:
    """Allocates what one program needs; ``keep`` holds it.

    Parameters
    ----------
    executor : NumbaExecutor
    program : str
    blocks, samples, workers : int
        How many there is room for.
    per : int
        Samples of a block.
    """

    def __init__(self, executor: Any, program: str, blocks: int, samples: int, workers: int, per: int) -> None:
        self.plan = executor.plan
        self.state = executor.state
        self.name = program
        self.dtype = executor.dtype.type
        self.size = executor.dtype.itemsize
        self.blocks, self.samples, self.workers = blocks, up(samples, BLOCK), workers
        self.per = per
        self.keep: list[Array] = []
        self._shared: dict[Any, int] = {}

    def buffer(self, elements: int, dtype: Any = None) -> int:
        """Allocate workspace and return its address."""
        buffer = workspace.aligned_zeros(max(elements, 1), self.dtype if dtype is None else dtype)
        self.keep.append(buffer)
        return int(buffer.ctypes.data)

    def shared(self, key: Any, elements: int, dtype: Any = None) -> int:
        """Return the address of workspace that several ops share, by a name they agree on."""
        if key not in self._shared:
            self._shared[key] = self.buffer(elements, dtype)
        return self._shared[key]

    def zeros(self, elements: int) -> int:
        """Return the address of zeros that nothing writes: a bias where there is none."""
        array = np.zeros(elements, self.dtype)
        self.keep.append(array)
        return int(array.ctypes.data)

    def table(self, values: Any) -> int:
        """Return the address of an int64 array, which is kept as long as the program."""
        array = np.ascontiguousarray(values, np.int64)
        self.keep.append(array)
        return int(array.ctypes.data)

    def at(self, what: Tensor | Parameter | Carried | None) -> int:
        """Return the address of a parameter, or of a tensor's first block."""
        if isinstance(what, Parameter):
            vector = self.state.parameters if what.trained else self.state.statistics
            return int(vector.ctypes.data) + what.offset * self.size
        assert isinstance(what, Tensor)
        if what.of_minibatch:
            return self.shared(("minibatch", what.index), what.rows)
        return self.arena + self._offsets[what.index]

    def carried(self, place: Carried) -> tuple[int, int]:
        """Return the address of what a stateful layer carries, and the elements between its rows."""
        rows = self.state.carried
        return int(rows.ctypes.data) + place.offset * rows.strides[0], rows.strides[0] // self.size

    def allocate(self, ops: Sequence[Op] | None, transient: bool) -> None:
        """Give every tensor its rows of a block; with ``ops``, rows whose last reader is past are used again.

        Parameters
        ----------
        ops : sequence of Op or None
            All ops of the program in order.
        transient : bool
            Whether blocks are the workers' (see the module's docstring).
        """
        lives = tensor_lives(self.plan, self.name, ops)
        places = taken_places(self.plan, ops or ())
        for a, z in places.items():
            lives[z] = lives[z][0], max(lives[z][1], lives.pop(a)[1])
        starts, rows = self._rows(lives)
        for a, z in places.items():
            starts[a] = starts[z]
        self._offsets = {
            index: (row * BLOCK + column * self.per) * self.size for index, (row, column) in starts.items()
        }
        too_many = (
            self.per == BLOCK
            and self.blocks > self.workers
            and rows * BLOCK * self.size * self.samples // BLOCK > CACHE_BYTES
        )
        self._transient = transient and (too_many or self.name == "predict")
        stores = self.workers if self._transient else self.samples // BLOCK
        self.block_bytes = rows * BLOCK * self.size
        elements = stores * rows * BLOCK
        if self.sample_bytes > self.size and not self._transient:
            elements = self.blocks * self.per * rows
        self.arena = self.buffer(elements)

    def _rows(self, lives: dict[int, tuple[int, int]]) -> tuple[dict[int, tuple[int, int]], int]:
        """Return each living tensor's first row and column, and the rows of ``BLOCK`` samples; see ``_layout.py``.

        Blocks that are parts of ``BLOCK`` samples lie apart, unless that would take up much more memory.
        """
        # a transposed tile may read past a position's last row
        starts, rows = rows_of_tensors(self.plan.tensors, lives, 1)
        rows += ROW_ALIGNMENT
        self.sample_bytes = self.size
        parts = BLOCK // self.per
        if parts > 1:
            apart, of_part = rows_of_tensors(self.plan.tensors, lives, parts)
            all_rows = (of_part + ROW_ALIGNMENT) * parts
            if all_rows <= APART_PAYS * rows or all_rows * BLOCK * self.size <= CACHE_BYTES:
                starts, rows, self.sample_bytes = apart, all_rows, all_rows * self.size
        return starts, rows

    def ones(self) -> int:
        """Return the address of a block's row of ones."""
        if "ones" not in self._shared:
            self._shared["ones"] = self.buffer(BLOCK)
            self.keep[-1][...] = 1
        return self._shared["ones"]
