"""The parameters of a model: one flat vector, seen by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.plan.plan import Parameter, Plan
from fastnn.validation import as_numbers, check_finite

Array = np.ndarray[Any, Any]


def initial_vector(plan: Plan, dtype: np.dtype[Any], seed: int, random: Any) -> Array:
    """Return a new parameter vector, each parameter drawn by its initializer from a stream of its own.

    Parameters
    ----------
    plan : Plan
    dtype : numpy dtype
    seed : int
    random : module
        The backend's random functions; both give the same bits.
    """
    vector = np.empty(plan.size, dtype)
    for number, p in enumerate(plan.parameters):
        drawn = p.initializer(p.shape, p.fan_in, p.fan_out, dtype, seed, number, random=random)
        vector[p.offset : p.offset + p.size] = drawn.reshape(-1)
    return vector


def initial_statistics(plan: Plan, dtype: np.dtype[Any]) -> Array:
    """Return a new vector of statistics, each at its initializer's start."""
    vector = np.empty(plan.statistics_size, dtype)
    for p in plan.statistics:
        vector[p.offset : p.offset + p.size] = p.initializer(p.shape, p.fan_in, p.fan_out, dtype, 0, 0).reshape(-1)
    return vector


def named_views(plan: Plan, vector: Array) -> dict[str, Array]:
    """Return views of a vector by parameter name: ``{"W1": (units, inputs), "b1": (units,), ...}``."""
    return {p.name: vector[p.offset : p.offset + p.size].reshape(p.shape) for p in plan.parameters}


def named_statistics(plan: Plan, statistics: Array) -> dict[str, Array]:
    """Return views of the vector of statistics by name: ``{"mean2": (channels,), "variance2": (channels,), ...}``."""
    return {p.name: statistics[p.offset : p.offset + p.size].reshape(p.shape) for p in plan.statistics}


def keras_arrays(plan: Plan, vector: Array, statistics: Array) -> list[Array]:
    """Return copies in Keras' order and layout: kernels (inputs, units), biases (units,), and so on layer by layer.

    Statistics stand where their layer made them: gamma, beta, moving mean, moving variance.
    """
    return [np.array(_in_keras_axes(p, vector, statistics), order="C") for p in _in_order(plan)]


def _in_order(plan: Plan) -> list[Parameter]:
    """Return all arrays, trained or not, in the order in which layers made them."""
    return sorted((*plan.parameters, *plan.statistics), key=lambda p: p.place)


def _in_keras_axes(p: Parameter, vector: Array, statistics: Array) -> Array:
    """Return an array as a view of its vector whose axes are Keras'."""
    vector = vector if p.trained else statistics
    view = vector[p.offset : p.offset + p.size].reshape(p.shape)
    return view.T if p.keras is None else view.reshape(p.keras.view or p.shape).transpose(p.keras.axes)


def load_keras_arrays(plan: Plan, vector: Array, statistics: Array, arrays: Sequence[Any]) -> None:
    """Write arrays in Keras' order and layout into the vectors; all are checked first.

    Raises
    ------
    InvalidValueError
        If their number or a shape is wrong, or one holds NaN or infinity.
    """
    found = _in_order(plan)
    if len(arrays) != len(found):
        raise InvalidValueError(f"the model has {len(found)} weight arrays, got {len(arrays)}")
    checked = []
    for p, given in zip(found, arrays, strict=True):
        array = as_numbers(p.name, given, vector.dtype)
        wanted = _in_keras_axes(p, vector, statistics).shape
        if array.shape != wanted:
            raise InvalidValueError(f"{p.name} must have shape {wanted}, got {array.shape}")
        check_finite(p.name, np.atleast_1d(array))
        checked.append(array)
    for p, array in zip(found, checked, strict=True):
        _in_keras_axes(p, vector, statistics)[...] = array
