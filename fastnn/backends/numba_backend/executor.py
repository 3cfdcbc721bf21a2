"""Runs lowered programs: the Numba backend's half of ``fastnn.plan.executor``."""

from __future__ import annotations

import struct
import threading
from typing import Any

import numpy as np

from fastnn.backends.numba_backend import _launch, _layout, _ops, _team, random, walker, workspace
from fastnn.backends.numba_backend._layout import BLOCK, LEAST_PER_BLOCK
from fastnn.backends.numba_backend.lowering import Lowering, Program
from fastnn.optimizers import Optimizer
from fastnn.plan.data import Data
from fastnn.plan.executor import NO_DRAW, Draw, State
from fastnn.plan.plan import Plan

Array = np.ndarray[Any, Any]

_CONTEXT = struct.Struct(f"{_layout.CONTEXT_SIZE}q")


class NumbaExecutor:
    """Runs the programs of a plan compiled.

    Parameters
    ----------
    plan : Plan
    dtype : numpy dtype
    state : State
        Its arrays are C-contiguous and stay where they are.
    optimizer : Optimizer, optional
        Needed for ``train``.
    """

    def __init__(self, plan: Plan, dtype: Any, state: State, optimizer: Optimizer | None = None) -> None:
        self.plan = plan
        self.dtype = np.dtype(dtype)
        self.state = state
        self.optimizer = optimizer
        self._programs: dict[tuple[Any, ...], Program] = {}
        self._asked: tuple[Any, ...] | None = None
        self._found: Any = None
        self._scratch, self._scratch_at = workspace.aligned_zeros(0, np.uint8), 0
        self._team = workspace.aligned_zeros(_team.TEAM_BYTES, np.uint8)
        self._lock = threading.Lock()

    def run(self, program: str, data: Data, batch: int, steps: int = 1, first: int = 0, scalars: Array | None = None,
            out: Array | None = None, draw: Draw = NO_DRAW, check: bool = False) -> Array:  # fmt: skip
        """Run ``steps`` steps of a program; see ``fastnn.plan.executor.Executor``."""
        losses = np.zeros((steps, 2))
        samples = data.samples
        if samples == 0:
            return losses
        workers = _launch.workers()
        check = check and data.x.dtype.kind == "f"
        with self._lock:
            lowered, parallel = self._ready(program, data, min(batch, samples), workers, out is not None, check)
            if len(self._scratch) < _layout.SCRATCH_BYTES * workers:
                self._scratch = workspace.aligned_zeros(_layout.SCRATCH_BYTES * workers, np.uint8)
                self._scratch_at = int(self._scratch.ctypes.data)
            self._write_context(lowered, data, out, first, draw)
            job = lowered.job
            if scalars is None:
                job.steps(steps, first, batch, samples, 0, 0, losses.ctypes.data, self._scratch_at)
            else:
                job.steps(steps, first, batch, samples, scalars.ctypes.data, scalars.strides[0], losses.ctypes.data,
                          self._scratch_at)  # fmt: skip
            if parallel:
                with _launch.LAUNCH:
                    walker.run_steps_parallel(job, self._team.ctypes.data, workers)
            else:
                walker.run_steps(job)
        return losses

    def _write_context(self, lowered: Program, data: Data, out: Array | None, first: int, draw: Draw) -> None:
        x, y = data.x, data.y
        words = [0] * _layout.CONTEXT_SIZE
        words[_layout.X], words[_layout.Y], words[_layout.WEIGHT] = data.addresses
        words[_layout.X_ROW], words[_layout.X_COLUMN] = x.strides
        words[_layout.DIRECT] = int(x.dtype == self.dtype and x.strides[1] == self.dtype.itemsize)
        if data.order is not None:
            words[_layout.ORDER] = data.order.ctypes.data
        if y is not None:
            words[_layout.Y_ROW], words[_layout.Y_COLUMN] = y.strides if y.ndim > 1 else (y.strides[0], 0)
        if out is not None:
            # predictions are written by position in the order; row 0 of out is position first
            words[_layout.OUT] = out.ctypes.data - first * out.strides[0]
            words[_layout.OUT_ROW] = out.strides[0] // out.itemsize
        words[_layout.BLOCK_BYTES], words[_layout.SAMPLE_BYTES] = lowered.block_bytes, lowered.sample_bytes
        words[_layout.PER_BLOCK] = lowered.per
        words[_layout.SEED], words[_layout.STEP] = draw.seed - (draw.seed >> 63 << 64), draw.step - 1
        _CONTEXT.pack_into(lowered.context_buffer, 0, *words)

    def _ready(self, program: str, data: Data, batch: int, workers: int, predictions: bool,
               check: bool) -> tuple[Program, bool]:  # fmt: skip
        """Return the lowered program for steps of ``batch`` samples, and whether threads share them."""
        y_type = None if data.y is None else data.y.dtype
        asked = program, data.x.dtype, y_type, predictions, check, batch, workers
        if asked != self._asked:
            self._found = self._found_for(*asked)
            self._asked = None if _ops.is_planning() else asked
        return self._found

    def _found_for(self, program: str, x_type: Any, y_type: Any, predictions: bool, check: bool, batch: int,
                   workers: int) -> tuple[Program, bool]:  # fmt: skip
        what = program, x_type, y_type, predictions, check
        lowered = self._lowered(what, batch, workers, BLOCK)
        parallel = workers > 1 and bool((lowered.regions[:, _layout.PARALLEL_FROM] <= batch).any())
        if parallel and (smaller := per_block(batch, workers)) < BLOCK:
            # blocks are small only where threads share them
            lowered = self._lowered(what, batch, workers, smaller)
        return lowered, parallel

    def _lowered(self, what: tuple[Any, ...], batch: int, workers: int, per: int) -> Program:
        program, x_type, y_type, predictions, check = what
        blocks = -(-batch // per)
        found = self._programs.get((*what, per))
        if found is None or found.blocks < blocks or found.samples < batch or found.workers < workers:
            y_kind = None if y_type is None else y_type.type

            def lower() -> Program:
                lowering = Lowering(self, program, x_type.type, y_kind, blocks, batch, workers, per)
                made = lowering.program(predictions, check)
                if program == "train":
                    random.ask_for_permutation()
                walker.ask_for_ops()
                return made

            found = _ops.together(lower)
            if not _ops.is_planning():
                self._programs[(*what, per)] = found
        return found


def per_block(samples: int, workers: int) -> int:
    """Return how many samples a block holds in a step of ``samples``: fewer than ``BLOCK`` if workers were idle."""
    per = BLOCK
    while per > LEAST_PER_BLOCK and -(-samples // per) < workers:
        per //= 2
    return per
