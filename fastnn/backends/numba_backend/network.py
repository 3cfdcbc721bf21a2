"""A dense network on arrays with the batch in columns, as one program: forward, or backward from stored
values.

The counterpart of ``numpy_backend/network.py``, made of the ops that train models. A call copies its
arguments into one buffer whose addresses the program holds, runs it, and hands out views of one result: for a
net of 2-4-1 the whole call costs less than one textbook layer. Programs and workspaces are kept per thread,
so that calls share nothing. Calls that come again and again have functions of their own: ``repeated.py``.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.backends.numba_backend import _launch, _layout, _team, walker
from fastnn.backends.numba_backend._columns import make_pack_columns, make_unpack_columns
from fastnn.backends.numba_backend._jit import entry, helper
from fastnn.backends.numba_backend._layout import (
    BLOCK,
    BLOCKS,
    CONTEXT_SIZE,
    OUT,
    PARALLEL_FROM,
    RECORD_SIZE,
    REGION_SIZE,
    REUSE,
    SAMPLES,
    TILES,
)
from fastnn.backends.numba_backend._memory import view
from fastnn.backends.numba_backend._ops import op
from fastnn.backends.numba_backend._recipes import LOWER_GRADIENTS
from fastnn.backends.numba_backend.executor import NumbaExecutor
from fastnn.backends.numba_backend.lowering import Lowering
from fastnn.backends.numba_backend.walker import run_region
from fastnn.backends.numba_backend.workspace import aligned_zeros
from fastnn.plan.dense_network import DenseNetwork
from fastnn.plan.executor import State
from fastnn.plan.plan import Tensor

Array = np.ndarray[Any, Any]

KEPT_PROGRAMS = 32
"""Programs kept per thread; the oldest goes first."""

KEPT_BYTES = 1 << 24
"""Programs with larger workspaces are made anew each time."""


@helper
def _is_finite(out, checked):
    """Return whether the first ``checked`` elements of ``out`` are finite."""
    flat = out.reshape(-1)[:checked]
    wrong = 0
    for i in range(flat.size):
        wrong += flat[i] - flat[i] != 0  # a difference of NaN or infinities is NaN
    return wrong == 0


@entry
def _finite(out, checked):
    """Return ``_is_finite``, to Python."""
    return _is_finite(out, checked)


HEADER = 10
_REGIONS, _REGION_COUNT, _RECORDS, _RECORD_COUNT, _CONTEXT, _SCRATCH, _CHECKED, INPUTS, SHAPES, RESULTS = range(HEADER)
"""What compiled code reads from a program's header: two arguments cost 0.4 us less than nine."""


@helper
def run_program(header_at, out):
    """Run one step on the calling thread, unpacking into ``out``; return whether Z1 is finite."""
    header = view(0, header_at, HEADER)
    regions = view(0, header[_REGIONS], header[_REGION_COUNT] * REGION_SIZE).reshape((-1, REGION_SIZE))
    records = view(0, header[_RECORDS], header[_RECORD_COUNT] * RECORD_SIZE).reshape((-1, RECORD_SIZE))
    context = view(0, header[_CONTEXT], CONTEXT_SIZE)
    context[OUT] = out.ctypes.data
    for region in range(header[_REGION_COUNT]):
        run_region(regions[region], records, header[_RECORDS], header[_CONTEXT], context[SAMPLES], BLOCK,
                   header[_SCRATCH])  # fmt: skip
    return _is_finite(out, header[_CHECKED])


@entry
def _run_once(header_at, out):
    """Return ``run_program``, to Python."""
    return run_program(header_at, out)


