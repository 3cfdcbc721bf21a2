"""How a rectifier with trained slopes sends gradients back; see ``gradients.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.plan.plan import Op, Parameter, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder


def prelu(builder: PlanBuilder, op: Op) -> None:
    """Emit the slopes' gradient, by samples, and the input's, in place."""
    x, z, alpha = (op.operands[name] for name in ("A", "Z", "alpha"))
    assert isinstance(x, Tensor) and isinstance(z, Tensor) and isinstance(alpha, Parameter)
    dz = builder.delta(z)
    if dz is None:
        return
    products = builder.tensor(alpha.size, f"products of {z.name}")
    builder.emit_backward("prelu_products", dict(op.static), ("S",), A=x, dZ=dz, S=products)
    builder.emit_gradient("sample_sums", None, G=products, W=alpha)
    if builder.learns(x):
        builder.emit_backward("prelu_backward_input", dict(op.static), ("dA",), A=x, alpha=alpha, dZ=dz, dA=dz)
        builder.give(x, dz)


RULES = {"prelu_forward": prelu}
