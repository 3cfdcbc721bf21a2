"""What each op of a plan that predicts is in ONNX: one function a kind of op."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastnn.exchange.onnx_formulas import emit_activation
from fastnn.exchange.onnx_graph import OnnxGraph, by_channel
from fastnn.exchange.onnx_recurrent import carry_in, carry_out, recurrent, sequence_mask
from fastnn.exchange.onnx_rows import concatenate, gather_rows
from fastnn.exchange.onnx_windows import average_pooling, convolution, max_pooling, transposed_convolution
from fastnn.plan.plan import Op


def dense(graph: OnnxGraph, op: Op) -> None:
    """Append a Gemm, or MatMul and Add where samples have several axes."""
    x, z, W, b = (op.operands[name] for name in ("A", "Z", "W", "b"))
    if z.index in graph.folded:  # type: ignore[union-attr]
        return
    weights = graph.array(W)
    name, layout = graph.any(x, channels_last=True)
    bias = [] if b is None else [graph.constant(graph.array(b), b.name)]  # type: ignore[union-attr]
    if len(layout) == 2:
        found = graph.add("Gemm", name, graph.constant(weights, W.name), *bias, transB=1)  # type: ignore[union-attr]
    else:
        found = graph.add("MatMul", name, graph.constant(weights.T, W.name))  # type: ignore[union-attr]
        found = graph.add("Add", found, *bias) if bias else found
    graph.put(z, found, layout)


def activation(graph: OnnxGraph, op: Op) -> None:
    """Append an activation, in the layout in which its input is at hand."""
    name, layout = graph.any(op.operands["Z"])
    found = emit_activation(graph, op.static["activation"], name, layout.index(len(layout) - 1))
    graph.put(op.operands["A"], found, layout)


def _joined(kind: str) -> Callable[[OnnxGraph, Op], None]:
    def emit(graph: OnnxGraph, op: Op) -> None:
        name, layout = graph.any(op.operands["A"])
        graph.put(op.operands["Z"], graph.add(kind, name, graph.take(op.operands["B"], layout)), layout)

    return emit


def embedding(graph: OnnxGraph, op: Op) -> None:
    """Append a Gather of the table's rows."""
    table = op.operands["E"]
    name = graph.constant(graph.array(table), table.name)  # type: ignore[union-attr]
    graph.put(op.operands["Z"], graph.add("Gather", name, graph.take(op.operands["A"]), axis=0))


def batch_normalization(graph: OnnxGraph, op: Op) -> None:
    """Append ``x * k + s`` with the factors worked out: in any layout, and without ONNX's epsilon in float32."""
    name, layout = graph.any(op.operands["A"])
    gamma, beta = op.operands["gamma"], op.operands["beta"]
    mean, variance = (graph.array(op.operands[part]) for part in ("moving_mean", "moving_variance"))
    number = graph.dtype.type
    k = (number(1) if gamma is None else graph.array(gamma)) / np.sqrt(variance + number(op.static["epsilon"]))
    s = (number(0) if beta is None else graph.array(beta)) - mean * k
    scaled = graph.add("Mul", name, graph.constant(by_channel(k, layout), "scale"))
    graph.put(op.operands["Z"], graph.add("Add", scaled, graph.constant(by_channel(s, layout), "shift")), layout)


def layer_normalization(graph: OnnxGraph, op: Op) -> None:
    """Append a LayerNormalization; in float64 written out, since ONNX stores epsilon in float32."""
    name, layout = graph.any(op.operands["A"], channels_last=True)
    gamma, beta, epsilon = op.operands["gamma"], op.operands["beta"], op.static["epsilon"]
    channels: int = op.operands["A"].shape[-1]  # type: ignore[union-attr]
    factor = np.ones(channels, graph.dtype) if gamma is None else graph.array(gamma)
    scale = graph.constant(factor, "gamma")
    shift = [] if beta is None else [graph.constant(graph.array(beta), "beta")]
    if graph.dtype == np.float32:
        found = graph.add("LayerNormalization", name, scale, *shift, axis=-1, epsilon=epsilon)
    else:
        centered = graph.add("Sub", name, graph.add("ReduceMean", name, axes=[-1], keepdims=1))
        variance = graph.add("ReduceMean", graph.add("Mul", centered, centered), axes=[-1], keepdims=1)
        width = graph.add("Sqrt", graph.add("Add", variance, graph.constant(epsilon)))
        found = graph.add("Mul", graph.add("Div", centered, width), scale)
        found = graph.add("Add", found, *shift) if shift else found
    graph.put(op.operands["Z"], found, layout)


def prelu(graph: OnnxGraph, op: Op) -> None:
    """Append a PRelu whose slopes lie in the layout of what they multiply."""
    name, layout = graph.any(op.operands["A"])
    slopes = graph.array(op.operands["alpha"])[None].transpose(layout)
    found = graph.add("PRelu", name, graph.constant(slopes, op.operands["alpha"].name))  # type: ignore[union-attr]
    graph.put(op.operands["Z"], found, layout)


OPS: dict[str, Callable[[OnnxGraph, Op], None]] = {
    "activation_forward": activation,
    "add": _joined("Add"),
    "average_pooling_forward": average_pooling,
    "batch_normalization_inference": batch_normalization,
    "carry_in": carry_in,
    "carry_out": carry_out,
    "concatenate": concatenate,
    "convolution_forward": convolution,
    "dense_forward": dense,
    "embedding_forward": embedding,
    "gather_rows": gather_rows,
    "gru_forward": recurrent,
    "layer_normalization_forward": layer_normalization,
    "lstm_forward": recurrent,
    "max_pooling_forward": max_pooling,
    "multiply": _joined("Mul"),
    "prelu_forward": prelu,
    "sequence_mask": sequence_mask,
    "simple_rnn_forward": recurrent,
    "transposed_convolution_forward": transposed_convolution,
}
