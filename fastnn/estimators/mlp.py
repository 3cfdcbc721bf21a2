"""What ``MLPClassifier`` and ``MLPRegressor`` have in common: their layers, penalties and weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.estimators.base import NetworkEstimator
from fastnn.estimators.hidden import Hidden, dense, hidden_of, penalize
from fastnn.estimators.losses import Objective
from fastnn.estimators.parameters import LAYERS, TRAINING
from fastnn.layers import Layer
from fastnn.models import Sequential

Array = np.ndarray[Any, Any]


class MultilayerPerceptron(NetworkEstimator):
    """Base class of the two."""

    _checks = TRAINING | LAYERS

    def _stack(self) -> Hidden:
        """Return the hidden layers that the parameters describe."""
        return hidden_of(self.hidden_layer_sizes, self.activation, self.activations, self.dropout,
                         self.batch_normalization)  # fmt: skip

    def _hidden(self, shape: tuple[int, ...]) -> list[Layer]:
        return self._stack().layers(shape[0])

    def _output(self, units: int) -> Layer:
        stack = self._stack()
        return dense(stack.units[-1] if stack.units else self.n_features_in_, units, stack.last)

    def _penalize(self, model: Sequential, samples: float) -> None:
        """Divide penalties by the (weighted) samples of a minibatch, and halve the squares, as scikit-learn does."""
        if penalize(model, self.l1 / samples, 0.5 * self.alpha / samples):
            model._executors.clear()

    def _same_model(self, shape: tuple[int, ...]) -> Sequential:
        model = super()._same_model(shape)
        units = self._stack().units
        if units != tuple(c.shape[1] for c in self.coefs_[:-1]):
            raise InvalidValueError(
                f"a warm start keeps the network: hidden_layer_sizes were {[c.shape[1] for c in self.coefs_[:-1]]},"
                f" got {list(units)}"
            )
        return model

    def _learn_shape(self, model: Sequential, objective: Objective) -> None:
        super()._learn_shape(model, objective)
        self.n_layers_ = len(self._stack().units) + 2

    # --- weights ------------------------------------------------------------------------------------

    @property
    def coefs_(self) -> list[Array]:
        """Weights of each layer, (inputs, units): views of the network's, so writing into one changes it."""
        return [self._weights(number)[0].T for number in self._numbers()]

    @coefs_.setter
    def coefs_(self, arrays: Sequence[Any]) -> None:
        self._write("coefs_", self.coefs_, arrays)

    @property
    def intercepts_(self) -> list[Array]:
        """Biases of each layer, (units,): views as well."""
        return [self._weights(number)[1] for number in self._numbers()]

    @intercepts_.setter
    def intercepts_(self, arrays: Sequence[Any]) -> None:
        self._write("intercepts_", self.intercepts_, arrays)

    def _weights(self, number: int) -> tuple[Array, Array]:
        views = self._model().weights
        return views[f"W{number}"], views[f"b{number}"]

    def _numbers(self) -> list[int]:
        return sorted(int(name[1:]) for name in self._model().weights if name.startswith("W"))

    def _model(self) -> Sequential:
        if "model_" not in vars(self):
            raise AttributeError(f"this {type(self).__name__} has no weights: call fit first")
        return self.model_

    @staticmethod
    def _write(name: str, views: list[Array], arrays: Sequence[Any]) -> None:
        """Write arrays into the network's weights; all are checked before one is written."""
        given = [np.asarray(array) for array in arrays]
        wanted = [view.shape for view in views]
        if [array.shape for array in given] != wanted:
            raise InvalidValueError(f"{name} must have shapes {wanted}, got {[array.shape for array in given]}")
        for view, array in zip(views, given, strict=True):
            view[...] = array
