"""Recurrent layers as ONNX nodes.

RNN, LSTM and GRU where these operators say what the layer does: float32, activations of ONNX's defaults or relu, every
step read. Otherwise Scan, whose body is one step written out: with masks (ONNX knows lengths alone, and a mask may skip
any step), other activations, float64 (onnxruntime's three operators compute in float32 only), and states that are
carried from batch to batch, which become inputs and outputs of the graph, since an ONNX graph remembers nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.exchange.onnx_formulas import emit_activation, registered
from fastnn.exchange.onnx_graph import STEPS_OUTSIDE, OnnxGraph
from fastnn.plan.plan import Op

Array = np.ndarray[Any, Any]

OPERATORS = {"simple_rnn_forward": "RNN", "lstm_forward": "LSTM", "gru_forward": "GRU"}
GATES = {"RNN": (0,), "LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2)}
"""Our gates in ONNX's order: the LSTM's are i, o, f, c there."""
ACTIVATIONS = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}


def folds(graph: OnnxGraph, op: Op) -> bool:
    """Whether one operator of ONNX says a recurrent op and the product of its inputs."""
    functions = [op.static[name] for name in ("r", "f") if name in op.static]
    known = all(a.name in ACTIVATIONS and registered(a) for a in functions)
    return graph.dtype == np.float32 and known and op.operands["K"] is None and op.operands["I"] is None


def recurrent(graph: OnnxGraph, op: Op) -> None:
    """Append a recurrent layer's walk through the steps."""
    z: Any = op.operands["Z"]
    if z.index in graph.folded:
        _operator(graph, op, graph.folded[z.index])
    else:
        _scan(graph, op)


def _operator(graph: OnnxGraph, op: Op, dense: Op) -> None:
    kind, visits, y = OPERATORS[op.kind], op.static["visits"], op.operands["Y"]
    backwards = visits[0][0] > visits[-1][0]
    U = graph.array(op.operands["W"])
    units = U.shape[1]

    def in_order(array: Array) -> Array:
        gates = array.reshape(len(GATES[kind]), units, -1)[list(GATES[kind])]
        return gates.reshape(1, *array.shape)

    def bias(parameter: Any) -> Array:
        zeros = np.zeros(len(U), U.dtype)
        return in_order(zeros if parameter is None else graph.array(parameter))

    W = dense.operands["W"]
    inputs = [
        graph.take(dense.operands["A"], STEPS_OUTSIDE),
        graph.constant(in_order(graph.array(W)), W.name),  # type: ignore[union-attr]
        graph.constant(in_order(U), op.operands["W"].name),  # type: ignore[union-attr]
    ]
    biases = (dense.operands["b"], op.operands.get("b"))
    if any(b is not None for b in biases):
        inputs.append(graph.constant(np.concatenate([bias(b) for b in biases], axis=1), "B"))
    r, f = (ACTIVATIONS[op.static[name].name] if name in op.static else "" for name in ("r", "f"))
    settings: dict[str, Any] = {"hidden_size": units, "direction": "reverse" if backwards else "forward"}
    settings["activations"] = {"RNN": [f], "GRU": [r, f], "LSTM": [r, f, f]}[kind]
    if kind == "GRU":
        settings["linear_before_reset"] = 1
    steps, *states = graph.add(kind, *inputs, outputs=3 if kind == "LSTM" else 2, **settings)
    graph.last_states += [(state, units) for state in states]
    if len(y.shape) == 1:  # type: ignore[union-attr]
        graph.put(y, graph.add("Squeeze", states[0], graph.whole(0)))
        return
    name = graph.add("Squeeze", steps, graph.whole(1))
    if any(t != out for t, out in visits):  # in the order of time; ONNX gives the sequence's
        name = graph.add("Slice", name, graph.whole(-1), graph.whole(-(2**62)), graph.whole(0), graph.whole(-1))
    graph.put(y, name, STEPS_OUTSIDE)


def _scan(graph: OnnxGraph, op: Op) -> None:
    visits, y, mask, carried = op.static["visits"], op.operands["Y"], op.operands["K"], op.operands["I"]
    backwards = visits[0][0] > visits[-1][0]
    U = graph.array(op.operands["W"])
    units, count = U.shape[1], 2 if op.kind == "lstm_forward" else 1
    states = _first_states(graph, carried, units, count)
    helper, name = graph.helper, graph.name
    before = [name(f"{graph.scope}/state") for _ in range(count)]
    z, k, out = (name(f"{graph.scope}/{part}") for part in ("z", "k", "out"))
    with graph.body() as nodes:
        after = STEPS[op.kind](graph, op, z, before, graph.constant(U.T, op.operands["W"].name))  # type: ignore[union-attr]
        if mask is not None:
            read = graph.add("Unsqueeze", k, graph.whole(1))
            after = [graph.add("Where", read, new, old) for new, old in zip(after, before, strict=True)]
        else:
            after = [graph.add("Identity", new) for new in after]
        nodes.append(helper.make_node("Identity", [after[0]], [out]))
        number, truth = graph.element, graph.onnx.TensorProto.BOOL

        def info(value: str, element: int = number) -> Any:
            return helper.make_tensor_value_info(value, element, None)

        given = [info(value) for value in (*before, z)] + ([info(k, truth)] if mask is not None else [])
        body = helper.make_graph(nodes, name("step"), given, [info(value) for value in (*after, out)])
    scanned = [graph.take(op.operands["Z"], STEPS_OUTSIDE)] + ([graph.take(mask, (1, 0))] if mask is not None else [])
    # each output goes behind the ones before it, or in front of them where that is the sequence's order
    ahead = int(backwards and all(t == out for t, out in visits))
    found = graph.add(
        "Scan", *states, *scanned, outputs=count + 1, body=body, num_scan_inputs=len(scanned),
        scan_input_directions=[int(backwards)] * len(scanned), scan_output_directions=[ahead],
    )  # fmt: skip
    graph.last_states += [(state, units) for state in found[:count]]
    if len(y.shape) == 2:  # type: ignore[union-attr]
        graph.put(y, found[-1], STEPS_OUTSIDE)
    else:
        graph.put(y, found[0])
    if carried is not None:
        graph.put(carried, found[0] if count == 1 else graph.add("Concat", *found[:count], axis=1))


