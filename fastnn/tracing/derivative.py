"""Derivatives of an expression graph, in forward mode: each node gets the tangent of the chain rule.

There is one variable, so forward mode needs no more work than backward, and it keeps ``where`` safe: the
tangent of a branch is chosen by the same condition as the branch, so ``where(z > 0, log(z), 0)`` has
derivative 0, not NaN, at 0. Conventions at kinks: ``abs`` and ``sign`` have derivative 0 at 0; ``maximum``
and ``minimum`` give a tie to their first argument; a condition has none. A tangent of None is an exact 0
that needs no code.
"""

from __future__ import annotations

from collections.abc import Callable

from fastnn.tracing.graph import Graph, Node, ancestors

Tangents = dict[int, Node | None]

TWO_OVER_ROOT_PI = 1.1283791670955126


def differentiate(graph: Graph, output: Node, variable: Node) -> Node:
    """Return the node of d output / d variable."""
    tangents: Tangents = {}
    for node in ancestors([output], lambda node: node.arguments):
        tangents[node.index] = graph.constant(1.0) if node is variable else _tangent(graph, node, tangents)
    return tangents[output.index] or graph.constant(0.0)


def _tangent(graph: Graph, node: Node, tangents: Tangents) -> Node | None:
    inner = [tangents[argument.index] for argument in node.arguments]
    if node.operation == "where":
        inner = inner[1:]
    if node.is_condition or all(tangent is None for tangent in inner):
        return None
    if node.operation in _SPECIAL:
        return _SPECIAL[node.operation](graph, node, tangents)
    (argument,) = node.arguments
    (tangent,) = inner
    assert tangent is not None
    if node.operation == "sqrt":  # d/(2 sqrt x), also for d = 1
        return graph.divide(graph.multiply(graph.constant(0.5), tangent), node)
    return graph.multiply(tangent, _PARTIAL[node.operation](graph, argument, node))


def _sum(graph: Graph, a: Node | None, b: Node | None) -> Node | None:
    return b if a is None else a if b is None else graph.add(a, b)


def _scaled(graph: Graph, tangent: Node | None, factor: Node) -> Node | None:
    return None if tangent is None else graph.multiply(tangent, factor)


def sign(graph: Graph, x: Node) -> Node:
    """Return -1 or 1 by the sign of ``x``; zeros and NaN stay what they are."""
    zero = graph.constant(0.0)
    not_above = graph.where(graph.compare("<", x, zero), graph.constant(-1.0), x)
    return graph.given(graph.where(graph.compare(">", x, zero), graph.constant(1.0), not_above))


def _add(graph: Graph, node: Node, tangents: Tangents) -> Node | None:
    a, b = node.arguments
    return _sum(graph, tangents[a.index], tangents[b.index])


def _subtract(graph: Graph, node: Node, tangents: Tangents) -> Node | None:
    da, db = (tangents[argument.index] for argument in node.arguments)
    if db is None:
        return da
    return graph.negative(db) if da is None else graph.subtract(da, db)


def _multiply(graph: Graph, node: Node, tangents: Tangents) -> Node | None:
    a, b = node.arguments
    if a is b:
        return _scaled(graph, tangents[a.index], graph.add(a, a))
    return _sum(graph, _scaled(graph, tangents[a.index], b), _scaled(graph, tangents[b.index], a))


def _relative(graph: Graph, x: Node, tangents: Tangents) -> Node | None:
    """Return dx/x where x is 1 + exp(w): sigmoid(w) dw, finite where exp(w) overflows; else None."""
    if x.operation == "+":
        for one, other in (x.arguments, x.arguments[::-1]):
            if one.is_constant(1.0) and other.operation == "exp":
                (w,) = other.arguments
                return _scaled(graph, tangents[w.index], graph.call("sigmoid", w))
    return None


def _divide(graph: Graph, node: Node, tangents: Tangents) -> Node | None:
    a, b = node.arguments
    da, db = tangents[a.index], tangents[b.index]
    if db is None:
        assert da is not None
        return graph.divide(da, b)
    relative = _relative(graph, b, tangents)
    if relative is not None:  # the logistic written by hand: its tail is 0, not 0 * inf
        down = graph.multiply(relative, node)
        return graph.negative(down) if da is None else graph.subtract(graph.divide(da, b), down)
    down = graph.multiply(db, node)
    up = graph.negative(down) if da is None else graph.subtract(da, down)
    return graph.divide(up, b)


def _logarithm(graph: Graph, node: Node, tangents: Tangents) -> Node | None:
    (x,) = node.arguments
    dx = tangents[x.index]
    assert dx is not None
    if node.operation == "log1p":
        x = graph.add(graph.constant(1.0), x)
    return _relative(graph, x, tangents) or graph.divide(dx, x)


def _power(graph: Graph, node: Node, tangents: Tangents) -> Node | None:
    a, b = node.arguments
    da, db = tangents[a.index], tangents[b.index]
    if b.operation == "constant":
        assert isinstance(b.value, float)
        less = graph.constant(b.value - 1.0)
    else:
        less = graph.subtract(b, graph.constant(1.0))
    by_base = _scaled(graph, da, graph.multiply(b, graph.power(a, less)))
    if db is None:
        return by_base
    zero = graph.constant(0.0)  # 0 ** b with b > 0 stays 0 when b moves, although log(0) is -inf
    slope = graph.where(graph.compare("==", node, zero), zero, graph.multiply(node, graph.call("log", a)))
    return _sum(graph, by_base, graph.multiply(db, slope))


def _where(graph: Graph, node: Node, tangents: Tangents) -> Node | None:
    condition, a, b = node.arguments
    zero = graph.constant(0.0)
    return graph.where(condition, tangents[a.index] or zero, tangents[b.index] or zero)


def _given(graph: Graph, node: Node, tangents: Tangents) -> Node | None:
    total: Node | None = None
    for x, partial in zip(node.arguments[1::2], node.arguments[2::2]):
        total = _sum(graph, total, _scaled(graph, tangents[x.index], partial))
    return total


_SPECIAL: dict[str, Callable[[Graph, Node, Tangents], Node | None]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
    "negative": lambda graph, node, tangents: _scaled(graph, tangents[node.arguments[0].index], graph.constant(-1.0)),
    "log": _logarithm,
    "log1p": _logarithm,
    "pow": _power,
    "where": _where,
    "given": _given,
}

# d f(x) / dx of a function of one argument, from the graph, x and f(x)
_PARTIAL: dict[str, Callable[[Graph, Node, Node], Node]] = {
    "abs": lambda graph, x, value: sign(graph, x),
    "exp": lambda graph, x, value: value,
    "expm1": lambda graph, x, value: graph.call("exp", x),
    "tanh": lambda graph, x, value: graph.subtract(graph.constant(1.0), graph.multiply(value, value)),
    "sigmoid": lambda graph, x, value: graph.multiply(value, graph.subtract(graph.constant(1.0), value)),
    "log_sigmoid": lambda graph, x, value: graph.call("sigmoid", graph.negative(x)),
    "softplus": lambda graph, x, value: graph.call("sigmoid", x),
    "erf": lambda graph, x, value: graph.multiply(
        graph.constant(TWO_OVER_ROOT_PI), graph.call("exp", graph.negative(graph.multiply(x, x)))
    ),
    "sin": lambda graph, x, value: graph.call("cos", x),
    "cos": lambda graph, x, value: graph.negative(graph.call("sin", x)),
}
