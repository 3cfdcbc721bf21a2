"""NumPy's elementwise functions as operations of an expression graph, by the name of the ufunc.

Where NumPy's own definition leaves bits open, this table fixes them: ``maximum`` and ``minimum`` of +0 and
-0 return the first argument, and NaN in either gives NaN; ``sign`` of -0 is -0. Ufuncs of other libraries
join by name: SciPy's ``expit``, ``erf``, ``log_expit`` and ``xlogy`` become fastnn's formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastnn.tracing.derivative import sign
from fastnn.tracing.graph import COMPARISONS, FORMULAS, Graph, Node


def _extreme(comparison: str, graph: Graph, a: Node, b: Node) -> Node:
    """Return the larger (or smaller) one: ``a`` if it wins, ties or is NaN, else ``b``."""
    first = graph.compare(comparison, a, b)
    return graph.where(graph.either(first, graph.compare("!=", a, a)), a, b)


maximum = partial(_extreme, ">=")
minimum = partial(_extreme, "<=")


def _number_over_nan(comparison: str, graph: Graph, a: Node, b: Node) -> Node:
    first = graph.compare(comparison, a, b)
    return graph.where(graph.either(first, graph.compare("!=", b, b)), a, b)


def clip(graph: Graph, x: Node, low: Node | None = None, high: Node | None = None) -> Node:
    """Return ``minimum(maximum(x, low), high)``, without the bounds that are None."""
    x = x if low is None else maximum(graph, x, low)
    return x if high is None else minimum(graph, x, high)


def _heaviside(graph: Graph, x: Node, at_zero: Node) -> Node:
    zero = graph.constant(0.0)
    positive = graph.compare(">", x, zero)
    step = graph.where(positive, graph.constant(1.0), graph.where(graph.compare("<", x, zero), zero, x))
    return graph.where(graph.compare("==", x, zero), at_zero, graph.given(step))


def _logaddexp(graph: Graph, a: Node, b: Node) -> Node:
    """Return log(exp(a) + exp(b)): softplus where one is 0, else the larger plus a correction."""
    for one, other in ((a, b), (b, a)):
        if one.is_constant(0.0):
            return graph.call("softplus", other)
    gap = graph.subtract(a, b)
    correction = graph.call("softplus", graph.negative(graph.absolute(gap)))
    # equal arguments may be infinite, whose gap would be NaN
    equal = graph.add(a, graph.constant(0.6931471805599453))
    value = graph.where(graph.compare("==", a, b), equal, graph.add(maximum(graph, a, b), correction))
    share = graph.call("sigmoid", gap), graph.call("sigmoid", graph.negative(gap))
    return graph.given(value, (a, share[0]), (b, share[1]))


def _xlogy(graph: Graph, x: Node, y: Node) -> Node:
    zero = graph.constant(0.0)
    return graph.where(graph.compare("==", x, zero), zero, graph.multiply(x, graph.call("log", y)))


def _formula(name: str) -> Callable[..., Node]:
    return lambda graph, *arguments: graph.call(name, *arguments)


UFUNCS: dict[str, Callable[..., Node]] = {
    "add": Graph.add,
    "subtract": Graph.subtract,
    "multiply": Graph.multiply,
    "divide": Graph.divide,
    "negative": Graph.negative,
    "positive": lambda graph, a: a,
    "reciprocal": lambda graph, a: graph.divide(graph.constant(1.0), a),
    "square": lambda graph, a: graph.multiply(a, a),
    "power": Graph.power,
    "float_power": Graph.power,
    "sqrt": _formula("sqrt"),
    "absolute": Graph.absolute,
    "fabs": Graph.absolute,
    "sign": lambda graph, a: sign(graph, graph.number(a)),
    "maximum": maximum,
    "minimum": minimum,
    "fmax": partial(_number_over_nan, ">="),
    "fmin": partial(_number_over_nan, "<="),
    "clip": clip,
    "heaviside": _heaviside,
    "logaddexp": _logaddexp,
    "logical_and": Graph.both,
    "logical_or": Graph.either,
    "logical_not": Graph.invert,
    "bitwise_and": Graph.both,
    "bitwise_or": Graph.either,
    "invert": Graph.invert,
    "isnan": lambda graph, a: graph.compare("!=", a, a),
    "isfinite": lambda graph, a: graph.compare("<", graph.absolute(a), graph.constant(float("inf"))),
    "isinf": lambda graph, a: graph.compare("==", graph.absolute(a), graph.constant(float("inf"))),
    "expit": _formula("sigmoid"),
    "log_expit": _formula("log_sigmoid"),
    "xlogy": _xlogy,
}
UFUNCS |= {name: _formula(name) for name in FORMULAS if name != "pow"}
UFUNCS |= {
    name: partial(lambda symbol, graph, a, b: graph.compare(symbol, a, b), symbol)
    for name, symbol in zip(("less", "less_equal", "greater", "greater_equal", "equal", "not_equal"), COMPARISONS)
}
