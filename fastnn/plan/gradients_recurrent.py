"""How recurrent ops send gradients back; see ``gradients.py``.

The op of the way back leaves the gradients of the pre-activations where the gates were; they are what the recurrent
weights' gradient is summed from (in the order of the sequence, also where it is read backwards), and what goes on to
the op that multiplied the inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.plan.plan import Op, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder


def _tensor(op: Op, name: str) -> Tensor:
    found = op.operands[name]
    assert isinstance(found, Tensor)
    return found


def recurrent(builder: PlanBuilder, op: Op) -> None:
    """Emit the way back through time, then the gradient of the recurrent weights."""
    z, gates, state = _tensor(op, "Z"), _tensor(op, "G"), _tensor(op, "P")
    dy = builder.delta(_tensor(op, "Y"))
    if dy is None:
        return
    units = state.shape[-1]
    work = {"dH": builder.tensor(units, f"dh of {state.name}"), "kept": builder.tensor(units, f"kept of {state.name}")}
    writes, dz = ["dZ"], gates
    static = {"positions": len(op.static["visits"])}
    bias = op.operands.get("b")
    if op.kind == "lstm_forward":
        work["dC"] = builder.tensor(units, f"dc of {state.name}")
    if op.kind == "gru_forward":
        work["dS"] = builder.tensor(gates.shape, f"d recurrent {z.name}")
        writes.append("dS")
    operands = {name: what for name, what in op.operands.items() if name not in ("Y", "b")}
    builder.emit_backward(op.kind.replace("forward", "backward"), dict(op.static), tuple(writes), **operands,
                          **work, dY=dy, dZ=dz)  # fmt: skip
    builder.emit_gradient("dense_backward_weights", static, dZ=work.get("dS", dz), A=state, W=op.operands["W"], b=bias)
    builder.give(z, dz)


def sequence_mask(builder: PlanBuilder, op: Op) -> None:
    """Stop the gradient in the steps that are passed over, in place."""
    x, dz = _tensor(op, "A"), builder.delta(_tensor(op, "Z"))
    if dz is not None and builder.learns(x):
        static = {"steps": op.static["steps"]}
        builder.emit_backward("mask_gradient", static, ("dA",), K=op.operands["K"], dZ=dz, dA=dz)
        builder.give(x, dz)


def dropout_mask(builder: PlanBuilder, op: Op) -> None:
    """Do nothing: what is drawn depends on no weight."""


def multiply(builder: PlanBuilder, op: Op) -> None:
    """Multiply the gradient by the other factor, for the second factor first."""
    a, b, dz = _tensor(op, "A"), _tensor(op, "B"), builder.delta(_tensor(op, "Z"))
    for x, other in ((b, a), (a, b)):
        if dz is not None and builder.learns(x):
            dx = builder.new_delta(x)
            builder.emit_backward("multiply", None, ("Z",), A=dz, B=other, Z=dx)
            builder.give(x, dx)


RULES = {
    "dropout_mask": dropout_mask,
    "multiply": multiply,
    "simple_rnn_forward": recurrent,
    "lstm_forward": recurrent,
    "gru_forward": recurrent,
    "sequence_mask": sequence_mask,
}
