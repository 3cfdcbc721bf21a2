"""How ops on masks send gradients back: one rule per kind of op, as in ``gradients.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastnn.plan.plan import Op, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder


def masked_mean(builder: PlanBuilder, op: Op) -> None:
    """Share the gradient among the steps that count."""
    x, z = op.operands["A"], op.operands["Z"]
    assert isinstance(x, Tensor) and isinstance(z, Tensor)
    dz = builder.delta(z)
    if dz is None or not builder.learns(x):
        return
    dx = builder.new_delta(x)
    builder.emit_backward("masked_mean_backward", None, ("dA",), K=op.operands["K"], dZ=dz, dA=dx)
    builder.give(x, dx)


def nothing(builder: PlanBuilder, op: Op) -> None:
    """Send nothing back: which steps count is taken as given."""


RULES: dict[str, Callable[[PlanBuilder, Op], None]] = {
    "mask_either": nothing,
    "masked_mean_forward": masked_mean,
}
