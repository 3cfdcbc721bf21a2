"""A model as an ONNX file, for onnxruntime, browsers, phones and whatever else reads the format.

The plan that predicts is walked op by op (``onnx_ops.py``), so layers inside layers need nothing of their own. Inputs
and outputs are shaped as for ``predict``, channels last, with any number of samples. Layers that only act in training
(dropout, noise, penalties) leave nothing in the file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.exchange.onnx_graph import OnnxGraph
from fastnn.exchange.onnx_ops import OPS
from fastnn.exchange.onnx_recurrent import OPERATORS, folds
from fastnn.files.durable import write_durably
from fastnn.plan import PlanBuilder
from fastnn.plan.plan import Op

if TYPE_CHECKING:
    from fastnn.models import Sequential

OPSET = 17
"""The version of ONNX's operators that files state; the first with LayerNormalization."""

IR_VERSION = 8
"""The version of the file format that came with it."""

LARGEST = 2**31 - 1
"""Bytes that a file may have: protobuf reads no more."""


def to_onnx(model: Sequential, *, dtype: Any = None) -> Any:
    """Return a model as an ``onnx.ModelProto`` that ONNX's checker accepts.

    Parameters
    ----------
    model : Sequential
        Built.
    dtype : "float32" or "float64", optional
        What the file computes in; the model's by default. onnxruntime has no float64 kernels for convolutions,
        average pooling and erf (gelu).

    Returns
    -------
    onnx.ModelProto
        Input ``input`` (batch, ...), whole numbers (int64) if the first layer is an ``Embedding``; output ``output``
        (batch, ...). Each stateful layer adds an input ``state1`` and an output ``next_state1``: zeros at first, then
        what the batch before put out. ``return_state`` of the last layer adds outputs ``last_state1``, ...

    Raises
    ------
    NotBuiltError
        If the model has no weights.
    MissingPackageError
        If the package onnx is not installed.
    InvalidValueError
        If a layer has an activation that ONNX cannot say, or the file would be larger than 2 GB.
    """
    from fastnn import __version__

    plan = model._built_plan()
    wanted = np.dtype(model.dtype if dtype is None else dtype)
    if wanted not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise InvalidValueError(f"dtype must be float32 or float64, got {dtype!r}")
    graph = OnnxGraph(wanted, {**model.weights, **model.statistics})
    builder = PlanBuilder(plan.inputs.shape)
    x, ops = builder.inputs, []
    for number, layer in enumerate(model.layers):
        builder.layer = number
        start = len(builder.forward)
        x = layer.build(builder, x)
        label = f"layer {number + 1} ({type(layer).__name__})"
        ops += [(label, op) for op in builder.forward[start:] if op.kind != "activity_penalty"]
    helper = graph.helper
    whole = any(op.kind == "embedding_forward" and _reads(op, "A", builder.inputs.index) for _, op in ops)
    element = graph.onnx.TensorProto.INT64 if whole else graph.element
    graph.batch = graph.name("input")
    graph.inputs.append(helper.make_tensor_value_info("input", element, ["batch", *builder.inputs.shape]))
    graph.put(builder.inputs, "input")
    graph.name("output")
    graph.whole_input = builder.inputs.index if whole else None
    _fold(graph, [op for _, op in ops])
    for label, op in ops:
        if label != graph.scope:
            graph.scope, graph.last_states = label, []
        if op.kind not in OPS:
            raise InvalidValueError(f"{label}: ONNX export knows no op {op.kind!r}; it knows {', '.join(sorted(OPS))}")
        OPS[op.kind](graph, op)
    if model.layers[-1].returns_state:
        _put_states_out(graph)
    graph.finish(graph.take(x), "output")
    graph.outputs.insert(0, helper.make_tensor_value_info("output", graph.element, ["batch", *x.shape]))
    made = helper.make_graph(graph.nodes, model.name, graph.inputs, graph.outputs, graph.initializers)
    proto = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="fastnn",
        producer_version=__version__,
        doc_string=" -> ".join(type(layer).__name__ for layer in model.layers),
    )
    helper.set_model_props(proto, {"fastnn.dtype": str(wanted), "fastnn.layers": str(len(model.layers))})
    if proto.ByteSize() > LARGEST:
        raise InvalidValueError(f"an ONNX file holds at most {LARGEST} bytes, this model takes {proto.ByteSize()}")
    graph.onnx.checker.check_model(proto, full_check=True)
    return proto


def _put_states_out(graph: OnnxGraph) -> None:
    """Make the states that the last layer ended in outputs: those of a single operator lie as (1, N, units)."""
    for number, (name, units) in enumerate(graph.last_states):
        wish = f"last_state{number + 1}"
        graph.nodes.append(graph.helper.make_node("Reshape", [name, graph.whole(-1, units)], [wish]))
        graph.outputs.append(graph.helper.make_tensor_value_info(wish, graph.element, ["batch", units]))


def _reads(op: Op, name: str, index: int) -> bool:
    found: Any = op.operands[name]
    return bool(found.index == index)


def _fold(graph: OnnxGraph, ops: list[Op]) -> None:
    """Note which dense ops a recurrent operator computes itself."""
    products: dict[int, Op] = {}
    for op in ops:
        z: Any = op.operands.get("Z")
        if op.kind == "dense_forward":
            products[z.index] = op
        elif op.kind in OPERATORS and folds(graph, op):
            graph.folded[z.index] = products[z.index]


def export_onnx(model: Sequential, path: str | os.PathLike[str], *, dtype: Any = None) -> None:
    """Write a model as an ONNX file, durably, whole or not at all; see ``to_onnx``.

    Parameters
    ----------
    model : Sequential
    path : str or path
    dtype : "float32" or "float64", optional

    Raises
    ------
    NotBuiltError, MissingPackageError, InvalidValueError
        As of ``to_onnx``; nothing is written.
    FileWriteError
        If the system refuses to write; a file that was there stays as it was.
    """
    write_durably(path, [to_onnx(model, dtype=dtype).SerializeToString()])
