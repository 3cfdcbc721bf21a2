"""Lowers a plan: each program becomes a table of regions and a table of records that hold addresses.

Workspaces are allocated here, once for the largest step seen, never in kernels (``_program_memory.py``). Where tensors
lie in a worker's storage, only what later regions read is kept.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.backends.numba_backend import (
    _dense_few_samples,
    _dense_weights,
    _layout,
    data,
    dense,
    loss,
    reduction,
    update,
    walker,
)
from fastnn.backends.numba_backend._atomic import CACHE_LINE
from fastnn.backends.numba_backend._layout import BLOCK, BLOCKS, CHAIN, REUSE, TILES
from fastnn.backends.numba_backend._merging import merged
from fastnn.backends.numba_backend._op_order import backward_order, needed_forward, needs_all_samples
from fastnn.backends.numba_backend._ops import op
from fastnn.backends.numba_backend._panel_weights import takes_panels
from fastnn.backends.numba_backend._placement import up
from fastnn.backends.numba_backend._processor import VECTOR_BYTES
from fastnn.backends.numba_backend._program_memory import ProgramMemory
from fastnn.backends.numba_backend._recipes import LOWER, LOWER_GRADIENTS, MERGED
from fastnn.backends.numba_backend._recording import Gradient, Recipe, bits_of, shape_of
from fastnn.plan.plan import Op, Parameter, Tensor

Array = np.ndarray[Any, Any]

LAUNCH_PAYS = 1.5e6
"""Floating-point operations from which a region is worth a parallel launch (some 15 us of one core)."""

WORK_PER_ELEMENT = 20.0
"""Floating-point operations that an element of a tensor is taken to cost beside the products."""


@dataclass
class Program:
    """A lowered program and what keeps its addresses valid; its context and its job are written before each run."""

    regions: Array
    records: Array
    blocks: int
    samples: int
    workers: int
    per: int
    block_bytes: int
    sample_bytes: int
    keep: list[Array]

    def __post_init__(self) -> None:
        self.context = np.zeros(_layout.CONTEXT_SIZE, np.int64)
        self.context_buffer = self.context.data
        self.job = walker.Job(self.regions, self.records, self.context)


def make_gradients(dtype: Any, make: Any, static: tuple[Any, ...], penalty: bool, clip: bool) -> Any:
    """Return the op of weight gradients that stores them."""
    return make(dtype, update.make_store(dtype, penalty, clip), *static)


def make_updates(dtype: Any, make: Any, static: tuple[Any, ...], rule: Any, slots: int, scalars: int, penalty: bool,
                 clip: bool) -> Any:  # fmt: skip
    """Return the op of weight gradients that updates the weights by them."""
    return make(dtype, update.make_update(rule, slots, scalars, penalty, clip), *static)


class Lowering(ProgramMemory):
    """Writes the records of one program for steps of at most ``blocks`` blocks, run by at most ``workers`` threads.

    ``samples`` is how many there is room for, ``per`` how many a block holds.
    """

    def __init__(
        self, executor: Any, program: str, x_type: Any, y_type: Any, blocks: int, samples: int, workers: int,
        per: int = BLOCK,
    ) -> None:  # fmt: skip
        super().__init__(executor, program, blocks, samples, workers, per)
        self.optimizer = executor.optimizer
        self.x_type, self.y_type = x_type, y_type
        self.records: list[list[int]] = []
        self.regions: list[list[int]] = []
        self._begun, self._kind, self._work, self._block_ops = 0, BLOCKS, 0.0, 0
        self._kept: dict[int, tuple[int, int]] = {}
        self.rows_kept: dict[tuple[Any, ...], tuple[int, int]] = {}
        self._gradients = 0
        self._few_samples = False
        self._weights_shared: set[int] = set()
        self._step = samples

    # --- regions ----------------------------------------------------------------------------------

    def record(self, address: int, items: int, *operands: int, cost: int = 1) -> None:
        """Append a record."""
        self.records.append(_layout.record_row(address, items, *operands, cost=cost))

    def region(self, kind: int, work: float) -> None:
        """Close the region of the records appended since the last; ``work`` is its flops per sample."""
        count = len(self.records) - self._begun
        if count:
            parallel_from = int(LAUNCH_PAYS / max(work, 1.0)) + 1
            if kind != TILES:
                parallel_from = max(parallel_from, _layout.LEAST_PER_BLOCK + 1)  # a single block has nothing to share
            if self._few_samples:
                parallel_from = 1  # the launch pays, and a core finds what it has written
            if kind == BLOCKS and self._transient:
                kind = REUSE
            block_ops = {TILES: 0, CHAIN: self._block_ops}.get(kind, count)
            self.regions.append([kind, self._begun, count, parallel_from, block_ops])
        self._begun, self._work, self._block_ops = len(self.records), 0.0, 0

    def _enter(self, kind: int) -> None:
        """Close the open region if it is of another kind."""
        if self._kind != kind:
            self.region(self._kind, self._work)
            self._kind = kind

    def lower(self, o: Op) -> None:
        """Append the record of a forward or backward op."""
        if self._few_samples and self._shares_weights(o):
            recipe: Recipe = _dense_few_samples.forward_by_units(o)
            w = o.operands["W"]
            assert isinstance(w, Parameter)
            self._weights_shared.add(w.offset)
        else:
            recipe = (LOWER.get(o.kind) or MERGED[o.kind])(o, self)
            assert (recipe.items is not None) == needs_all_samples(o), o.kind
        self._enter(BLOCKS if recipe.items is None else TILES)
        at = [0 if o.operands[n] is None else self.at(o.operands[n]) for n in recipe.addresses]
        if "b" in recipe.addresses and o.operands["b"] is None:
            at[recipe.addresses.index("b")] = self.zeros(shape_of(o, "W")[0])
        after = [self.at(o.operands[n]) for n in recipe.after]
        address = op(recipe.make, self.dtype, *recipe.static)
        self.record(address, recipe.items or 0, *at, self.block_bytes, *recipe.constants, *after, cost=recipe.cost)
        written = sum(what.rows for n in o.writes if isinstance(what := o.operands[n], Tensor))
        self._work += recipe.work + WORK_PER_ELEMENT * written

    def _shares_weights(self, o: Op) -> bool:
        return _dense_few_samples.shares_weights(o, self.size, self._step)

    def parts_of(self, o: Op, units: int) -> list[tuple[int, int]]:
        """Return the (first unit, units) of each worker's part of a layer's weights; one where samples are shared."""
        w = o.operands["W"]
        assert isinstance(w, Parameter)
        if w.offset not in self._weights_shared:
            return [(0, units)]
        ends = [_dense_few_samples.first_unit(units, part, self.workers) for part in range(self.workers + 1)]
        return [(m, n - m) for m, n in itertools.pairwise(ends) if m < n]

    def record_block_op(self, make: Any, *operands: int, static: tuple[Any, ...] = (), work: float = 0.0) -> None:
        """Append the record of a per-block op that prepares the sum of a gradient."""
        assert self._kind == BLOCKS
        self.record(op(make, self.dtype, *static), 0, *operands)
        self._work += work

    # --- programs ---------------------------------------------------------------------------------

    def program(self, predictions: bool, check: bool = False) -> Program:
        """Return the lowered program; with ``predictions`` its outputs are written to ``out``.

        With ``check``, samples are looked at before they are read.
        """
        plan, name = self.plan, self.name
        learns = name in ("gradients", "train")
        backward = backward_order(plan, self.per) if learns else ()
        later = backward if name == "predict" else loss.with_gradient(plan.value + backward)
        forward = plan.forward if predictions else needed_forward(plan, later)
        forward, later = merged(plan, (forward, later))
        ops = forward + later
        self.allocate(ops, transient=not any(map(needs_all_samples, ops)))
        # steps on several threads, with tensors that all regions can reach
        self._few_samples = learns and self.workers > 1 and not self._transient and any(map(self._shares_weights, ops))
        if name != "predict":
            self._penalties()
        self._kind = BLOCKS
        if check:
            self.record(op(data.make_check_samples, self.dtype, self.x_type), 0, plan.inputs.rows)
        self._pack_samples(learns)
        for o in forward:
            self.lower(o)
        self._enter(BLOCKS)
        if predictions:
            self.record(op(data.make_unpack, self.dtype), 0, self.at(plan.outputs), self.block_bytes,
                        plan.outputs.rows)  # fmt: skip
        if name == "predict":
            self.region(BLOCKS, self._work)
            return self._program()
        assert plan.targets is not None and plan.weights is not None and plan.loss is not None
        assert plan.terms is not None
        self.record(op(data.make_pack_targets, self.dtype, self.y_type, plan.loss.labels), 0, self.at(plan.targets),
                    self.block_bytes, plan.targets.rows, self.at(plan.weights), plan.targets.shape[-1])  # fmt: skip
        gradients = []
        for o in later:
            if o.kind in LOWER_GRADIENTS:
                self._enter(BLOCKS)
                gradients += LOWER_GRADIENTS[o.kind](o, self)
            else:
                self.lower(o)
        if learns:
            self._enter(BLOCKS)
        terms, between = self.lasting(plan.terms)
        work = self._work
        chained = learns and not self._transient and all(g.chain is not None for g in gradients)
        if chained:
            # a thread's sums start when its own blocks are done
            self._kind, self._block_ops = CHAIN, len(self.records) - self._begun
            self.record(op(reduction.make_chained_losses, self.dtype), 0, terms, between, *self.chain(1, 1))
        else:
            self.region(BLOCKS, work)
            self._kind = TILES
        for g in sorted(gradients, key=lambda g: g.part):
            self._gradient(g, chained)
        if not chained:
            self.record(op(reduction.make_sum_losses, self.dtype), 1, terms, between, cost=64)
        self.region(self._kind, work if chained else work / 2 if learns else 1.0)
        if name == "train":
            self._update_after_norm()
        return self._program()

    def _program(self) -> Program:
        return Program(
            np.array(self.regions, np.int64),
            np.array(self.records, np.int64),
            self.blocks,
            self.samples,
            self.workers,
            self.per,
            self.block_bytes,
            self.sample_bytes,
            self.keep,
        )

    def _pack_samples(self, learns: bool) -> None:
        x = self.plan.inputs
        table = copy = row = 0
        if learns and any(_reads_rows(o, x, self.size, self.samples) for o in self.plan.gradients):
            # the user's own rows serve the first layer's weight gradient, where they can be read in place
            row = up(x.rows, VECTOR_BYTES // self.size)
            table, copy = self.buffer(self.samples, np.int64), self.buffer(self.samples * row)
            self.rows_kept[x.index, x.rows] = table, 0
        self.record(op(data.make_pack_samples, self.dtype, self.x_type), 0, self.at(x), self.block_bytes, x.rows,
                    table, copy, row)  # fmt: skip

    # --- what gradients of weights need -----------------------------------------------------------

    def sample_rows(self, a: Tensor, features: int) -> tuple[int, int]:
        """Keep a tensor sample by sample; return the table of its rows' addresses and the bytes between positions.

        Parameters
        ----------
        a : Tensor
            Of ``positions * features`` rows; a position takes up whole vectors.
        features : int
        """
        if (a.index, features) not in self.rows_kept:
            width = VECTOR_BYTES // self.size
            positions = a.rows // features
            row = up(features, width) * positions
            samples = self.samples
            at = self.buffer(samples * row + width)
            table = self.table(at + np.arange(samples, dtype=np.int64) * row * self.size)
            self.rows_kept[a.index, features] = table, up(features, width) * self.size
            self.record(op(dense.make_keep_rows, self.dtype), 0, self.at(a), self.block_bytes, features, at, row,
                        positions)  # fmt: skip
        return self.rows_kept[a.index, features]

    def lasting(self, x: Tensor) -> tuple[int, int]:
        """Return the address of a tensor's first block, and the bytes between blocks, for regions to come."""
        if not self._transient:
            return self.at(x), self.block_bytes
        if x.index not in self._kept:
            between = x.rows * BLOCK * self.size
            at = self.buffer(x.rows * self.samples)
            self._kept[x.index] = at, between
            self.record(op(dense.make_keep_block, self.dtype), 0, self.at(x), self.block_bytes, x.rows, at, between)
        return self._kept[x.index]

    def partials(self, parameter: Parameter) -> int:
        """Return the address of workspace for one value per element of a parameter and block, block by block."""
        return self.shared(("partials", parameter.name), self.blocks * parameter.size)

    def _finish(self) -> tuple[Any, tuple[Any, ...]]:
        """Return the maker that completes a gradient's op, and its arguments: stored, or used at once."""
        penalty_ = any(p.l1 or p.l2 for p in self.plan.parameters)
        if self.name == "gradients":
            return make_gradients, (penalty_, False)
        assert self.optimizer is not None
        clip = self.optimizer.clipvalue is not None
        if self._needs_norm():
            return make_gradients, (penalty_, clip)
        rule = self.optimizer.rule
        return make_updates, (rule.update, len(rule.slots), len(rule.scalar_names), penalty_, clip)

    def _needs_norm(self) -> bool:
        assert self.optimizer is not None
        return self.optimizer.clipnorm is not None or self.optimizer.global_clipnorm is not None

    def _gradient_vector(self) -> int:
        if self.name == "gradients":
            assert self.state.gradients is not None
            return int(self.state.gradients.ctypes.data)
        if not self._gradients:
            self._gradients = self.buffer(self.plan.size)
        return self._gradients

    def _slots(self) -> int:
        return int(self.state.slots.ctypes.data) if self.name == "train" and self.state.slots is not None else 0

    def chain(self, items: int, elements: int) -> tuple[int, int]:
        """Return the addresses of what threads hand on to one another: each item's sums, and its progress."""
        # progress is no workspace, whose contents do not matter: it starts at zero
        return self.buffer(items * elements), self.table(np.zeros(items * CACHE_LINE // 8))

    def _gradient(self, g: Gradient, chained: bool = False) -> None:
        """Append the record of an op that sums a gradient and hands it on."""
        make, arguments = self._finish()
        clip = 0.0 if self.optimizer is None else self.optimizer.clipvalue or 0.0
        finishes: list[int] = []
        for p in g.parameters:
            finishes += [self._gradient_vector() if make is make_gradients else 0, self.state.parameters.ctypes.data,
                         self._slots(), self.plan.size, bits_of(p.l1 + 0.0), bits_of(p.l2 + 0.0),
                         bits_of(clip)]  # fmt: skip
        maker, ends = (g.chain if chained else None) or (g.make, ())
        address = op(make, self.dtype, maker, g.static, *arguments)
        self.record(address, g.items, *g.operands, *finishes, *ends, cost=g.cost)

    def _update_after_norm(self) -> None:
        assert self.optimizer is not None
        if not self._needs_norm():
            return
        whole = self.optimizer.global_clipnorm is not None
        parts = [(0, self.plan.size)] if whole else [(p.offset, p.size) for p in self.plan.parameters]
        norm = self.optimizer.global_clipnorm if whole else self.optimizer.clipnorm
        assert norm is not None
        self.record(op(update.make_clip_by_norm, self.dtype), len(parts), self.table(parts), self._gradient_vector(),
                    bits_of(norm))  # fmt: skip
        self.region(TILES, 0.0)
        rule = self.optimizer.rule
        address = op(update.make_vector_update, self.dtype, rule.update, len(rule.slots), len(rule.scalar_names))
        items = -(-self.plan.size // update.CHUNK)
        self.record(address, items, self.plan.size, self._gradient_vector(), self.state.parameters.ctypes.data,
                    self._slots(), self.plan.size)  # fmt: skip
        self.region(TILES, 0.0)

    def _penalties(self) -> None:
        rows = [
            (p.offset, p.size, bits_of(p.l1 + 0.0), bits_of(p.l2 + 0.0)) for p in self.plan.parameters if p.l1 or p.l2
        ]
        if rows:
            self.record(op(update.make_penalty_sum, self.dtype), 1, len(rows), self.table(rows),
                        self.state.parameters.ctypes.data)  # fmt: skip
            self.region(TILES, 0.0)


def _reads_rows(o: Op, x: Tensor, size: int, samples: int) -> bool:
    """Whether a gradient reads samples as they lie in the user's array."""
    if o.kind != "dense_backward_weights" or o.static["positions"] > 1 or takes_panels(o, size, samples):
        return False
    a, w = o.operands["A"], o.operands["W"]
    assert isinstance(a, Tensor) and isinstance(w, Parameter)
    units, features = w.shape
    return a.index == x.index and not _dense_weights.is_across_units(units, features, size)
