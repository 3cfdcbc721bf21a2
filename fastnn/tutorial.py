"""The classic tutorial's functions, drop-in: a network written by hand gets compiled kernels.

Samples are columns: X (features, N), Y (outputs, N), W (units, features), b (units, 1), any depth W1 ... WL.
Everything is computed in float32 if every array of floats passed is float32 or float16, else in float64;
integers follow, lists count as float64. Any strides and read-only arrays are accepted, and nothing passed is
changed. ``backend=`` is a name or module, by default the one in force (``fastnn.set_backend``); the bits are
the same with each.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from fastnn import initializers, losses, tutorial_calls
from fastnn.activations import ACTIVATIONS, Activation
from fastnn.backends import Backend, get_backend
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.initializers import Initializer, RandomNormal
from fastnn.optimizers import SGD
from fastnn.optimizers.base import non_negative
from fastnn.plan.data import Data
from fastnn.plan.dense_network import DenseNetwork, dense_network
from fastnn.plan.executor import State
from fastnn.random.counter import checked_float_dtype
from fastnn.tutorial_checks import (
    FLOAT64,
    as_array,
    check_columns,
    check_finite,
    check_layers,
    check_probabilities,
    common_dtype,
    layer_names,
    read_dictionary,
    read_parameters,
    readable_alike,
)
from fastnn.validation import positive_whole

__all__ = [
    "backward_propagation",
    "compute_cost",
    "forward_propagation",
    "gradient_descent",
    "initialize_parameters",
    "sigmoid",
    "update_parameters",
]

Array = np.ndarray[Any, Any]
Parameters = Mapping[str, Any]

COST = "crossentropy_cost"

PROBABILITIES = ("sigmoid", "softmax", "hard_sigmoid")
"""Registered activations whose outputs lie in [0, 1], as the cost needs."""

PIECE = 0.04
"""Seconds that compiled steps run before Python looks up: Ctrl-C works in between."""


def initialize_parameters(
    input_size: int,
    hidden_size: int | Sequence[int],
    output_size: int,
    *,
    seed: int = 0,
    dtype: Any = np.float64,
    initializer: str | Initializer | None = None,
    scale: float = 0.01,
    backend: str | Backend | None = None,
) -> dict[str, Array]:
    """Return start values: weights drawn at random, biases 0.

    Parameters
    ----------
    input_size, output_size : int
        Features of X and rows of Y, at least 1.
    hidden_size : int or sequence of int
        Units of the hidden layer, or of each of several; an empty sequence for none.
    seed : int, default 0
        Below 2^64; equal seeds give equal bits.
    dtype : float32 or float64
    initializer : str or Initializer, optional
        Of the weights; by default normal numbers times ``scale``, as in the tutorial.
    scale : float, default 0.01
        Standard deviation of the default; not together with ``initializer``.
    backend : str or module, optional

    Returns
    -------
    dict
        W1 (units, features), b1 (units, 1), ..., WL, bL.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        If an argument is out of range or of a wrong type.

    Examples
    --------
    >>> parameters = initialize_parameters(2, 4, 1, seed=3)
    >>> {name: array.shape for name, array in parameters.items()}
    {'W1': (4, 2), 'b1': (4, 1), 'W2': (1, 4), 'b2': (1, 1)}
    """
    hidden = hidden_size if isinstance(hidden_size, (Sequence, np.ndarray)) else [hidden_size]
    if isinstance(hidden, str):
        raise InvalidTypeError(f"hidden_size must be a whole number or several, got {hidden_size!r}")
    widths = [
        positive_whole("input_size", input_size),
        *(positive_whole("hidden_size", n) for n in hidden),
        positive_whole("output_size", output_size),
    ]
    kind = checked_float_dtype(dtype)
    if initializer is not None and scale != 0.01:
        raise InvalidValueError("scale is that of the default initializer: give it to yours instead")
    draw = RandomNormal(stddev=scale) if initializer is None else initializers.get(initializer)
    random = get_backend(backend).random
    parameters = {}
    for n, (features, units) in enumerate(pairwise(widths)):
        # numbered like the parameters of Sequential, which then starts from the same weights
        parameters[f"W{n + 1}"] = draw((units, features), features, units, kind, seed, 2 * n, random=random)
        parameters[f"b{n + 1}"] = np.zeros((units, 1), kind)
    return parameters


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
    found = tutorial_calls.forward(engine, parameters, X, activation, output_activation)
    if found is None:
        arrays, widths = read_parameters(parameters)
        network = dense_network(widths, activation, output_activation, COST)
        x = check_columns("X", X, widths[0], empty=True)
        dtype = common_dtype((*arrays, x))
        values, finite = engine.network_forward(network, dtype, arrays, x)
        tutorial_calls.count_forward(engine, (*arrays, x), activation, output_activation, network, dtype)
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
    found = tutorial_calls.backward(engine, parameters, cache, X, Y, activation, output_activation)
    if found is not None:
        return found
    arrays, widths = read_parameters(parameters)
    network = _with_cost(widths, activation, output_activation)
    values = read_dictionary("cache", "Z A", cache)
    x, y = _data(network, X, Y, engine, allow_nonfinite)
    if len(values) != len(arrays):
        raise InvalidValueError(f"cache holds {len(values) // 2} layers, parameters {len(arrays) // 2}")
    for n, value in enumerate(values):
        if value.shape != (network.widths[1 + n // 2], x.shape[1]):
            check_columns(layer_names("Z A", len(values) // 2)[n], value, network.widths[1 + n // 2], x.shape[1])
    dtype = common_dtype((*arrays, *values, x, y))
    gradients = engine.network_backward(network, dtype, arrays, values, x, y)
    every = (*arrays, x, y, *values)
    tutorial_calls.count_backward(engine, every, activation, output_activation, network, dtype)
    return {f"d{name}": gradient for name, gradient in zip(network.names, gradients)}


def update_parameters(parameters: Parameters, grads: Parameters, learning_rate: float = 1.2, *,
                      backend: str | Backend | None = None) -> dict[str, Array]:  # fmt: skip
    """Return new parameters, ``W - learning_rate dW``; those passed stay as they are.

    Parameters
    ----------
    parameters, grads : mapping
        W1, b1, ... and dW1, db1, ... of equal shapes.
    learning_rate : float, default 1.2
        At least 0; the default is the tutorial's.
    backend : str or module, optional

    Raises
    ------
    InvalidValueError, InvalidTypeError
        If a key is missing, shapes differ, or the rate is negative or not finite.

    Examples
    --------
    >>> new = update_parameters({"W1": [[1.0]], "b1": [[2.0]]}, {"dW1": [[0.5]], "db1": [[1.0]]}, 0.5)
    >>> float(new["W1"][0, 0]), float(new["b1"][0, 0])
    (0.75, 1.5)
    """
    engine = get_backend(backend)
    rate = non_negative("learning_rate", learning_rate)
    found = tutorial_calls.update(engine, parameters, grads, rate)
    if found is not None:
        return found
    arrays = read_dictionary("parameters", "W b", parameters)
    gradients = read_dictionary("grads", "dW db", grads)
    if check_layers(arrays) != check_layers(gradients, "d"):
        raise InvalidValueError(
            f"grads must have the shapes of parameters, got {[g.shape for g in gradients]} "
            f"for {[a.shape for a in arrays]}"
        )
    dtype = common_dtype((*arrays, *gradients))
    vector, gradient = _vector(arrays, dtype), _vector(gradients, dtype)
    rule, scalars = _rule(rate, dtype)
    engine.optimizer_update(rule, vector, gradient, (), scalars)
    tutorial_calls.count_update(engine, arrays, gradients, dtype)
    return _split(vector, arrays)


def gradient_descent(
    X: Any,
    Y: Any,
    parameters: Parameters,
    learning_rate: float,
    iterations: int,
    *,
    activation: str | Activation = "sigmoid",
    output_activation: str | Activation = "sigmoid",
    backend: str | Backend | None = None,
    allow_nonfinite: bool = False,
) -> tuple[dict[str, Array], Array]:
    """Run the tutorial's loop, compiled: forward, cost, backward, update, on the full batch.

    The bits are those of calling the four functions ``iterations`` times.

    Parameters
    ----------
    X, Y : array_like (features, N), (outputs, N)
    parameters : mapping
        Where to start: W1, b1, ..., WL, bL. Stays as it is.
    learning_rate : float
        At least 0.
    iterations : int
        At least 0.
    activation, output_activation : str or Activation
        Of the hidden layers and of the last; the last one's outputs must lie in [0, 1].
    backend : str or module, optional
    allow_nonfinite : bool, default False
        Accept NaN and infinities in X and Y.

    Returns
    -------
    dict
        The parameters after the last update.
    ndarray (iterations,) of float64
        The cost before each update.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        If anything passed is wrong; see the four functions.

    Examples
    --------
    >>> X, Y = [[0, 0, 1, 1], [0, 1, 0, 1]], [[0, 1, 1, 1]]
    >>> parameters, costs = gradient_descent(X, Y, initialize_parameters(2, 4, 1), 1.2, 2000)
    >>> bool(costs[-1] < 0.1 < costs[0])
    True
    """
    engine = get_backend(backend)
    rate = non_negative("learning_rate", learning_rate)
    steps = positive_whole("iterations", iterations, zero=True)
    arrays, widths = read_parameters(parameters)
    network = _with_cost(widths, activation, output_activation)
    x, y = _data(network, X, Y, engine, allow_nonfinite)
    dtype = common_dtype((*arrays, x, y))
    data = Data(np.ascontiguousarray(x.T, dtype), np.ascontiguousarray(y.T, dtype))
    vector = _vector(arrays, dtype)
    _, scalars = _rule(rate, dtype)
    run = engine.executor(network.plan, dtype, State(vector, None, np.zeros((0, vector.size), dtype)), SGD(rate)).run
    costs = np.empty(steps)
    done, piece = 0, 1
    while done < steps:
        n = min(piece, steps - done)
        start = time.perf_counter()
        sums = run("train", data, data.samples, n, 0, np.broadcast_to(scalars, (n, scalars.size)))
        costs[done : done + n] = sums[:, 0] / data.samples
        done += n
        # the first piece may compile: never trust one measurement far
        piece = max(1, min(16 * piece, int(n * PIECE / max(time.perf_counter() - start, 1e-9))))
    return _split(vector, arrays), costs


def _with_cost(widths: tuple[int, ...], activation: str | Activation, output: str | Activation) -> DenseNetwork:
    """Return the network; its outputs must suit the cost."""
    network = dense_network(widths, activation, output, COST)
    name = network.activations[-1].name
    if name in ACTIVATIONS and name not in PROBABILITIES:
        raise InvalidValueError(
            f"the cost takes outputs in [0, 1]: output_activation must be one of {', '.join(PROBABILITIES)} "
            f"or your own, got {name!r}"
        )
    return network


def _data(network: DenseNetwork, X: Any, Y: Any, engine: Backend, allow_nonfinite: bool) -> tuple[Array, Array]:
    """Return checked samples and targets."""
    x = check_columns("X", X, network.widths[0])
    y = check_columns("Y", Y, network.widths[-1], x.shape[1])
    if not allow_nonfinite:
        check_finite("X", x, engine)
    check_probabilities("Y", y, engine, allow_nonfinite)
    return x, y


def _vector(arrays: Sequence[Array], dtype: np.dtype[Any]) -> Array:
    return np.concatenate(arrays, axis=None, dtype=dtype)


def _split(vector: Array, arrays: Sequence[Array]) -> dict[str, Array]:
    """Return the parts of a vector as W1, b1, ... in the shapes of ``arrays``."""
    parts, at = {}, 0
    for name, array in zip(layer_names("W b", len(arrays) // 2), arrays):
        parts[name] = vector[at : at + array.size].reshape(array.shape)
        at += array.size
    return parts


def _rule(rate: float, dtype: np.dtype[Any]) -> tuple[Any, Array]:
    """Return plain gradient descent's update rule and its scalars."""
    optimizer = SGD(rate)
    return optimizer.rule, optimizer.scalars([1], [rate])[0].astype(dtype)
