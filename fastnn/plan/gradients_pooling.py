"""How pooling sends gradients back: one rule per kind of op, as in ``gradients.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastnn.plan.plan import Op, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder


def max_pooling(builder: PlanBuilder, op: Op) -> None:
    """Send each window's gradient to its winner, which is found again from the input and the output."""
    x, z = op.operands["A"], op.operands["Z"]
    assert isinstance(x, Tensor) and isinstance(z, Tensor)
    dz = builder.delta(z)
    if dz is None or not builder.learns(x):
        return
    dx = builder.new_delta(x)
    builder.emit_backward("max_pooling_backward", dict(op.static), ("dA",), A=x, Z=z, dZ=dz, dA=dx)
    builder.give(x, dx)


def average_pooling(builder: PlanBuilder, op: Op) -> None:
    """Share each window's gradient among its cells."""
    x, z = op.operands["A"], op.operands["Z"]
    assert isinstance(x, Tensor) and isinstance(z, Tensor)
    dz = builder.delta(z)
    if dz is None or not builder.learns(x):
        return
    dx = builder.new_delta(x)
    builder.emit_backward("average_pooling_backward", dict(op.static), ("dA",), dZ=dz, dA=dx)
    builder.give(x, dx)


RULES: dict[str, Callable[[PlanBuilder, Op], None]] = {
    "max_pooling_forward": max_pooling,
    "average_pooling_forward": average_pooling,
}
