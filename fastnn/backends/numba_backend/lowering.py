"""Lowers a plan: each program becomes a table of regions and a table of records that hold addresses.

Workspaces are allocated here, once for the largest step seen, never in kernels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.backends.numba_backend import (
    _layout,
    activation,
    data,
    dense,
    loss,
    penalty,
    reduction,
    update,
    workspace,
)
from fastnn.backends.numba_backend._jit import TILE_VECTORS, VECTOR_BYTES, op
from fastnn.backends.numba_backend._layout import BLOCK, BLOCKS, REUSE, ROW_ALIGNMENT, TILES
from fastnn.backends.numba_backend._recording import bits_of, shape_of
from fastnn.plan.plan import Op, Parameter, Tensor

Array = np.ndarray[Any, Any]

LAUNCH_PAYS = 1.5e6
"""Floating-point operations from which a region is worth a parallel launch (some 15 us of one core)."""

LOWER = {**activation.LOWER, **dense.LOWER, **loss.LOWER, **penalty.LOWER}
"""How each kind of per-sample op is recorded."""


def up(n: int, multiple: int) -> int:
    """Return ``n`` rounded up to a multiple."""
    return -(-n // multiple) * multiple


@dataclass
class Program:
    """A lowered program and what keeps its addresses valid."""

    regions: Array
    records: Array
    blocks: int
    keep: list[Array]


def make_gradients(dtype: Any, penalty: bool, clip: bool) -> Any:
    """Return the weight gradients' op that stores them."""
    return dense.make_dense_backward_weights(dtype, update.make_store(dtype, penalty, clip))


def make_updates(dtype: Any, rule: Any, slots: int, scalars: int, penalty: bool, clip: bool) -> Any:
    """Return the weight gradients' op that updates the weights by them."""
    return dense.make_dense_backward_weights(dtype, update.make_update(rule, slots, scalars, penalty, clip))


