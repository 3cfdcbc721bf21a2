"""How batch and layer normalization send gradients back; see ``gradients.py``.

The op that normalizes has the whole gradient: through the value, the mean and the variance. The ops that measure a
minibatch hand on nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.plan.plan import Op, Parameter, Tensor

if TYPE_CHECKING:
    from fastnn.plan.builder import PlanBuilder


def position_sums(builder: PlanBuilder, x: Tensor, channels: int) -> Tensor:
    """Emit a gradient's sums over positions, and return them; what has one position is its own sum."""
    positions = x.rows // channels
    if positions == 1:
        return x
    sums = builder.tensor(channels, f"sums of {x.name}")
    builder.emit_backward("position_sums", {"positions": positions}, ("S",), A=x, S=sums)
    return sums


def batch_normalization(builder: PlanBuilder, op: Op) -> None:
    """Emit the sums over the minibatch, which are beta's and gamma's gradients, and the input's gradient, in place."""
    x, z, mean, scale = (op.operands[name] for name in ("A", "Z", "mean", "scale"))
    assert isinstance(x, Tensor) and isinstance(z, Tensor) and isinstance(mean, Tensor)
    dz = builder.delta(z)
    parameters = {"beta": op.operands["beta"], "gamma": op.operands["gamma"]}
    learned = {name: p for name, p in parameters.items() if isinstance(p, Parameter)}
    if dz is None or not (learned or builder.learns(x)):
        return
    products = builder.tensor(mean.rows, f"products of {z.name}")
    read = {"A": x, "mean": mean, "scale": scale, "dZ": dz}
    sums = {"beta": position_sums(builder, dz, mean.rows), "gamma": products}
    builder.emit_backward("batch_normalization_products", None, ("S",), **read, S=products)
    means = {}
    for name, s in sums.items():
        total, means[name] = (builder.tensor(mean.rows, f"{what} of {s.name}", True) for what in ("total", "mean"))
        static = {"positions": x.rows // mean.rows}
        builder.emit_backward("batch_sums", static, ("total", "mean"), S=s, total=total, mean=means[name])
        if name in learned:
            builder.emit_gradient("batch_sums_gradient", None, total=total, W=learned[name])
    if builder.learns(x):
        builder.emit_backward("batch_normalization_backward_input", None, ("dA",), **read, gamma=parameters["gamma"],
                              d_mean=means["beta"], p_mean=means["gamma"], dA=dz)  # fmt: skip
        builder.give(x, dz)


def batch_normalization_inference(builder: PlanBuilder, op: Op) -> None:
    """Hand nothing on: normalization by the moving statistics is for use, not for training."""
    z = op.operands["Z"]
    assert isinstance(z, Tensor) and not builder.learns(z), "only a plan for training gives this layer's gradients"


def layer_normalization(builder: PlanBuilder, op: Op) -> None:
    """Emit gamma's and beta's gradients, by samples, and the input's gradient."""
    x, z, mean, scale = (op.operands[name] for name in ("A", "Z", "mean", "scale"))
    assert isinstance(x, Tensor) and isinstance(z, Tensor) and isinstance(mean, Tensor)
    gamma, beta = op.operands["gamma"], op.operands["beta"]
    dz = builder.delta(z)
    if dz is None:
        return
    channels = x.rows // mean.rows
    read = {"A": x, "mean": mean, "scale": scale, "dZ": dz}
    if gamma is not None:
        products = builder.tensor(channels, f"products of {z.name}")
        builder.emit_backward("layer_normalization_products", None, ("S",), **read, S=products)
        builder.emit_gradient("sample_sums", None, G=products, W=gamma)
    dx = dz
    if beta is not None:
        sums = position_sums(builder, dz, channels)
        builder.emit_gradient("sample_sums", None, G=sums, W=beta)
        if sums is dz:
            dx = builder.new_delta(x)  # the sum over samples comes last, and reads dZ
    if builder.learns(x):
        builder.emit_backward("layer_normalization_backward_input", None, ("dA",), **read, gamma=gamma, dA=dx)
        builder.give(x, dx)


def nothing(builder: PlanBuilder, op: Op) -> None:
    """Hand nothing on."""


RULES = {
    "position_sums": nothing,
    "batch_sums": nothing,
    "squared_deviations": nothing,
    "batch_statistics": nothing,
    "batch_normalization_forward": batch_normalization,
    "batch_normalization_inference": batch_normalization_inference,
    "layer_normalization_forward": layer_normalization,
}
