"""The stand-in for an array that a user's function is called with once: it records what is done to it.

Arithmetic, comparisons and ``& | ~`` come through Python's operators; NumPy hands over its functions
through ``__array_ufunc__`` and ``__array_function__`` (see ``numpy_functions.py``). Whatever asks for a
number that is not there yet (``if``, ``float()``, ``math.exp``, indexing, shapes) gets an error that says
what to write instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from fastnn.errors import InvalidTypeError
from fastnn.tracing.constants import constant_node
from fastnn.tracing.graph import Graph, Node
from fastnn.tracing.numpy_functions import UFUNCS, clip
from fastnn.tracing.reduction import Reduced


def _refuse(construct: str, instead: str) -> Callable[..., NoReturn]:
    def refuse(self: Tracer, *arguments: Any, **keywords: Any) -> NoReturn:
        raise InvalidTypeError(f"{construct} met in a function that fastnn traces; {instead}")

    return refuse


def _binary(operation: Callable[[Graph, Node, Node], Node], *, reflected: bool = False) -> Callable[..., Any]:
    def apply(self: Tracer, other: Any) -> Any:
        if isinstance(other, Reduced):
            return NotImplemented
        a, b = self.node, node_of(self.graph, other)
        return Tracer(self.graph, operation(self.graph, *((b, a) if reflected else (a, b))))

    return apply


def _comparison(sign: str) -> Callable[..., Any]:
    return _binary(lambda graph, a, b: graph.compare(sign, a, b))


_USE_WHERE = (
    "the value is not known yet: write np.where(condition, a, b), np.maximum and np.minimum, and combine "
    "conditions with & | ~"
)
_ELEMENTWISE = "the function sees one number of the array at a time and cannot look at its place or shape"
_ARITHMETIC = "accepted operators: + - * / ** abs, comparisons, & | ~ between conditions"


class TracedDtype:
    """The dtype of a traced value: float32 or float64, not known yet."""

    type = float

    def _refuse(self, *arguments: Any) -> NoReturn:
        raise InvalidTypeError(
            "a look at the dtype met in a function that fastnn traces; one expression serves float32 and "
            "float64, and its constants are rounded to the dtype of the argument"
        )

    __eq__ = __ne__ = _refuse
    __hash__ = None  # type: ignore[assignment]
    dtype = name = kind = itemsize = property(_refuse)


class Tracer:
    """A value that will exist when the traced function runs.

    Parameters
    ----------
    graph : Graph
        Where operations are recorded.
    node : Node
        The value.
    """

    __slots__ = ("graph", "node")

    dtype = TracedDtype()

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph = graph
        self.node = node

    def __repr__(self) -> str:
        return f"<traced {self.node.value or self.node.operation}>"

    __add__ = _binary(Graph.add)
    __radd__ = _binary(Graph.add, reflected=True)
    __sub__ = _binary(Graph.subtract)
    __rsub__ = _binary(Graph.subtract, reflected=True)
    __mul__ = _binary(Graph.multiply)
    __rmul__ = _binary(Graph.multiply, reflected=True)
    __truediv__ = _binary(Graph.divide)
    __rtruediv__ = _binary(Graph.divide, reflected=True)
    __pow__ = _binary(Graph.power)
    __rpow__ = _binary(Graph.power, reflected=True)
    __lt__ = _comparison("<")
    __le__ = _comparison("<=")
    __gt__ = _comparison(">")
    __ge__ = _comparison(">=")
    __eq__ = _comparison("==")
    __ne__ = _comparison("!=")
    __hash__ = None  # type: ignore[assignment]

    def _logical(self, other: Any, operation: Callable[[Graph, Node, Node], Node]) -> Tracer:
        node = node_of(self.graph, other)
        if not (self.node.is_condition and node.is_condition):
            raise InvalidTypeError("& and | join conditions, and one of these is a number: put comparisons in brackets")
        return Tracer(self.graph, operation(self.graph, self.node, node))

    def __and__(self, other: Any) -> Tracer:
        return self._logical(other, Graph.both)

    def __or__(self, other: Any) -> Tracer:
        return self._logical(other, Graph.either)

    __rand__ = __and__
    __ror__ = __or__

    def __invert__(self) -> Tracer:
        if not self.node.is_condition:
            raise InvalidTypeError("~ inverts a condition, and this is a number; for its sign write -z")
        return Tracer(self.graph, self.graph.invert(self.node))

    def __neg__(self) -> Tracer:
        return Tracer(self.graph, self.graph.negative(self.node))

    def __pos__(self) -> Tracer:
        return self

    def __abs__(self) -> Tracer:
        return Tracer(self.graph, self.graph.absolute(self.node))

    def __getitem__(self, key: Any) -> Tracer:
        if not (isinstance(key, tuple) and len(key) == 0):  # z[()] makes NumPy's scalar of an array without axes
            raise InvalidTypeError(
                f"indexing met in a function that fastnn traces; {_ELEMENTWISE}; to pick by condition write np.where"
            )
        return self

    def astype(self, dtype: Any, **_: Any) -> Tracer:
        """Return a condition as 1 and 0; a number stays in the dtype of the argument."""
        kind = "f" if dtype is self.dtype else np.dtype(dtype).kind
        if kind != "f" and not self.node.is_condition:
            raise InvalidTypeError(f"astype({dtype!r}) met in a function that fastnn traces; accepted: float types")
        return Tracer(self.graph, self.graph.number(self.node))

    def mean(self, axis: Any = None, **keywords: Any) -> Reduced:
        """Return the mean over the last axis; it may only be the last step of a loss."""
        return self._reduced("mean", axis, keywords)

    def sum(self, axis: Any = None, **keywords: Any) -> Reduced:
        """Return the sum over the last axis; it may only be the last step of a loss."""
        return self._reduced("sum", axis, keywords)

    def _reduced(self, name: str, axis: Any, keywords: dict[str, Any]) -> Reduced:
        # a mean over everything is the mean over samples of their means, which is what training minimizes
        if keywords or not (axis == -1 or (axis is None and name == "mean")):
            got = ", ".join(f"{key}={value!r}" for key, value in {"axis": axis, **keywords}.items())
            raise InvalidTypeError(f"{name} with {got} met in a function that fastnn traces; accepted: axis=-1")
        return Reduced(self.graph, self.graph.number(self.node), name == "mean")

    def clip(self, low: Any = None, high: Any = None) -> Tracer:
        """Return ``np.clip`` of the value."""
        bounds = (None if bound is None else node_of(self.graph, bound) for bound in (low, high))
        return Tracer(self.graph, clip(self.graph, self.node, *bounds))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        name = ufunc.__name__
        if method != "__call__":
            raise InvalidTypeError(f"np.{name}.{method} met in a function that fastnn traces; {_ELEMENTWISE}")
        if keywords:
            raise InvalidTypeError(f"np.{name} with {', '.join(keywords)}= met in a function that fastnn traces")
        if any(isinstance(x, Reduced) for x in inputs):
            raise InvalidTypeError(Reduced.ONLY_LAST)
        if name not in UFUNCS:
            raise _unsupported(f"np.{name}")
        return Tracer(self.graph, UFUNCS[name](self.graph, *(node_of(self.graph, x) for x in inputs)))

    def __array_function__(self, function: Any, types: Any, arguments: Any, keywords: Any) -> Any:
        name = function.__name__
        if name not in _ARRAY_FUNCTIONS:
            raise _unsupported(f"np.{name}")
        return _ARRAY_FUNCTIONS[name](self.graph, *arguments, **keywords)

    def __fastnn_trace__(self, formula: str, *arguments: Any) -> Tracer:
        """Record a call of the function of ``fastnn.formulas`` that is called ``formula``."""
        return Tracer(self.graph, self.graph.call(formula, *(node_of(self.graph, x) for x in arguments)))

    __bool__ = _refuse("a truth test (if, while, and, or, not, bool(), max(), min())", _USE_WHERE)
    __float__ = _refuse(
        "float() or a function of the math module",
        "use the NumPy function of that name, np.exp instead of math.exp; dtypes need no conversion",
    )
    __complex__ = _refuse("complex()", "only real numbers are supported")
    __int__ = __index__ = __trunc__ = _refuse("int() or use as an index", _ELEMENTWISE)
    __floor__ = __ceil__ = __round__ = _refuse("rounding", "it has no useful derivative and is not supported")
    __iter__ = __len__ = __reversed__ = _refuse("iteration or len()", _ELEMENTWISE)
    __setitem__ = _refuse("assignment to elements", "write z = np.where(condition, new, z)")
    __contains__ = _refuse("'in'", _ELEMENTWISE)
    __array__ = _refuse("conversion to an array", "leave the value as it is: operators and NumPy functions take it")
    __matmul__ = __rmatmul__ = _refuse("@", _ELEMENTWISE)
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __divmod__ = __rdivmod__ = _refuse("// or %", _ARITHMETIC)
    __xor__ = __rxor__ = _refuse("^", f"a power is **; {_ARITHMETIC}")
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = _refuse("<< or >>", _ARITHMETIC)

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):  # protocols that look whether an attribute is there
            raise AttributeError(name)
        raise InvalidTypeError(
            f"attribute .{name} met in a function that fastnn traces; {_ELEMENTWISE}. Accepted: "
            ".astype(float), .clip(), and .mean(axis=-1) or .sum(axis=-1) as the last step of a loss"
        )


def node_of(graph: Graph, value: Any) -> Node:
    """Return the node of a traced value, or of a number that stands in the expression."""
    if isinstance(value, Reduced):
        raise InvalidTypeError(Reduced.ONLY_LAST)
    if not isinstance(value, Tracer):
        return constant_node(graph, value)
    if value.graph is not graph:
        raise InvalidTypeError("a value kept from an earlier call met in a function that fastnn traces")
    return value.node


def _unsupported(name: str) -> InvalidTypeError:
    names = ", ".join(sorted(name for name in {*UFUNCS, *_ARRAY_FUNCTIONS} if hasattr(np, name)))
    return InvalidTypeError(f"{name} met in a function that fastnn traces; accepted NumPy functions: {names}")


def _where(graph: Graph, condition: Any, *branches: Any) -> Tracer:
    if len(branches) != 2:
        raise InvalidTypeError("np.where without two values to choose from met in a function that fastnn traces")
    return Tracer(graph, graph.where(*(node_of(graph, x) for x in (condition, *branches))))


def _clip(graph: Graph, a: Any, a_min: Any = None, a_max: Any = None, **bounds: Any) -> Tracer:
    a_min, a_max = bounds.pop("min", a_min), bounds.pop("max", a_max)
    if any(value is not None and value is not np._NoValue for value in bounds.values()):
        raise InvalidTypeError(f"np.clip with {', '.join(bounds)}= met in a function that fastnn traces")
    return Tracer(graph, node_of(graph, a)).clip(a_min, a_max)


def _filled(value: float) -> Callable[..., Tracer]:
    return lambda graph, like, **_: Tracer(graph, graph.constant(value))


def _reduction(name: str) -> Callable[..., Reduced]:
    def reduce(graph: Graph, a: Any, axis: Any = None, **keywords: Any) -> Reduced:
        return Tracer(graph, node_of(graph, a))._reduced(name, axis, keywords)

    return reduce


# NumPy functions that are not ufuncs; each takes the graph, then what the user passed
_ARRAY_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "where": _where,
    "clip": _clip,
    "mean": _reduction("mean"),
    "sum": _reduction("sum"),
    "zeros_like": _filled(0.0),
    "ones_like": _filled(1.0),
    "full_like": lambda graph, like, fill_value, **_: Tracer(graph, node_of(graph, fill_value)),
}
