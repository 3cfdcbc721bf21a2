"""The mean or sum over the last axis that ends a loss as Keras users write it.

The reduction itself is the backend's (its order is part of the contract), so only the term inside is kept.
A sign, a constant factor or divisor, and another reduction of the same kind that is added are moved inside
the sum.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from fastnn.errors import InvalidTypeError
from fastnn.tracing.constants import constant_node
from fastnn.tracing.graph import Graph, Node


class Reduced:
    """The mean (or sum) over the last axis of a term.

    Parameters
    ----------
    graph : Graph
        Where the term is recorded.
    term : Node
        What is averaged or added up.
    mean : bool
        True for a mean, False for a sum.
    """

    ONLY_LAST: ClassVar[str] = (
        "a mean or sum must be the last step of a traced loss; accepted after it: a sign, a constant factor "
        "or divisor, and adding or subtracting another reduction of the same kind"
    )

    def __init__(self, graph: Graph, term: Node, mean: bool) -> None:
        self.graph = graph
        self.term = term
        self.mean = mean

    def _with(self, term: Node) -> Reduced:
        return Reduced(self.graph, term, self.mean)

    def _constant(self, value: Any) -> Node:
        try:
            return constant_node(self.graph, value)
        except InvalidTypeError:
            raise InvalidTypeError(self.ONLY_LAST) from None

    def _other_term(self, other: Any) -> Node:
        if isinstance(other, Reduced) and other.mean == self.mean:
            return other.term
        if not self.mean:  # sum(t) + c is not sum(t + c)
            raise InvalidTypeError(self.ONLY_LAST)
        return self._constant(other)

    def __neg__(self) -> Reduced:
        return self._with(self.graph.negative(self.term))

    def __pos__(self) -> Reduced:
        return self

    def __add__(self, other: Any) -> Reduced:
        return self._with(self.graph.add(self.term, self._other_term(other)))

    def __radd__(self, other: Any) -> Reduced:
        return self._with(self.graph.add(self._other_term(other), self.term))

    def __sub__(self, other: Any) -> Reduced:
        return self._with(self.graph.subtract(self.term, self._other_term(other)))

    def __rsub__(self, other: Any) -> Reduced:
        return self._with(self.graph.subtract(self._other_term(other), self.term))

    def __mul__(self, other: Any) -> Reduced:
        return self._with(self.graph.multiply(self.term, self._constant(other)))

    def __rmul__(self, other: Any) -> Reduced:
        return self._with(self.graph.multiply(self._constant(other), self.term))

    def __truediv__(self, other: Any) -> Reduced:
        return self._with(self.graph.divide(self.term, self._constant(other)))

    def _refuse(self, *arguments: Any, **keywords: Any) -> Any:
        raise InvalidTypeError(self.ONLY_LAST)

    __rtruediv__ = __pow__ = __rpow__ = __abs__ = __bool__ = __float__ = __int__ = __array__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __getitem__ = __iter__ = __len__ = __array_function__ = _refuse
    __hash__ = None  # type: ignore[assignment]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        """Serve ``np.float64(0.5) * np.mean(...)`` and its kin."""
        if ufunc.__name__ not in _OPERATORS or method != "__call__" or keywords:
            raise InvalidTypeError(self.ONLY_LAST)
        plain = [x.item() if isinstance(x, np.generic | np.ndarray) and x.size == 1 else x for x in inputs]
        return _OPERATORS[ufunc.__name__](*plain)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
}
