"""The expression graph that a traced function leaves behind: nodes, and a builder that shares equal ones.

A node is an argument, a constant, or one elementary operation or formula applied to earlier nodes. Asking
twice for the same operation on the same nodes gives the same node, so a common subexpression is computed
once. Only rewrites that keep every bit are applied: ``x * 1``, ``x / 1``, ``x - 0``, ``x * -1`` and
``-(-x)`` become shorter; ``x + 0`` stays, for it turns -0 into +0, and ``x * 0`` stays, for it is NaN at
infinity.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

FORMULAS = (
    *("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "log_sigmoid"),
    *("softplus", "erf", "sin", "cos", "pow"),
)
"""Functions of ``fastnn.formulas`` that an expression may call."""

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
CONDITIONS = frozenset({*COMPARISONS, "&", "|", "~", "truth"})
"""Operations whose result is true or false."""

LARGEST_EXPANDED_POWER = 64
"""Integer exponents up to this size become multiplications; larger ones call the formula ``pow``."""


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One operation; ``index`` grows along the arguments, so sorting by it gives an order of evaluation."""

    index: int
    operation: str
    arguments: tuple[Node, ...]
    value: float | bool | str | None = None

    @property
    def is_condition(self) -> bool:
        """Whether the node is true or false rather than a number."""
        return self.operation in CONDITIONS

    def is_constant(self, value: float) -> bool:
        """Return whether the node is the constant ``value``, the sign of zero included."""
        return self.operation == "constant" and repr(self.value) == repr(float(value))


