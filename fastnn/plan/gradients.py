"""How each forward op sends gradients back: one rule per kind of op.

A rule receives the builder, the op, the gradients known so far by tensor index, and the sample weights; it
appends to ``builder.backward`` (per sample, in order) and ``builder.gradients`` (sums over samples).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastnn.plan.plan import Op, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder

Deltas = dict[int, Tensor]
Rule = Callable[["PlanBuilder", Op, Deltas, Tensor], None]


def _tensor(op: Op, name: str) -> Tensor:
    tensor = op.operands[name]
    assert isinstance(tensor, Tensor)
    return tensor


def dense(builder: PlanBuilder, op: Op, deltas: Deltas, weights: Tensor) -> None:
    """Emit the weights' gradient, and the input's unless the input is the data."""
    x, dz = _tensor(op, "A"), deltas[_tensor(op, "Z").index]
    builder.gradients.append(
        Op("dense_backward_weights", {"dZ": dz, "A": x, "W": op.operands["W"], "b": op.operands["b"]})
    )
    if x is not builder.inputs:
        dx = builder.tensor(x.rows, "d" + x.name)
        builder.backward.append(Op("dense_backward_input", {"W": op.operands["W"], "dZ": dz, "dA": dx}))
        deltas[x.index] = dx


def activation(builder: PlanBuilder, op: Op, deltas: Deltas, weights: Tensor) -> None:
    """Multiply the gradient by the activation's derivative, in place."""
    z, a = _tensor(op, "Z"), _tensor(op, "A")
    da = deltas[a.index]
    builder.backward.append(Op("activation_backward", {"Z": z, "A": a, "dA": da, "dZ": da}, op.static))
    deltas[z.index] = da


def activity_penalty(builder: PlanBuilder, op: Op, deltas: Deltas, weights: Tensor) -> None:
    """Add the penalty's gradient to the gradient of the activity, in place."""
    a = _tensor(op, "A")
    da = deltas[a.index]
    builder.backward.append(Op("activity_penalty_gradient", {"A": a, "weight": weights, "dA": da}, op.static))


GRADIENT_RULES: dict[str, Rule] = {
    "dense_forward": dense,
    "activation_forward": activation,
    "activity_penalty": activity_penalty,
}
