"""Numbers that stand in a traced function."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError
from fastnn.tracing.graph import Graph, Node


def constant_node(graph: Graph, value: Any) -> Node:
    """Return the node of a real number, a bool, or an array that holds one of them.

    Raises
    ------
    InvalidTypeError
        For anything else, an array of several numbers among them.
    """
    if isinstance(value, np.ndarray | np.generic) and value.size == 1:
        value = value.item()
    if isinstance(value, bool):
        return graph.truth(value)
    if isinstance(value, numbers.Real):
        try:
            return graph.constant(float(value))
        except OverflowError:
            raise InvalidTypeError(f"a constant is too large for a float: {value!r:.30}") from None
    if isinstance(value, np.ndarray):
        raise InvalidTypeError(
            f"an array of shape {value.shape} met in a function that fastnn traces; constants must be single numbers"
        )
    raise InvalidTypeError(
        f"a {type(value).__name__} met in a function that fastnn traces; accepted: its arguments, and real numbers"
    )
