"""A dense network on arrays with the batch in columns, as one program: forward, or backward from stored values.

The counterpart of ``numpy_backend/network.py``, made of the ops that train models. A call copies its arguments into one
buffer whose addresses the program holds, runs it, and hands out views of one result: for a net of 2-4-1 the whole
call costs less than one textbook layer. Programs and workspaces are kept per thread, so that calls share nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np

from fastnn.backends.numba_backend import _launch, _layout, walker
from fastnn.backends.numba_backend._columns import make_pack_columns, make_unpack_columns
from fastnn.backends.numba_backend._jit import entry, op
from fastnn.backends.numba_backend._layout import BLOCK, BLOCKS, PARALLEL_FROM, REUSE, TILES
from fastnn.backends.numba_backend.executor import NumbaExecutor, _Lowering, aligned_empty
from fastnn.backends.numba_backend.walker import run_worker
from fastnn.plan.dense_network import DenseNetwork
from fastnn.plan.executor import State
from fastnn.plan.plan import Tensor

Array = np.ndarray[Any, Any]

KEPT_PROGRAMS = 32
"""Programs kept per thread; the oldest goes first."""

KEPT_BYTES = 1 << 24
"""Programs with larger workspaces are made anew each time."""


@entry
def _run_once(regions, records, records_at, context, context_at, samples, out, scratch):
    """Run one step on the calling thread, unpacking into ``out``."""
    context[_OUT] = out.ctypes.data
    for region in range(regions.shape[0]):
        run_worker(regions[region], records, records_at, context_at, samples, 0, 1, scratch)


_OUT = _layout.OUT


class _Columns(_Lowering):
    """A program whose inputs lie in one buffer and whose results go to another.

    Parameters
    ----------
    network : DenseNetwork
    dtype : numpy dtype
    samples : int
    backward : bool
    """

    def __init__(self, network: DenseNetwork, dtype: np.dtype[Any], samples: int, backward: bool) -> None:
        plan = network.plan
        tensors = {t.name: t for t in plan.tensors}
        # a linear activation is no op: its value and its pre-activation are one tensor
        layers = range(1, len(network.widths))
        z = [tensors[f"Z{n}"] for n in layers]
        a = [tensors.get(f"A{n}", tensors[f"Z{n}"]) for n in layers]
        read: list[Tensor] = [plan.inputs]
        if backward:
            assert plan.targets is not None and plan.weights is not None
            read += [plan.targets, plan.weights, *(t for pair in zip(z, a, strict=True) for t in pair)]
        rows = sum(t.rows for t in read)
        self.inputs = aligned_empty(plan.size + rows * samples, dtype)
        self.results = np.zeros(plan.size, dtype)
        executor = NumbaExecutor(plan, dtype, State(self.inputs, self.results))
        workers = int(numba.config.NUMBA_NUM_THREADS)
        blocks = -(-samples // BLOCK)
        super().__init__(
            executor, "gradients", dtype.type, None, blocks if backward else min(blocks, workers)
        )
        at = self.inputs.ctypes.data + plan.size * self.size
        for tensor in read:
            self._record(
                op(make_pack_columns, self.dtype), 0, self._at(tensor), self.block_bytes, tensor.rows, at
            )
            at += tensor.rows * samples * self.size
        products = 2.0 * plan.size + 20.0 * sum(t.rows for t in plan.tensors)
        if backward:
            self._backward(products)
        else:
            before = 0
            for o in plan.forward:
                self._lower(o)
            for pair in zip(z, a, strict=True):
                for tensor in pair:
                    self._record(op(make_unpack_columns, self.dtype), 0, self._at(tensor), self.block_bytes, tensor.rows,
                                 before)  # fmt: skip
                    before += tensor.rows
            self._region(REUSE, 0, products)
        self._freeze(samples, workers)

    def _backward(self, products: float) -> None:
        for o in self.plan.backward:
            self._lower(o)
        self._keep_rows()
        self._region(BLOCKS, 0, products)
        first = len(self.records)
        self._weights()
        self._region(TILES, first, products)

    def _freeze(self, samples: int, workers: int) -> None:
        """Turn the lists into what the walker reads."""
        self.samples = samples
        self.table, self.program_records = np.array(self.regions, np.int64), np.array(self.records, np.int64)
        self.context = np.zeros(_layout.CONTEXT_SIZE, np.int64)
        self.context[_layout.SAMPLES] = samples
        self.scratch = aligned_empty(_layout.SCRATCH_BYTES * workers, np.uint8)
        self.losses = np.zeros(2)
        self.may_share = bool((self.table[:, PARALLEL_FROM] <= samples).any())
        self.fixed = (self.table, self.program_records, self.program_records.ctypes.data, self.context,
                      self.context.ctypes.data)  # fmt: skip
        self.scratch_at = int(self.scratch.ctypes.data)
        self.bytes = self.inputs.nbytes + sum(k.nbytes for k in self.keep)

    def run(self, out: Array) -> None:
        """Run the program on what ``inputs`` holds."""
        if self.may_share and (workers := _launch.workers()) > 1:
            self.context[_layout.OUT] = out.ctypes.data
            n = self.samples
            with _launch.LAUNCH:
                walker.run_steps_parallel(*self.fixed, 1, 0, n, n, 0, 0, self.losses.ctypes.data, self.scratch_at,
                                          workers)  # fmt: skip
        else:
            _run_once(*self.fixed, self.samples, out, self.scratch_at)


class _Kept(threading.local):
    """This thread's programs."""

    def __init__(self) -> None:
        self.programs: dict[tuple[DenseNetwork, np.dtype[Any], int, bool], _Columns] = {}


_kept = _Kept()


def _program(network: DenseNetwork, dtype: np.dtype[Any], samples: int, backward: bool) -> _Columns:
    key = (network, dtype, samples, backward)
    program = _kept.programs.get(key)
    if program is None:
        program = _Columns(network, dtype, samples, backward)
        if program.bytes <= KEPT_BYTES:
            if len(_kept.programs) >= KEPT_PROGRAMS:
                del _kept.programs[next(iter(_kept.programs))]
            _kept.programs[key] = program
    return program


def network_forward(
    network: DenseNetwork, dtype: np.dtype[Any], parameters: Sequence[Array], X: Array
) -> list[Array]:
    """Return Z1, A1, ..., ZL, AL; see ``protocol.Backend``."""
    samples = X.shape[1]
    program = _program(network, dtype, samples, False)
    np.concatenate((*parameters, X), axis=None, out=program.inputs)
    units = network.widths[1:]
    out = np.empty((2 * sum(units), samples), dtype)
    program.run(out)
    values, row = [], 0
    for m in units:
        values += [out[row : row + m], out[row + m : row + 2 * m]]
        row += 2 * m
    return values


def network_backward(network: DenseNetwork, dtype: np.dtype[Any], parameters: Sequence[Array],
                     values: Sequence[Array], X: Array, Y: Array) -> list[Array]:  # fmt: skip
    """Return dW1, db1, ..., dWL, dbL; see ``protocol.Backend``."""
    samples = X.shape[1]
    program = _program(network, dtype, samples, True)
    weight = np.ones(samples, dtype)
    np.concatenate((*parameters, X, Y, weight, *values), axis=None, out=program.inputs)
    program.run(program.results)
    flat = program.results.copy()
    return [flat[p.offset : p.offset + p.size].reshape(p.shape) for p in network.plan.parameters]