def _first_states(graph: OnnxGraph, carried: Any, units: int, count: int) -> list[str]:
    if carried is None:
        shape = graph.add("Concat", graph.batch_size(), graph.whole(units), axis=0)
        zero = graph.onnx.numpy_helper.from_array(np.zeros(1, graph.dtype))
        return [graph.add("ConstantOfShape", shape, value=zero)] * count
    held = graph.take(carried)
    return [held] if count == 1 else _split(graph, held, units, count)


def _split(graph: OnnxGraph, value: str, units: int, parts: int) -> list[str]:
    return list(graph.add("Split", value, graph.whole(*[units] * parts), outputs=parts, axis=1))


def _simple_rnn(graph: OnnxGraph, op: Op, z: str, states: Sequence[str], U: str) -> list[str]:
    total = graph.add("Add", z, graph.add("MatMul", states[0], U))
    return [emit_activation(graph, op.static["f"], total, 1)]


def _lstm(graph: OnnxGraph, op: Op, z: str, states: Sequence[str], U: str) -> list[str]:
    f, r = op.static["f"], op.static["r"]
    units = graph.array(op.operands["W"]).shape[1]
    gates = _split(graph, graph.add("Add", z, graph.add("MatMul", states[0], U)), units, 4)
    i, forget, c, o = (emit_activation(graph, a, gate, 1) for a, gate in zip((r, r, f, r), gates, strict=True))
    cell = graph.add("Add", graph.add("Mul", forget, states[1]), graph.add("Mul", i, c))
    return [graph.add("Mul", o, emit_activation(graph, f, cell, 1)), cell]


def _gru(graph: OnnxGraph, op: Op, z: str, states: Sequence[str], U: str) -> list[str]:
    f, r, b = op.static["f"], op.static["r"], op.operands["b"]
    units = graph.array(op.operands["W"]).shape[1]
    sums = graph.add("MatMul", states[0], U)
    if b is not None:
        sums = graph.add("Add", sums, graph.constant(graph.array(b), b.name))  # type: ignore[union-attr]
    mine, theirs = _split(graph, z, units, 3), _split(graph, sums, units, 3)
    update, reset = (emit_activation(graph, r, graph.add("Add", mine[n], theirs[n]), 1) for n in (0, 1))
    candidate = emit_activation(graph, f, graph.add("Add", mine[2], graph.add("Mul", reset, theirs[2])), 1)
    rest = graph.add("Mul", graph.add("Sub", graph.constant(1.0), update), candidate)
    return [graph.add("Add", graph.add("Mul", update, states[0]), rest)]


STEPS = {"simple_rnn_forward": _simple_rnn, "lstm_forward": _lstm, "gru_forward": _gru}
"""What one step computes: the new states."""


def sequence_mask(graph: OnnxGraph, op: Op) -> None:
    """Append which steps are read, true or false, and the sequence with zeros in the others."""
    x: Any = op.operands["A"]
    name = graph.take(x)
    if x.index == graph.whole_input:
        value = graph.constant(int(op.static["value"]), dtype=np.int64)
        graph.put(op.operands["K"], graph.add("Not", graph.add("Equal", name, value)))
        return
    found = graph.add("Not", graph.add("Equal", name, graph.constant(op.static["value"])))
    number = graph.onnx.TensorProto.FLOAT
    most = graph.add("ReduceMax", graph.add("Cast", found, to=number), axes=[2], keepdims=1)
    read = graph.add("Cast", most, to=graph.onnx.TensorProto.BOOL)
    graph.put(op.operands["K"], graph.add("Squeeze", read, graph.whole(2)))
    graph.put(op.operands["Z"], graph.add("Where", read, name, graph.constant(0.0)))


def carry_in(graph: OnnxGraph, op: Op) -> None:
    """Make what the batch before left an input of the graph."""
    x: Any = op.operands["A"]
    name = graph.name(f"state{len(graph.inputs)}")
    info = graph.helper.make_tensor_value_info(name, graph.element, ["batch", x.rows])
    graph.inputs.append(info)
    graph.put(x, name)


def carry_out(graph: OnnxGraph, op: Op) -> None:
    """Make what the next batch starts from an output of the graph."""
    x: Any = op.operands["A"]
    name = graph.name(f"next_state{len(graph.outputs) + 1}")
    graph.nodes.append(graph.helper.make_node("Identity", [graph.take(x)], [name]))
    graph.outputs.append(graph.helper.make_tensor_value_info(name, graph.element, ["batch", x.rows]))