class Graph:
    """Builds nodes, each distinct one once."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, tuple[int, ...], str], Node] = {}

    def node(self, operation: str, *arguments: Node, value: float | bool | str | None = None) -> Node:
        """Return the node of this operation on these arguments."""
        key = (operation, tuple(argument.index for argument in arguments), repr(value))
        if key not in self._nodes:
            self._nodes[key] = Node(len(self._nodes), operation, arguments, value)
        return self._nodes[key]

    def argument(self, name: str) -> Node:
        """Return the argument called ``name``."""
        return self.node("argument", value=name)

    def constant(self, value: float) -> Node:
        """Return the number ``value``, which the generated source rounds to the dtype of the argument."""
        return self.node("constant", value=float(value))

    def truth(self, value: bool) -> Node:
        """Return the constant condition ``value``."""
        return self.node("truth", value=bool(value))

    def number(self, a: Node) -> Node:
        """Return ``a`` as a number: 1 or 0 for a condition."""
        return self.where(a, self.constant(1.0), self.constant(0.0)) if a.is_condition else a

    def condition(self, a: Node) -> Node:
        """Return ``a`` as a condition: a number holds where it is not 0."""
        return a if a.is_condition else self.compare("!=", a, self.constant(0.0))

    def add(self, a: Node, b: Node) -> Node:
        """Return ``a + b``; of two conditions, as in NumPy, whether either holds."""
        if a.is_condition and b.is_condition:
            return self.either(a, b)
        return self.node("+", self.number(a), self.number(b))

    def subtract(self, a: Node, b: Node) -> Node:
        """Return ``a - b``."""
        a, b = self.number(a), self.number(b)
        return a if b.is_constant(0.0) else self.node("-", a, b)

    def multiply(self, a: Node, b: Node) -> Node:
        """Return ``a * b``; of two conditions, as in NumPy, whether both hold."""
        if a.is_condition and b.is_condition:
            return self.both(a, b)
        a, b = self.number(a), self.number(b)
        for one, other in ((a, b), (b, a)):
            if one.is_constant(1.0):
                return other
            if one.is_constant(-1.0):
                return self.negative(other)
        return self.node("*", a, b)

    def divide(self, a: Node, b: Node) -> Node:
        """Return ``a / b``."""
        a, b = self.number(a), self.number(b)
        return a if b.is_constant(1.0) else self.node("/", a, b)

    def negative(self, a: Node) -> Node:
        """Return ``-a``."""
        a = self.number(a)
        if a.operation == "constant":
            assert isinstance(a.value, float)
            return self.constant(-a.value)
        return a.arguments[0] if a.operation == "negative" else self.node("negative", a)

    def absolute(self, a: Node) -> Node:
        """Return ``abs(a)``."""
        return self.node("abs", self.number(a))

    def call(self, function: str, *arguments: Node) -> Node:
        """Return ``sqrt`` or a formula of the arguments."""
        return self.node(function, *(self.number(argument) for argument in arguments))

    def compare(self, sign: str, a: Node, b: Node) -> Node:
        """Return the condition ``a sign b``."""
        a, b = self.number(a), self.number(b)
        if isinstance(a.value, float) and isinstance(b.value, float):
            return self.truth(COMPARISONS[sign](a.value, b.value))
        return self.node(sign, a, b)

    def both(self, a: Node, b: Node) -> Node:
        """Return the condition ``a & b``."""
        a, b = self.condition(a), self.condition(b)
        for one, other in ((a, b), (b, a)):
            if one.operation == "truth":
                return other if one.value else one
        return self.node("&", a, b)

    def either(self, a: Node, b: Node) -> Node:
        """Return the condition ``a | b``."""
        a, b = self.condition(a), self.condition(b)
        for one, other in ((a, b), (b, a)):
            if one.operation == "truth":
                return one if one.value else other
        return self.node("|", a, b)

    def invert(self, a: Node) -> Node:
        """Return the condition ``~a``."""
        a = self.condition(a)
        if a.operation == "truth":
            return self.truth(not a.value)
        return a.arguments[0] if a.operation == "~" else self.node("~", a)

    def where(self, condition: Node, a: Node, b: Node) -> Node:
        """Return ``a`` where the condition holds, else ``b``."""
        condition, a, b = self.condition(condition), self.number(a), self.number(b)
        if condition.operation == "truth":
            return a if condition.value else b
        return a if a is b else self.node("where", condition, a, b)

    def power(self, a: Node, b: Node) -> Node:
        """Return ``a ** b``.

        An integer exponent n becomes multiplications, its bits read from the second highest down: ``r =
        a``, then for each bit ``r = r * r`` and, if the bit is set, ``r = r * a``; so a**3 is (a*a)*a and
        a**4 is (a*a)*(a*a). A negative one is 1 divided by that. 0.5 is a square root, anything else the
        formula ``pow``.
        """
        a, b = self.number(a), self.number(b)
        exponent = b.value
        if not isinstance(exponent, float):
            return self.call("pow", a, b)
        if exponent == 0.0:
            return self.constant(1.0)
        if exponent == 0.5:
            return self.call("sqrt", a)
        if not exponent.is_integer() or abs(exponent) > LARGEST_EXPANDED_POWER:
            return self.call("pow", a, b)
        result = a
        for bit in bin(abs(int(exponent)))[3:]:
            result = self.multiply(result, result)
            if bit == "1":
                result = self.multiply(result, a)
        return self.divide(self.constant(1.0), result) if exponent < 0.0 else result

    def given(self, value: Node, *partials: tuple[Node, Node]) -> Node:
        """Return ``value`` with a derivative that is stated instead of worked out.

        Parameters
        ----------
        value : Node
            What is computed.
        *partials : pair of Node
            Each a node and the partial derivative with respect to it; without any, the derivative is 0.
        """
        return self.node("given", value, *(node for pair in partials for node in pair))


def ancestors(outputs: Iterable[Node], through: Callable[[Node], Iterable[Node]]) -> Iterator[Node]:
    """Return the outputs and all nodes they are computed from, in order of evaluation.

    ``through`` says which arguments of a node to follow.
    """
    found: dict[int, Node] = {}
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if node.index not in found:
            found[node.index] = node
            waiting.extend(through(node))
    return iter([found[index] for index in sorted(found)])