class Program(Lowering):
    """A program whose inputs lie in one buffer, one after another, and whose results go to another.

    The inputs are W1, b1, ..., X, and of a backward pass also Y, Z1, A1, ..., ZL, AL.

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
            read += [plan.targets, *(t for pair in zip(z, a, strict=True) for t in pair), plan.weights]
        rows = sum(t.rows for t in read)
        self.inputs = aligned_zeros(plan.size + rows * samples, dtype)
        # the arguments of a call, as parts of the buffer; sample weights stay 1
        shapes = [(p.shape[0], p.size // p.shape[0]) for p in plan.parameters]
        shapes += [(t.rows, samples) for t in read]
        self.shapes = np.array(shapes, np.int64)
        self.slots, start = [], 0
        for shape in shapes:
            size = shape[0] * shape[1]
            self.slots.append(self.inputs[start : start + size].reshape(shape))
            start += size
        if backward:
            self.slots.pop()[...] = 1
        self.results = np.zeros(plan.size, dtype)
        executor = NumbaExecutor(plan, dtype, State(self.inputs, self.results))
        workers = _launch.most()
        blocks = -(-samples // BLOCK)
        if not backward:
            blocks = min(blocks, workers)
        super().__init__(executor, "gradients", dtype.type, None, blocks, blocks * BLOCK, workers)
        self.allocate(None, transient=False)
        at = self.inputs.ctypes.data + plan.size * self.size
        for tensor in read:
            self.record(op(make_pack_columns, self.dtype), 0, self.at(tensor), self.block_bytes, tensor.rows, at)
            at += tensor.rows * samples * self.size
        products = 2.0 * plan.size + 20.0 * sum(t.rows for t in plan.tensors)
        if backward:
            self._backward(products)
        else:
            before = 0
            for o in plan.forward:
                self.lower(o)
            for pair in zip(z, a, strict=True):
                for tensor in pair:
                    self.record(
                        op(make_unpack_columns, self.dtype),
                        0,
                        self.at(tensor),
                        self.block_bytes,
                        tensor.rows,
                        before,
                    )
                    before += tensor.rows
            self.region(REUSE, products)
        units = [m for m in network.widths[1:] for _ in "ZA"]
        ends = [sum(units[: n + 1]) for n in range(len(units))]
        self.rows = ends[-1]
        self.parts = [slice(end - m, end) for end, m in zip(ends, units, strict=True)]
        self.gradients = [
            (slice(p.offset, p.offset + p.size), (p.shape[0], p.size // p.shape[0])) for p in plan.parameters
        ]
        self._freeze(samples, workers, 0 if backward else units[0] * samples)

    def _backward(self, products: float) -> None:
        for o in self.plan.backward:
            self.lower(o)
        gradients = [g for o in self.plan.gradients for g in LOWER_GRADIENTS[o.kind](o, self)]
        self.region(BLOCKS, products)
        for g in gradients:
            self._gradient(g)
        self.region(TILES, products)

    def _freeze(self, samples: int, workers: int, checked: int) -> None:
        """Turn the lists into what the walker reads."""
        self.samples = samples
        self.region_table, self.program_records = np.array(self.regions, np.int64), np.array(self.records, np.int64)
        self.context = np.zeros(_layout.CONTEXT_SIZE, np.int64)
        self.context[_layout.SAMPLES] = samples
        self.context[_layout.PER_BLOCK] = BLOCK
        self.context[_layout.BLOCK_BYTES], self.context[_layout.SAMPLE_BYTES] = self.block_bytes, self.size
        self.scratch = aligned_zeros(_layout.SCRATCH_BYTES * workers, np.uint8)
        self.losses = np.zeros(2)
        self.may_share = bool((self.region_table[:, PARALLEL_FROM] <= samples).any())
        self.scratch_at = int(self.scratch.ctypes.data)
        self.job = walker.Job(self.region_table, self.program_records, self.context)
        self.job.steps(1, 0, samples, samples, 0, 0, self.losses.ctypes.data, self.scratch_at)
        self.checked = checked
        self.team = aligned_zeros(_team.TEAM_BYTES, np.uint8)
        self.header = np.array([self.region_table.ctypes.data, len(self.region_table), self.program_records.ctypes.data,
                                len(self.program_records), self.context.ctypes.data, self.scratch_at,
                                checked, self.inputs.ctypes.data, self.shapes.ctypes.data,
                                self.results.ctypes.data], np.int64)  # fmt: skip
        self.header_at = int(self.header.ctypes.data)
        self.bytes = self.inputs.nbytes + sum(k.nbytes for k in self.keep)

    def run(self, out: Array) -> bool:
        """Run the program on what ``inputs`` holds; return whether Z1 is finite."""
        if self.may_share and (workers := _launch.workers()) > 1:
            self.context[_layout.OUT] = out.ctypes.data
            with _launch.LAUNCH:
                walker.run_steps_parallel(self.job, self.team.ctypes.data, workers)
            return bool(_finite(out, self.checked))
        return bool(_run_once(self.header_at, out))


class _Kept(threading.local):
    """This thread's programs."""

    def __init__(self) -> None:
        self.programs: dict[tuple[DenseNetwork, np.dtype[Any], int, bool], Program] = {}


_kept = _Kept()


def _program(network: DenseNetwork, dtype: np.dtype[Any], samples: int, backward: bool) -> Program:
    key = (network, dtype, samples, backward)
    program = _kept.programs.get(key)
    if program is None:
        program = Program(network, dtype, samples, backward)
        if program.bytes <= KEPT_BYTES:
            if len(_kept.programs) >= KEPT_PROGRAMS:
                del _kept.programs[next(iter(_kept.programs))]
            _kept.programs[key] = program
    return program


def network_forward(network: DenseNetwork, dtype: np.dtype[Any], parameters: Sequence[Array],
                    X: Array) -> tuple[list[Array], bool]:  # fmt: skip
    """Return Z1, A1, ..., ZL, AL and whether Z1 is finite; see ``protocol.Backend``."""
    samples = X.shape[1]
    program = _program(network, dtype, samples, False)
    for slot, array in zip(program.slots, parameters):
        slot[...] = array
    program.slots[-1][...] = X
    out = np.empty((program.rows, samples), dtype)
    finite = program.run(out)
    return [out[part] for part in program.parts], finite


def network_backward(network: DenseNetwork, dtype: np.dtype[Any], parameters: Sequence[Array],
                     values: Sequence[Array], X: Array, Y: Array) -> list[Array]:  # fmt: skip
    """Return dW1, db1, ..., dWL, dbL, each db (M, 1); see ``protocol.Backend``."""
    program = _program(network, dtype, X.shape[1], True)
    for slot, array in zip(program.slots, (*parameters, X, Y, *values)):
        slot[...] = array
    program.run(program.results)
    flat = program.results.copy()
    return [flat[part].reshape(shape) for part, shape in program.gradients]
