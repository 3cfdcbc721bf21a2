"""The two entrances: a user's activation or loss in, formulas and their text out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastnn.errors import InvalidTypeError
from fastnn.tracing.constants import constant_node
from fastnn.tracing.derivative import differentiate
from fastnn.tracing.graph import Graph, Node
from fastnn.tracing.reduction import Reduced
from fastnn.tracing.source import compile_function, write_function
from fastnn.tracing.tracer import Tracer, node_of

UserFunction = Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]]


@dataclass(frozen=True)
class TracedActivation:
    """An activation as straight-line formulas.

    Attributes
    ----------
    forward : callable
        ``forward(z) -> a``.
    derivative : callable
        ``derivative(z, a) -> da/dz``, where ``a`` is ``forward(z)``.
    source : str
        The text of both.
    """

    forward: Callable[[Any], Any]
    derivative: Callable[[Any, Any], Any]
    source: str


@dataclass(frozen=True)
class TracedLoss:
    """A loss as straight-line formulas of one target and one prediction.

    Attributes
    ----------
    value : callable
        ``value(y, p)``, the term that the loss of a sample averages or adds up over its outputs.
    derivative : callable
        ``derivative(y, p)``, the derivative of that term with respect to ``p``.
    mean : bool
        True if the terms of a sample are averaged, False if they are added up.
    source : str
        The text of both.
    """

    value: Callable[[Any, Any], Any]
    derivative: Callable[[Any, Any], Any]
    mean: bool
    source: str


def trace_activation(function: UserFunction) -> TracedActivation:
    """Turn a Python function of one array into an activation for both backends.

    Parameters
    ----------
    function : callable, or pair of callables
        ``function(z)``, elementwise. A pair is (function, derivative), for a derivative written by hand:
        ``derivative(z)`` or ``derivative(z, a)`` with ``a = function(z)``.

    Returns
    -------
    TracedActivation
        ``forward(z)`` and ``derivative(z, a)`` take NumPy arrays or scalars of float32 or float64 and
        return the same dtype; NumPy may warn of overflow on the way, as in any formula.

    Raises
    ------
    InvalidTypeError
        If the function does something that cannot be recorded; the message says what, and what to write
        instead.

    Notes
    -----
    ``z ** n`` with an integer n from -64 to 64 becomes multiplications (``Graph.power`` has their order), ``z ** 0.5``
    a square root. Derivatives at kinks: 0 for ``abs`` and ``sign`` at 0, that of the first argument where
    ``np.maximum`` or ``np.minimum`` ties; in ``np.where`` the condition has no derivative. Random numbers and
    libraries' results inside the function are constants: they are drawn once.

    Examples
    --------
    >>> import numpy as np
    >>> traced = trace_activation(lambda z: z / (1 + np.abs(z)))
    >>> traced.derivative(np.array([0.0, 1.0]), np.array([0.0, 0.5]))
    array([1.  , 0.25])
    """
    function, by_hand = _pair(function)
    graph = Graph()
    z, a = graph.argument("z"), graph.argument("a")
    output = _elementwise(_call(graph, function, [z], "an activation takes one argument, z"))
    if by_hand is None:
        slope, known = differentiate(graph, output, z), None if output is z else (output, "a")
    else:
        arguments = [z] if _accepts(by_hand, 1) else [z, a]
        slope = _elementwise(_call(graph, by_hand, arguments, "a derivative of an activation takes z, or z and a"))
        known = None
    forward_text = write_function("forward", ["z"], output, typed_like="z")
    derivative_text = write_function("derivative", ["z", "a"], slope, typed_like="z", known=known)
    return TracedActivation(
        compile_function(forward_text, "forward"),
        compile_function(derivative_text, "derivative"),
        f"{forward_text}\n\n{derivative_text}",
    )


def trace_loss(function: UserFunction) -> TracedLoss:
    """Turn a Python function of targets and predictions into a loss for both backends.

    Parameters
    ----------
    function : callable, or pair of callables
        ``function(y, p)`` with ``y`` and ``p`` of one shape, (samples, outputs): elementwise, or as Keras
        users write it with ``np.mean(..., axis=-1)`` or ``np.sum(..., axis=-1)`` as its last step. A sign
        or a constant factor after that is moved inside; a result that is not reduced counts as a mean. A
        pair is (function, derivative), the derivative of the term inside the mean or sum with respect to
        ``p``, not reduced.

    Returns
    -------
    TracedLoss
        The term, its derivative with respect to ``p``, and whether terms are averaged. The reduction itself
        is the backend's, in the order of the contract.

    Raises
    ------
    InvalidTypeError
        If the function does something that cannot be recorded; the message says what, and what to write
        instead.

    Notes
    -----
    Conventions as in :func:`trace_activation`.

    Examples
    --------
    >>> import numpy as np
    >>> traced = trace_loss(lambda y, p: np.mean((y - p) ** 2, axis=-1))
    >>> traced.mean, traced.derivative(np.array([1.0]), np.array([3.0]))
    (True, array([4.]))
    """
    function, by_hand = _pair(function)
    graph = Graph()
    y, p = graph.argument("y"), graph.argument("p")
    result = _call(graph, function, [y, p], "a loss takes two arguments, y and p")
    term, mean = (result.term, result.mean) if isinstance(result, Reduced) else (result, True)
    if by_hand is None:
        slope = differentiate(graph, term, p)
    else:
        slope = _elementwise(_call(graph, by_hand, [y, p], "a derivative of a loss takes two arguments, y and p"))
    value_text = write_function("value", ["y", "p"], term, typed_like="p")
    derivative_text = write_function("derivative", ["y", "p"], slope, typed_like="p")
    return TracedLoss(
        compile_function(value_text, "value"),
        compile_function(derivative_text, "derivative"),
        mean,
        f"{value_text}\n\n{derivative_text}",
    )


def _pair(function: UserFunction) -> tuple[Callable[..., Any], Callable[..., Any] | None]:
    if isinstance(function, tuple) and len(function) == 2 and all(callable(part) for part in function):
        return function
    if not callable(function):
        raise InvalidTypeError(
            f"a {type(function).__name__} cannot be traced; accepted: a function, or a pair (function, derivative)"
        )
    return function, None


def _accepts(function: Callable[..., Any], count: int) -> bool:
    """Return whether the function can be called with ``count`` arguments, as far as it tells."""
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        return True
    return True


def _call(graph: Graph, function: Callable[..., Any], arguments: list[Node], accepted: str) -> Node | Reduced:
    """Call the function with stand-ins for the arguments and return what it computed."""
    function = getattr(function, "py_func", function)  # the text of a function compiled by Numba
    name = getattr(function, "__name__", type(function).__name__)
    if not _accepts(function, len(arguments)):
        raise InvalidTypeError(f"{accepted}; {name} does not")
    result = function(*(Tracer(graph, node) for node in arguments))
    if isinstance(result, Reduced):
        return result
    if isinstance(result, Tracer):
        return graph.number(node_of(graph, result))
    try:
        return graph.number(constant_node(graph, result))
    except InvalidTypeError:
        hint = "; is its return missing?" if result is None else ""
        raise InvalidTypeError(
            f"{name} returned a {type(result).__name__}; accepted: an expression of its arguments{hint}"
        ) from None


def _elementwise(result: Node | Reduced) -> Node:
    if isinstance(result, Reduced):
        raise InvalidTypeError(
            "a mean or sum met in an activation or a derivative; accepted: elementwise expressions, "
            "and a reduction as the last step of a loss"
        )
    return result
