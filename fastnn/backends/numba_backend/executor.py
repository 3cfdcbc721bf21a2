"""Runs lowered programs: the Numba backend's half of ``fastnn.plan.executor``."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from fastnn.backends.numba_backend import _jit, _launch, _layout, _team, walker, workspace
from fastnn.backends.numba_backend._layout import BLOCK, LEAST_PER_BLOCK
from fastnn.backends.numba_backend.lowering import Lowering, Program
from fastnn.optimizers import Optimizer
from fastnn.plan.data import Data
from fastnn.plan.executor import NO_DRAW, Draw, State
from fastnn.plan.plan import Plan

Array = np.ndarray[Any, Any]


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
        self._optimizer = optimizer
        self._programs: dict[tuple[Any, ...], Program] = {}
        self._scratch = workspace.aligned_zeros(0, np.uint8)
        self._team = workspace.aligned_zeros(_team.TEAM_BYTES, np.uint8)
        self._lock = threading.Lock()

    def run(self, program: str, data: Data, batch: int, steps: int = 1, first: int = 0, scalars: Array | None = None,
            out: Array | None = None, draw: Draw = NO_DRAW) -> Array:  # fmt: skip
        """Run ``steps`` steps of a program; see ``fastnn.plan.executor.Executor``."""
        losses = np.zeros((steps, 2))
        if data.samples == 0:
            return losses
        workers = _launch.workers()
        most = min(batch, data.samples)
        with self._lock:
            per = BLOCK
            lowered = self._lowered(program, data, most, workers, out is not None, per)
            parallel = workers > 1 and bool((lowered.regions[:, _layout.PARALLEL_FROM] <= most).any())
            if parallel and (smaller := per_block(most, workers)) < per:
                # blocks are small only where threads share them
                per = smaller
                lowered = self._lowered(program, data, most, workers, out is not None, per)
            context = self._context(data, out, first)
            context[_layout.BLOCK_BYTES], context[_layout.SAMPLE_BYTES] = lowered.block_bytes, lowered.sample_bytes
            context[_layout.PER_BLOCK] = per
            context[_layout.SEED], context[_layout.STEP] = draw.seed - (draw.seed >> 63 << 64), draw.step - 1
            at = 0 if scalars is None else scalars.ctypes.data
            between = 0 if scalars is None else scalars.strides[0]
            if len(self._scratch) < _layout.SCRATCH_BYTES * workers:
                self._scratch = workspace.aligned_zeros(_layout.SCRATCH_BYTES * workers, np.uint8)
            arguments = (lowered.regions, lowered.records, lowered.records.ctypes.data, context, context.ctypes.data,
                         steps, first, batch, data.samples, at, between, losses.ctypes.data,
                         self._scratch.ctypes.data)  # fmt: skip
            if parallel:
                with _launch.LAUNCH:
                    walker.run_steps_parallel(*arguments, self._team.ctypes.data, workers)
            else:
                walker.run_steps(*arguments)
        return losses

    def _context(self, data: Data, out: Array | None, first: int) -> Array:
        context = np.zeros(_layout.CONTEXT_SIZE, np.int64)
        context[_layout.X] = data.x.ctypes.data
        context[_layout.X_ROW], context[_layout.X_COLUMN] = data.x.strides
        context[_layout.DIRECT] = data.x.dtype == self.dtype and data.x.strides[1] == self.dtype.itemsize
        if data.order is not None:
            context[_layout.ORDER] = data.order.ctypes.data
        if data.y is not None:
            context[_layout.Y], context[_layout.Y_ROW] = data.y.ctypes.data, data.y.strides[0]
            context[_layout.Y_COLUMN] = data.y.strides[1] if data.y.ndim > 1 else 0
        if data.weight is not None:
            context[_layout.WEIGHT] = data.weight.ctypes.data
        if out is not None:
            # predictions are written by position in the order; row 0 of out is position first
            context[_layout.OUT] = out.ctypes.data - first * out.strides[0]
            context[_layout.OUT_ROW] = out.strides[0] // out.itemsize
        return context

    def _lowered(self, program: str, data: Data, batch: int, workers: int, predictions: bool, per: int) -> Program:
        blocks = -(-batch // per)
        y_type = None if data.y is None else data.y.dtype
        key = (program, data.x.dtype, y_type, predictions, per)
        found = self._programs.get(key)
        if found is None or found.blocks < blocks or found.samples < batch or found.workers < workers:
            found = Lowering(
                self, program, data.x.dtype.type, None if y_type is None else y_type.type, blocks, batch, workers, per
            ).program(predictions)  # fmt: skip
            if not _jit.is_planning():
                self._programs[key] = found
        return found


def per_block(samples: int, workers: int) -> int:
    """Return how many samples a block holds in a step of ``samples``: fewer than ``BLOCK`` if workers were idle."""
    per = BLOCK
    while per > LEAST_PER_BLOCK and -(-samples // per) < workers:
        per //= 2
    return per
