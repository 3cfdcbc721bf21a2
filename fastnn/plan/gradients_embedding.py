"""How an embedding sends gradients back: to its table alone; see ``gradients.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.plan.plan import Op, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder


def embedding(builder: PlanBuilder, op: Op) -> None:
    """Emit the table's gradient; numbers of rows have none."""
    z = op.operands["Z"]
    assert isinstance(z, Tensor)
    dz = builder.delta(z)
    if dz is not None:
        builder.emit_gradient("embedding_backward_weights", None, dZ=dz, A=op.operands["A"], E=op.operands["E"])


RULES = {"embedding_forward": embedding}
