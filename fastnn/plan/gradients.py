"""How each forward op sends gradients back: one rule per kind of op.

A rule receives the builder and the op. ``builder.delta(x)`` is the gradient by a tensor, which the rule may overwrite,
or None if the loss does not depend on it; ``builder.give(x, dx)`` hands a part of a gradient on, for inputs that
``builder.learns``. Per-sample ops go to ``builder.emit_backward`` in order, sums over samples to
``builder.emit_gradient``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastnn.plan import (
    gradients_convolution,
    gradients_embedding,
    gradients_masks,
    gradients_noise,
    gradients_normalization,
    gradients_pooling,
    gradients_prelu,
    gradients_rearrange,
    gradients_recurrent,
)
from fastnn.plan.plan import Op, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder

Rule = Callable[["PlanBuilder", Op], None]


def tensor(op: Op, name: str) -> Tensor:
    """Return an operand that is a tensor."""
    found = op.operands[name]
    assert isinstance(found, Tensor)
    return found


def dense(builder: PlanBuilder, op: Op) -> None:
    """Emit the weights' gradient, and the input's where it depends on weights."""
    x, dz = tensor(op, "A"), builder.delta(tensor(op, "Z"))
    if dz is None:
        return
    weights, bias = op.operands["W"], op.operands["b"]
    builder.emit_gradient("dense_backward_weights", dict(op.static), dZ=dz, A=x, W=weights, b=bias)
    if builder.learns(x):
        dx = builder.new_delta(x)
        builder.emit_backward("dense_backward_input", dict(op.static), ("dA",), W=weights, dZ=dz, dA=dx)
        builder.give(x, dx)


def activation(builder: PlanBuilder, op: Op) -> None:
    """Multiply the gradient by the activation's derivative, in place."""
    z, a = tensor(op, "Z"), tensor(op, "A")
    da = builder.delta(a)
    if da is None or not builder.learns(z):
        return
    builder.emit_backward("activation_backward", dict(op.static), ("dZ",), Z=z, A=a, dA=da, dZ=da)
    builder.give(z, da)


def add(builder: PlanBuilder, op: Op) -> None:
    """Hand the gradient on to both terms; the second gets a copy, since each may be overwritten."""
    dz = builder.delta(tensor(op, "Z"))
    terms = [x for x in (tensor(op, "A"), tensor(op, "B")) if builder.learns(x)]
    if dz is None or not terms:
        return
    if len(terms) == 2:
        copy = builder.new_delta(terms[1])
        builder.emit_backward("copy", None, ("B",), A=dz, B=copy)
        builder.give(terms[1], copy)
    builder.give(terms[0], dz)


def activity_penalty(builder: PlanBuilder, op: Op) -> None:
    """Add the penalty's gradient to the gradient of the activity, in place."""
    a = tensor(op, "A")
    da = builder.delta(a)
    if da is not None and builder.learns(a):
        ends = {"weight": builder.weights, "dA": da}
        builder.emit_backward("activity_penalty_gradient", dict(op.static), ("dA",), A=a, **ends)


def nothing(builder: PlanBuilder, op: Op) -> None:
    """Send nothing back: what a step hands to the next is taken as given there."""


GRADIENT_RULES: dict[str, Rule] = {
    "carry_in": nothing,
    "carry_out": nothing,
    "dense_forward": dense,
    "activation_forward": activation,
    "add": add,
    "activity_penalty": activity_penalty,
    **gradients_convolution.RULES,
    **gradients_embedding.RULES,
    **gradients_masks.RULES,
    **gradients_noise.RULES,
    **gradients_normalization.RULES,
    **gradients_pooling.RULES,
    **gradients_prelu.RULES,
    **gradients_rearrange.RULES,
    **gradients_recurrent.RULES,
}
