"""Gradient descent: one update, or the whole loop compiled."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.activations import Activation
from fastnn.backends import Backend, get_backend
from fastnn.errors import InvalidValueError
from fastnn.optimizers import SGD
from fastnn.optimizers.base import non_negative
from fastnn.plan.data import Data
from fastnn.plan.executor import State
from fastnn.tutorial import calls
from fastnn.tutorial.checks import (
    Array,
    Parameters,
    check_layers,
    common_dtype,
    layer_names,
    read_dictionary,
    read_parameters,
)
from fastnn.tutorial.passes import checked_data, network_with_cost
from fastnn.validation import positive_whole

PIECE = 0.04
"""Seconds that compiled steps run before Python looks up: Ctrl-C works in between."""


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
    found = calls.update(engine, parameters, grads, rate)
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
    calls.count_update(engine, arrays, gradients, dtype)
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
    network = network_with_cost(widths, activation, output_activation)
    x, y = checked_data(network, X, Y, engine, allow_nonfinite)
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
