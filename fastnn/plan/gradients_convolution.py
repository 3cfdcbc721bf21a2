"""How convolutions send gradients back: see ``gradients.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastnn.plan.plan import Op, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder


def _rule(kind: str) -> Callable[[PlanBuilder, Op], None]:
    def rule(builder: PlanBuilder, op: Op) -> None:
        """Emit the weights' gradient, and the input's where it depends on weights."""
        x, z = op.operands["A"], op.operands["Z"]
        assert isinstance(x, Tensor) and isinstance(z, Tensor)
        dz = builder.delta(z)
        if dz is None:
            return
        weights, bias = op.operands["W"], op.operands["b"]
        builder.emit_gradient(f"{kind}_backward_weights", dict(op.static), dZ=dz, A=x, W=weights, b=bias)
        if builder.learns(x):
            dx = builder.new_delta(x)
            builder.emit_backward(f"{kind}_backward_input", dict(op.static), ("dA",), W=weights, dZ=dz, dA=dx)
            builder.give(x, dx)

    return rule


RULES = {f"{kind}_forward": _rule(kind) for kind in ("convolution", "transposed_convolution")}
