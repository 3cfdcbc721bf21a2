"""The layers of a multilayer perceptron, from scikit-learn's parameters and those it lacks.

A hidden layer is ``Dense``, then batch normalization, the activation and dropout where they are asked for. Initial
weights and biases are scikit-learn's: uniform within ``sqrt(6 / (inputs + units))``, for the logistic activation
``sqrt(2 / (inputs + units))``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastnn.activations import Activation as ActivationFunction
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.initializers import RandomUniform
from fastnn.layers import Activation, BatchNormalization, Dense, Dropout, Layer
from fastnn.layers.activation import resolve_activation
from fastnn.models import Sequential
from fastnn.regularizers import L1L2

ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid"}
"""scikit-learn's names that differ from ours."""


@dataclass(frozen=True)
class Hidden:
    """The hidden layers: units, activation and dropout rate of each, and how the last layer starts.

    Attributes
    ----------
    units : tuple of int
    activations : tuple of Activation
    dropout : tuple of float
    normalized : bool
        Whether each is batch-normalized.
    last : Activation
        Whose rule of initial weights the output layer follows.
    """

    units: tuple[int, ...]
    activations: tuple[ActivationFunction, ...]
    dropout: tuple[float, ...]
    normalized: bool
    last: ActivationFunction

    def layers(self, features: int) -> list[Layer]:
        """Return the layers for samples of so many features."""
        made: list[Layer] = []
        for units, activation, rate in zip(self.units, self.activations, self.dropout, strict=True):
            made.append(dense(features, units, activation))
            if self.normalized:
                made.append(BatchNormalization())
            made.append(Activation(activation))
            if rate:
                made.append(Dropout(rate))
            features = units
        return made


def dense(features: int, units: int, activation: ActivationFunction) -> Dense:
    """Return a linear layer that starts as scikit-learn's before such an activation."""
    factor = 2.0 if activation.name == "sigmoid" else 6.0
    bound = float(np.sqrt(factor / (features + units)))
    start = RandomUniform(-bound, bound)
    return Dense(units, kernel_initializer=start, bias_initializer=start)


def hidden_of(sizes: Any, activation: Any, activations: Any, dropout: Any, normalized: bool) -> Hidden:
    """Return the hidden layers that an estimator's parameters describe.

    Parameters
    ----------
    sizes : int or sequence of int
    activation : str, Activation or callable
        Of all hidden layers.
    activations : sequence, optional
        Of each, in its place.
    dropout : float or sequence of float
        Share of each hidden layer's outputs left out in training; one for all, or one for each.
    normalized : bool

    Raises
    ------
    InvalidValueError, InvalidTypeError
    """
    units = _units(sizes)
    one = _activation(activation)
    each = (one,) * len(units)
    if activations is not None:
        if isinstance(activations, str) or not isinstance(activations, Sequence):
            raise InvalidTypeError(f"activations must list one activation per hidden layer, got {activations!r}")
        if len(activations) != len(units):
            raise InvalidValueError(
                f"activations must name one for each of the {len(units)} hidden layers, got {activations!r}"
            )
        each = tuple(_activation(a) for a in activations)
    return Hidden(units, each, _rates(dropout, len(units)), bool(normalized), each[-1] if each else one)


def _units(sizes: Any) -> tuple[int, ...]:
    listed = [sizes] if isinstance(sizes, Integral) else sizes
    if isinstance(listed, str) or not hasattr(listed, "__iter__"):
        raise InvalidTypeError(f"hidden_layer_sizes must be a whole number or a sequence of them, got {sizes!r}")
    listed = list(listed)
    for size in listed:
        if isinstance(size, bool) or not isinstance(size, Integral):
            raise InvalidTypeError(f"hidden_layer_sizes must hold whole numbers, got {size!r}")
        if size <= 0:
            raise InvalidValueError(f"hidden_layer_sizes must be > 0, got {listed}")
    return tuple(int(size) for size in listed)


def _activation(activation: Any) -> ActivationFunction:
    name = ACTIVATIONS.get(activation, activation) if isinstance(activation, str) else activation
    return resolve_activation(name)


def _rates(dropout: Any, layers: int) -> tuple[float, ...]:
    rates = [dropout] * layers if isinstance(dropout, Real) else dropout
    if isinstance(dropout, bool) or isinstance(rates, str) or not isinstance(rates, Sequence):
        raise InvalidTypeError(f"dropout must be a number or one for each hidden layer, got {dropout!r}")
    if len(rates) != layers:
        raise InvalidValueError(f"dropout must hold one rate for each of the {layers} hidden layers, got {dropout!r}")
    for rate in [*rates, dropout] if isinstance(dropout, Real) else rates:
        if isinstance(rate, bool) or not isinstance(rate, Real):
            raise InvalidTypeError(f"dropout must hold numbers, got {rate!r}")
        if not 0 <= float(rate) < 1:
            raise InvalidValueError(f"dropout must be in [0, 1), got {rate!r}")
    return tuple(float(rate) for rate in rates)


def penalize(model: Sequential, l1: float, l2: float) -> bool:
    """Give all dense layers these penalties of their weights; return whether that changed anything."""
    wanted = L1L2(l1, l2) if l1 or l2 else None
    changed = False
    for layer in model.layers:
        if isinstance(layer, Dense) and layer.kernel_regularizer != wanted:
            layer.kernel_regularizer = wanted
            changed = True
    return changed
