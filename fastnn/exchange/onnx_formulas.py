"""Activations as ONNX nodes: its own operator where there is one that is exact, else operation by operation.

An elementwise activation, a user's too, is a formula; it is traced into a graph of elementary operations (see
``fastnn.tracing``), and each of them is a node. In float64 operators whose settings ONNX stores in float32, and those
for which onnxruntime has no float64 kernel, are written out as formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.activations.selu import ALPHA, SCALE
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.exchange.onnx_graph import OnnxGraph
from fastnn.tracing.graph import Graph, Node, ancestors
from fastnn.tracing.tracer import Tracer

OPERATORS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exponential": "Exp"}
"""Activations that are one operator in either dtype."""

OPERATORS_FLOAT32: dict[str, tuple[str, dict[str, float]]] = {
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
    "elu": ("Elu", {}),
    "leaky_relu": ("LeakyRelu", {}),
    "selu": ("Selu", {"alpha": ALPHA, "gamma": SCALE}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
}
"""Activations that are one operator in float32, and its settings; alpha is the activation's own."""

OVER_CHANNELS = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}

SIMPLE = {
    "+": "Add",
    "-": "Sub",
    "*": "Mul",
    "/": "Div",
    "<": "Less",
    "<=": "LessOrEqual",
    ">": "Greater",
    ">=": "GreaterOrEqual",
    "==": "Equal",
    "&": "And",
    "|": "Or",
    "~": "Not",
    "negative": "Neg",
    "abs": "Abs",
    "where": "Where",
    "sqrt": "Sqrt",
    "exp": "Exp",
    "log": "Log",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
    "erf": "Erf",
    "sin": "Sin",
    "cos": "Cos",
    "pow": "Pow",
}
"""Traced operations that are one operator."""


def registered(activation: Activation) -> bool:
    """Whether an activation is one of fastnn's own, whatever its alpha."""
    return activation.name in ACTIVATIONS and ACTIVATIONS[activation.name].forward is activation.forward


def emit_activation(graph: OnnxGraph, activation: Activation, z: str, axis: int) -> str:
    """Append the nodes of an activation and return its output.

    Parameters
    ----------
    graph : OnnxGraph
    activation : Activation
    z : str
        The value it is applied to.
    axis : int
        Where the channels are, for softmax.

    Raises
    ------
    InvalidValueError
        If the activation is code that cannot be traced.
    """
    name = activation.name
    if not activation.elementwise:
        if name not in OVER_CHANNELS:
            raise InvalidValueError(
                f"{graph.scope}: ONNX export knows {' and '.join(OVER_CHANNELS)} over channels, got activation {name!r}"
            )
        return str(graph.add(OVER_CHANNELS[name], z, axis=axis))
    if registered(activation):
        if name in OPERATORS:
            return str(graph.add(OPERATORS[name], z))
        if name in OPERATORS_FLOAT32 and graph.dtype == np.float32:
            operator, settings = OPERATORS_FLOAT32[name]
            alpha = {} if activation.alpha is None else {"alpha": activation.alpha}
            attributes: dict[str, Any] = {**settings, **alpha}
            return str(graph.add(operator, z, **attributes))
    return _emit_formula(graph, *_traced(graph, activation), z)


def _traced(graph: OnnxGraph, activation: Activation) -> tuple[Graph, Node]:
    """Return an activation's formula as a graph of elementary operations, and its result."""
    traced = Graph()
    given = [Tracer(traced, traced.argument("z"))]
    if activation.alpha is not None:
        given.append(Tracer(traced, traced.constant(activation.alpha)))
    assert activation.forward is not None
    try:
        found = activation.forward(*given)
    except (InvalidTypeError, TypeError, AttributeError) as error:
        raise InvalidValueError(
            f"{graph.scope}: activation {activation.name!r} is code that ONNX cannot say ({error}); what can be "
            "exported are fastnn's activations, and functions of + - * / ** abs, comparisons, np.where and formulas"
        ) from None
    return traced, traced.number(found.node)


def _emit_formula(graph: OnnxGraph, traced: Graph, output: Node, z: str) -> str:
    values: dict[int, str] = {}
    varies = False
    for node in ancestors([output], _inputs):
        inputs = [values[argument.index] for argument in _inputs(node)]
        varies = varies or node.operation == "argument"
        if node.operation == "argument":
            values[node.index] = z
        elif node.operation == "constant":
            values[node.index] = graph.constant(node.value)
        elif node.operation == "truth":
            values[node.index] = graph.constant(node.value, dtype=np.bool_)
        elif node.operation == "given":
            values[node.index] = inputs[0]
        elif node.operation in SIMPLE:
            values[node.index] = graph.add(SIMPLE[node.operation], *inputs)
        else:
            values[node.index] = COMPOSED[node.operation](graph, *inputs)
    found = values[output.index]
    return found if varies else str(graph.add("Expand", found, graph.add("Shape", z)))


def _inputs(node: Node) -> tuple[Node, ...]:
    """Return what a node is computed from; derivatives that were stated by hand are not."""
    return node.arguments[:1] if node.operation == "given" else node.arguments


# --- operations that are several operators --------------------------------------------------------


def differs(graph: OnnxGraph, a: str, b: str) -> str:
    """Return ``a != b``."""
    return str(graph.add("Not", graph.add("Equal", a, b)))


def expm1(graph: OnnxGraph, x: str) -> str:
    """Return ``exp(x) - 1``; near 0 as ``2 t / (1 - t)`` with ``t = tanh(x / 2)``, which cancels nothing."""
    one, two = graph.constant(1.0), graph.constant(2.0)
    t = graph.add("Tanh", graph.add("Div", x, two))
    near = graph.add("Div", graph.add("Mul", two, t), graph.add("Sub", one, t))
    far = graph.add("Sub", graph.add("Exp", x), one)
    return str(graph.add("Where", graph.add("Less", graph.add("Abs", x), one), near, far))


def log1p(graph: OnnxGraph, x: str) -> str:
    """Return ``log(1 + x)``; near 0 as ``log(u) x / (u - 1)`` with u, the rounded ``1 + x`` (Kahan)."""
    one = graph.constant(1.0)
    u = graph.add("Add", one, x)
    log, width = graph.add("Log", u), graph.add("Sub", u, one)
    tiny = graph.add("Equal", width, graph.constant(0.0))
    ratio = graph.add("Div", x, graph.add("Where", tiny, one, width))
    near = graph.add("Where", tiny, x, graph.add("Mul", log, ratio))
    return str(graph.add("Where", graph.add("Less", graph.add("Abs", x), one), near, log))


def softplus(graph: OnnxGraph, x: str) -> str:
    """Return ``log(1 + exp(x))`` as ``max(x, 0) + log1p(exp(-|x|))``."""
    tail = log1p(graph, graph.add("Exp", graph.add("Neg", graph.add("Abs", x))))
    return str(graph.add("Add", graph.add("Max", x, graph.constant(0.0)), tail))


def log_sigmoid(graph: OnnxGraph, x: str) -> str:
    """Return ``-softplus(-x)``."""
    return str(graph.add("Neg", softplus(graph, graph.add("Neg", x))))


COMPOSED: dict[str, Callable[..., Any]] = {
    "!=": differs,
    "expm1": expm1,
    "log1p": log1p,
    "softplus": softplus,
    "log_sigmoid": log_sigmoid,
}
