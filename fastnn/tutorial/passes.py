"""Forward, the cost, and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn import losses
from fastnn.activations import ACTIVATIONS, Activation
from fastnn.backends import Backend, get_backend
from fastnn.errors import InvalidValueError
from fastnn.plan.dense_network import DenseNetwork, dense_network
from fastnn.tutorial import calls
from fastnn.tutorial.checks import (
    FLOAT64,
    Array,
    Parameters,
    as_array,
    check_columns,
    check_finite,
    check_probabilities,
    common_dtype,
    layer_names,
    read_dictionary,
    read_parameters,
    readable_alike,
)

COST = "crossentropy_cost"

PROBABILITIES = ("sigmoid", "softmax", "hard_sigmoid")
"""Registered activations whose outputs lie in [0, 1], as the cost needs."""


def sigmoid(Z: Any, *, backend: str | Backend | None = None) -> Any:
    """Return ``1 / (1 + exp(-Z))``, element by element; overflow and cancellation cannot happen.

    Parameters
    ----------
    Z : array_like of any shape, or a number
        NaN gives NaN.
    backend : str or module, optional

    Returns
    -------
    ndarray of the same shape, or a NumPy scalar for a number

    Examples
    --------
    >>> float(sigmoid(0.0))
    0.5
    """
    array = as_array("Z", Z)
    if array.dtype.kind != "f":
        array = array.astype(FLOAT64)
    result = get_backend(backend).sigmoid(array)
    return result if result.ndim else result[()]


def forward_propagation(X: Any, parameters: Parameters, *, activation: str | Activation = "sigmoid",
                        output_activation: str | Activation = "sigmoid", backend: str | Backend | None = None,
                        allow_nonfinite: bool = False) -> tuple[Array, dict[str, Array]]:  # fmt: skip
    """Return the output and every intermediate value: ``Z1 = W1 X + b1``, ``A1 = f(Z1)``, ...

    Parameters
    ----------
    X : array_like (features, N)
        N may be 0.
    parameters : mapping
        W1, b1, ..., WL, bL.
    activation, output_activation : str or Activation
        Of the hidden layers and of the last. Pass the same to ``backward_propagation``.
    backend : str or module, optional
    allow_nonfinite : bool, default False
        Accept NaN and infinities in X.

    Returns
    -------
    ndarray (outputs, N)
        A of the last layer.
    dict
        Z1, A1, ..., ZL, AL, each (units, N).

    Raises
    ------
    InvalidValueError, InvalidTypeError
        If a key is missing, a shape does not fit, X holds NaN, or a name is unknown.

    Examples
    --------
    >>> parameters = {"W1": [[1.0, 1.0]], "b1": [[-1.5]]}
    >>> A, cache = forward_propagation([[0, 0, 1, 1], [0, 1, 0, 1]], parameters)
    >>> (A > 0.5).tolist(), sorted(cache)
    ([[False, False, False, True]], ['A1', 'Z1'])
    """
    engine = get_backend(backend)
    found = calls.forward(engine, parameters, X, activation, output_activation)
    if found is None:
        arrays, widths = read_parameters(parameters)
        network = dense_network(widths, activation, output_activation, COST)
        x = check_columns("X", X, widths[0], empty=True)
        dtype = common_dtype((*arrays, x))
        values, finite = engine.network_forward(network, dtype, arrays, x)
        calls.count_forward(engine, (*arrays, x), activation, output_activation, network, dtype)
        found = values[-1], dict(zip(network.values, values)), finite
    A, cache, finite = found
    if not finite and not allow_nonfinite:
        check_finite("X", check_columns("X", X, len(X), empty=True), engine)
    return A, cache


def compute_cost(A2: Any, Y: Any, *, backend: str | Backend | None = None, allow_nonfinite: bool = False) -> float:
    """Return the cross-entropy ``-(sum(Y log A + (1 - Y) log(1 - A))) / N``, with ``0 log(0) = 0``.

    Parameters
    ----------
    A2 : array_like (outputs, N)
        Predictions in [0, 1]. At 0 or 1 where Y disagrees the cost is infinite; it is never NaN.
    Y : array_like (outputs, N)
        Targets in [0, 1].
    backend : str or module, optional
    allow_nonfinite : bool, default False
        Accept NaN and infinities.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        If shapes differ, there are no samples, or a value is not in [0, 1].

    Notes
    -----
    Each sample's terms are added over its outputs, the samples by the contract's rule 3, in the dtype of the arrays;
    the sum is then divided by N in float64.

    Examples
    --------
    >>> compute_cost([[0.5, 1.0]], [[1, 1]])
    0.34657359027997264
    """
    engine = get_backend(backend)
    if readable_alike(A2, Y):
        total = engine.small_cost(Y, A2)
        if total is not None:
            return total / A2.shape[1]
    a = as_array("A2", A2)
    if a.ndim != 2:
        raise InvalidValueError(f"A2 must have shape (outputs, samples), got {a.shape}")
    a = check_columns("A2", a, len(a))
    y = check_columns("Y", Y, *a.shape)
    check_probabilities("A2", a, engine, allow_nonfinite)
    check_probabilities("Y", y, engine, allow_nonfinite)
    dtype = common_dtype((a, y))
    value = losses.get(COST).value
    assert value is not None
    a, y = np.asarray(a, dtype), np.asarray(y, dtype)
    terms = engine.loss_value(value, False, None, y, a, np.ones(a.shape[1], dtype))
    total = float(engine.sum_row(terms))
    return total / int(a.shape[1])


def backward_propagation(
    parameters: Parameters,
    cache: Parameters,
    X: Any,
    Y: Any,
    *,
    activation: str | Activation = "sigmoid",
    output_activation: str | Activation = "sigmoid",
    backend: str | Backend | None = None,
    allow_nonfinite: bool = False,
) -> dict[str, Array]:
    """Return the gradients of the cost: behind a sigmoid ``dZL = AL - Y``, then ``dW = dZ A^T / N`` and so on
    down.

    Parameters
    ----------
    parameters : mapping
        W1, b1, ..., WL, bL.
    cache : mapping
        What ``forward_propagation`` returned for them.
    X, Y : array_like (features, N), (outputs, N)
    activation, output_activation : str or Activation
        Those of ``forward_propagation``; the last one's outputs must lie in [0, 1].
    backend : str or module, optional
    allow_nonfinite : bool, default False
        Accept NaN and infinities in X and Y.

    Returns
    -------
    dict
        dW1 (units, features), db1 (units, 1), ..., dWL, dbL.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        If a key is missing, a shape does not fit, X holds NaN, Y is not in [0, 1], or a name is unknown.
    """
    engine = get_backend(backend)
    found = calls.backward(engine, parameters, cache, X, Y, activation, output_activation)
    if found is not None:
        return found
    arrays, widths = read_parameters(parameters)
    network = network_with_cost(widths, activation, output_activation)
    values = read_dictionary("cache", "Z A", cache)
    x, y = checked_data(network, X, Y, engine, allow_nonfinite)
    if len(values) != len(arrays):
        raise InvalidValueError(f"cache holds {len(values) // 2} layers, parameters {len(arrays) // 2}")
    for n, value in enumerate(values):
        if value.shape != (network.widths[1 + n // 2], x.shape[1]):
            check_columns(layer_names("Z A", len(values) // 2)[n], value, network.widths[1 + n // 2], x.shape[1])
    dtype = common_dtype((*arrays, *values, x, y))
    gradients = engine.network_backward(network, dtype, arrays, values, x, y)
    every = (*arrays, x, y, *values)
    calls.count_backward(engine, every, activation, output_activation, network, dtype)
    return {f"d{name}": gradient for name, gradient in zip(network.names, gradients)}


def network_with_cost(widths: tuple[int, ...], activation: str | Activation, output: str | Activation) -> DenseNetwork:
    """Return the network; its outputs must suit the cost."""
    network = dense_network(widths, activation, output, COST)
    name = network.activations[-1].name
    if name in ACTIVATIONS and name not in PROBABILITIES:
        raise InvalidValueError(
            f"the cost takes outputs in [0, 1]: output_activation must be one of {', '.join(PROBABILITIES)} "
            f"or your own, got {name!r}"
        )
    return network


def checked_data(network: DenseNetwork, X: Any, Y: Any, engine: Backend, allow_nonfinite: bool) -> tuple[Array, Array]:
    """Return checked samples and targets."""
    x = check_columns("X", X, network.widths[0])
    y = check_columns("Y", Y, network.widths[-1], x.shape[1])
    if not allow_nonfinite:
        check_finite("X", x, engine)
    check_probabilities("Y", y, engine, allow_nonfinite)
    return x, y
