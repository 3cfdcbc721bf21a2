"""How ops that copy rows send gradients back: one rule per kind of op, as in ``gradients.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.plan.plan import Op, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder


def inverse(table: Any, rows: int) -> Any:
    """Return, for each of ``rows`` rows that a table reads at most once, which of its rows does, or -1."""
    back = np.full(rows, -1, np.int64)
    back[table[table >= 0]] = np.flatnonzero(table >= 0)
    return back


def gather_rows(builder: PlanBuilder, op: Op) -> None:
    """Copy gradients back where each row is read at most once; else add up those of the rows that read it."""
    x, z, table = op.operands["A"], op.operands["Z"], op.static["table"]
    assert isinstance(x, Tensor) and isinstance(z, Tensor)
    dz = builder.delta(z)
    if dz is None or not builder.learns(x):
        return
    dx = builder.new_delta(x)
    read = table[table >= 0]
    if len(np.unique(read)) == len(read):
        builder.emit_backward("gather_rows", {"table": inverse(table, x.rows)}, ("Z",), A=dz, Z=dx)
    else:
        builder.emit_backward("sum_rows", {"table": table, "rows": x.rows}, ("dA",), dZ=dz, dA=dx)
    builder.give(x, dx)


def concatenate(builder: PlanBuilder, op: Op) -> None:
    """Copy each part's gradient out of the whole; the last part's first."""
    z = op.operands["Z"]
    assert isinstance(z, Tensor)
    dz = builder.delta(z)
    parts = [x for name, x in op.operands.items() if name != "Z"]
    if dz is None:
        return
    outer = op.static["outer"]
    numbers = np.arange(z.rows).reshape(outer, -1)
    first = numbers.shape[1]
    for x in reversed(parts):
        assert isinstance(x, Tensor)
        last, first = first, first - x.rows // outer
        if builder.learns(x):
            dx = builder.new_delta(x)
            builder.emit_backward("gather_rows", {"table": numbers[:, first:last].reshape(-1)}, ("Z",), A=dz, Z=dx)
            builder.give(x, dx)


RULES: dict[str, Callable[[PlanBuilder, Op], None]] = {
    "gather_rows": gather_rows,
    "concatenate": concatenate,
}