class Lowering:
    """Writes the records of one program for steps of at most ``blocks`` blocks."""

    def __init__(self, executor: Any, program: str, x_type: Any, y_type: Any, blocks: int) -> None:
        self.plan = executor.plan
        self.state = executor.state
        self.optimizer = executor._optimizer
        self.name = program
        self.dtype = executor.dtype.type
        self.size = executor.dtype.itemsize
        self.x_type, self.y_type = x_type, y_type
        self.blocks = blocks
        self.keep: list[Array] = []
        self.records: list[list[int]] = []
        self.regions: list[list[int]] = []
        self._offsets: dict[int, int] = {}
        rows = 0
        for tensor in self.plan.tensors:
            self._offsets[tensor.index] = rows * BLOCK * self.size
            rows += up(tensor.rows, ROW_ALIGNMENT)
        self.block_bytes = rows * BLOCK * self.size
        self.arena = self._buffer(blocks * rows * BLOCK)
        self.parameters = self.state.parameters.ctypes.data
        self.tables: dict[int, int] = {}

    def _buffer(self, elements: int, dtype: Any = None) -> int:
        """Allocate workspace and return its address."""
        buffer = workspace.aligned_zeros(max(elements, 1), self.dtype if dtype is None else dtype)
        self.keep.append(buffer)
        return int(buffer.ctypes.data)

    def _at(self, what: Tensor | Parameter | None) -> int:
        """Return the address of a parameter, or of a tensor's first block."""
        if isinstance(what, Parameter):
            return int(self.parameters + what.offset * self.size)
        assert what is not None
        return self.arena + self._offsets[what.index]

    def _record(self, address: int, items: int, *operands: int, cost: int = 1) -> None:
        self.records.append(_layout.record_row(address, items, *operands, cost=cost))

    def _region(self, kind: int, first_op: int, flops: float) -> None:
        """Close a region that began with record ``first_op``; ``flops`` is its work per sample."""
        parallel_from = int(LAUNCH_PAYS / max(flops, 1.0)) + 1
        if kind != TILES:
            parallel_from = max(parallel_from, BLOCK + 1)  # a single block has nothing to share
        self.regions.append([kind, first_op, len(self.records) - first_op, parallel_from])

    def program(self, predictions: bool) -> Program:
        """Return the lowered program; with ``predictions`` its outputs are written to ``out``."""
        plan, name = self.plan, self.name
        learns = name in ("gradients", "train")
        products = sum(2.0 * p.size for p in plan.parameters) + 20.0 * sum(t.rows for t in plan.tensors)
        if name != "predict":
            self._penalties()
        first = len(self.records)
        self._pack_samples(learns)
        for o in plan.forward:
            self._lower(o)
        if predictions:
            self._record(
                op(data.make_unpack, self.dtype),
                0,
                self._at(plan.outputs),
                self.block_bytes,
                plan.outputs.rows,
            )
        if name != "predict":
            assert plan.targets is not None and plan.weights is not None and plan.loss is not None
            self._record(op(data.make_pack_targets, self.dtype, self.y_type, plan.loss.labels), 0,
                         self._at(plan.targets), self.block_bytes, plan.targets.rows,
                         self._at(plan.weights))  # fmt: skip
            for o in plan.value:
                self._lower(o)
        if learns:
            for o in plan.backward:
                self._lower(o)
            self._keep_rows()
        self._region(REUSE if name == "predict" else BLOCKS, first, products * (2 if learns else 1))
        if name != "predict":
            first = len(self.records)
            assert plan.terms is not None
            if learns:
                self._weights()
            self._record(op(reduction.make_sum_losses, self.dtype), 1, self._at(plan.terms), self.block_bytes, cost=64)
            self._region(TILES, first, products if learns else 1.0)
            if name == "train":
                self._update_after_norm()
        return Program(np.array(self.regions, np.int64), np.array(self.records, np.int64), self.blocks, self.keep)

    def _pack_samples(self, learns: bool) -> None:
        x = self.plan.inputs
        table = copy = row = 0
        if learns and any(o.operands["A"] is x for o in self.plan.gradients):
            row = up(x.rows, VECTOR_BYTES // self.size)
            table, copy = self._buffer(self.blocks * BLOCK, np.int64), self._buffer(self.blocks * BLOCK * row)
            self.tables[x.index] = table
        self._record(op(data.make_pack_samples, self.dtype, self.x_type), 0, self._at(x), self.block_bytes, x.rows,
                     table, copy, row)  # fmt: skip

    def _keep_rows(self) -> None:
        """Copy the activations that weight gradients read, sample by sample."""
        width = VECTOR_BYTES // self.size
        for o in self.plan.gradients:
            a = o.operands["A"]
            assert isinstance(a, Tensor)
            if a.index in self.tables:
                continue
            row = up(a.rows, width)
            samples = self.blocks * BLOCK
            at = self._buffer(samples * row)
            table = at + np.arange(samples, dtype=np.int64) * row * self.size
            self.keep.append(table)
            self.tables[a.index] = int(table.ctypes.data)
            self._record(op(dense.make_keep_rows, self.dtype), 0, self._at(a), self.block_bytes, row, at, row)

    def _finish(self) -> Any:
        """Return the maker of the weight gradients' op, and its arguments: stored, or used at once."""
        penalty_ = any(p.l1 or p.l2 for p in self.plan.parameters)
        if self.name == "gradients":
            return make_gradients, (self.dtype, penalty_, False)
        assert self.optimizer is not None
        clip = self.optimizer.clipvalue is not None
        if self._needs_norm():
            return make_gradients, (self.dtype, penalty_, clip)
        rule = self.optimizer.rule
        return make_updates, (
            self.dtype,
            rule.update,
            len(rule.slots),
            len(rule.scalar_names),
            penalty_,
            clip,
        )

    def _needs_norm(self) -> bool:
        assert self.optimizer is not None
        return self.optimizer.clipnorm is not None or self.optimizer.global_clipnorm is not None

    def _gradient_vector(self) -> int:
        if self.name == "gradients":
            assert self.state.gradients is not None
            return int(self.state.gradients.ctypes.data)
        if not hasattr(self, "_gradients"):
            self._gradients = self._buffer(self.plan.size)
        return self._gradients

    def _slots(self) -> int:
        return int(self.state.slots.ctypes.data) if self.name == "train" and self.state.slots is not None else 0

    def _weights(self) -> None:
        make, arguments = self._finish()
        clip = 0.0 if self.optimizer is None else self.optimizer.clipvalue or 0.0
        for o in self.plan.gradients:
            dz, a, w, b = (o.operands[name] for name in ("dZ", "A", "W", "b"))
            assert isinstance(dz, Tensor) and isinstance(a, Tensor) and isinstance(w, Parameter)
            units, features = w.shape
            panel = TILE_VECTORS * VECTOR_BYTES // self.size
            panels = -(-features // panel)
            group = dense.units_per_item(units, panels)
            items = panels * -(-units // group)
            finishes: list[int] = []
            for p in (w, b if isinstance(b, Parameter) else w):
                finishes += [self._gradient_vector() if make is make_gradients else 0, self.parameters, self._slots(),
                             self.plan.size, bits_of(p.l1 + 0.0), bits_of(p.l2 + 0.0), bits_of(clip)]  # fmt: skip
            self._record(op(make, *arguments), items, self._at(dz), self.block_bytes, self.tables[a.index], units,
                         features, w.offset, b.offset if isinstance(b, Parameter) else -1, group, *finishes,
                         cost=min(units, group) * min(features, panel))  # fmt: skip

    def _update_after_norm(self) -> None:
        assert self.optimizer is not None
        if not self._needs_norm():
            return
        whole = self.optimizer.global_clipnorm is not None
        parts = [(0, self.plan.size)] if whole else [(p.offset, p.size) for p in self.plan.parameters]
        table = np.array(parts, np.int64)
        self.keep.append(table)
        first = len(self.records)
        norm = self.optimizer.global_clipnorm if whole else self.optimizer.clipnorm
        assert norm is not None
        self._record(op(update.make_clip_by_norm, self.dtype), len(parts), table.ctypes.data, self._gradient_vector(),
                     bits_of(norm))  # fmt: skip
        self._region(TILES, first, 0.0)
        first = len(self.records)
        rule = self.optimizer.rule
        address = op(update.make_vector_update, self.dtype, rule.update, len(rule.slots), len(rule.scalar_names))
        items = -(-self.plan.size // update.CHUNK)
        self._record(address, items, self.plan.size, self._gradient_vector(), self.parameters,
                     self._slots(), self.plan.size)  # fmt: skip
        self._region(TILES, first, 0.0)

    def _penalties(self) -> None:
        table = [
            (p.offset, p.size, bits_of(p.l1 + 0.0), bits_of(p.l2 + 0.0)) for p in self.plan.parameters if p.l1 or p.l2
        ]
        if table:
            rows = np.array(table, np.int64)
            self.keep.append(rows)
            self._record(op(update.make_penalty_sum, self.dtype), 1, len(table), rows.ctypes.data, self.parameters)
            self._region(TILES, len(self.records) - 1, 0.0)

    def _lower(self, o: Op) -> None:
        """Append the record of a per-sample op."""
        recipe = LOWER[o.kind](o)
        at = [0 if o.operands[n] is None else self._at(o.operands[n]) for n in recipe.addresses]
        if "b" in recipe.addresses and o.operands["b"] is None:
            at[recipe.addresses.index("b")] = self._buffer(shape_of(o, "W")[0])  # a bias of zeros
        after = [self._at(o.operands[n]) for n in recipe.after]
        self._record(op(recipe.make, self.dtype, *recipe.static), 0, *at, self.block_bytes, *recipe.constants, *after)
