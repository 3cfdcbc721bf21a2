"""How the ops of dropout and noise send gradients back; see ``gradients.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.plan.plan import Op, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder


def dropout(builder: PlanBuilder, op: Op) -> None:
    """Multiply the gradient by the mask of the way forward, in place."""
    x, z = op.operands["A"], op.operands["Z"]
    assert isinstance(x, Tensor) and isinstance(z, Tensor)
    dz = builder.delta(z)
    if dz is not None and builder.learns(x):
        static = {"positions": op.static["positions"]}
        builder.emit_backward("dropout_backward", static, ("dA",), M=op.operands["M"], dZ=dz, dA=dz)
        builder.give(x, dz)


def gaussian_noise(builder: PlanBuilder, op: Op) -> None:
    """Hand the gradient on: noise that is added does not depend on the input."""
    x, z = op.operands["A"], op.operands["Z"]
    assert isinstance(x, Tensor) and isinstance(z, Tensor)
    dz = builder.delta(z)
    if dz is not None and builder.learns(x):
        builder.give(x, dz)


RULES = {"dropout_forward": dropout, "gaussian_noise_forward": gaussian_noise}
