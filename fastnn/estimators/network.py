"""``NetworkClassifier`` and ``NetworkRegressor``: any stack of layers that a function returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.errors import InvalidTypeError
from fastnn.estimators.base import NetworkEstimator
from fastnn.estimators.classifying import NetworkClassifierMixin
from fastnn.estimators.parameters import store
from fastnn.estimators.regressing import NetworkRegressorMixin
from fastnn.layers import Dense, Layer
from fastnn.models import Sequential

DEFAULT_UNITS = 100


class BuiltNetwork(NetworkEstimator):
    """Base class of estimators whose layers come from a function."""

    def _hidden(self, shape: tuple[int, ...]) -> list[Layer]:
        builder = self.model_builder
        if builder is None:
            return [Dense(DEFAULT_UNITS, activation="relu")]
        if not callable(builder):
            raise InvalidTypeError(f"model_builder must be a function of the shape of a sample, got {builder!r}")
        made = builder(shape)
        layers = made.layers if isinstance(made, Sequential) else made
        if not isinstance(layers, Sequence) or not all(isinstance(layer, Layer) for layer in layers):
            raise InvalidTypeError(f"model_builder must return layers or a Sequential, got {made!r}")
        return list(layers)

    def _output(self, units: int) -> Layer:
        return Dense(units)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class NetworkClassifier(NetworkClassifierMixin, BuiltNetwork):
    """Classifier with layers of your own.

    Parameters
    ----------
    model_builder : callable, optional
        Takes the shape of a sample and returns the layers (or a ``Sequential`` of them) before the output, whose layer
        is added: as many units as the labels need. Without it there is one hidden layer of 100 units. A function at
        the top of a module can be pickled.
    input_shape : tuple of int, optional
        What rows of ``X`` are reshaped to: ``(height, width, channels)``, ``(steps, features)``. ``X`` may have that
        shape itself.
    solver, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, \
warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun, loss, class_weight, callbacks, dtype, backend
        As for ``MLPClassifier``. Penalties are the layers' own.

    Attributes
    ----------
    classes_, loss_, best_loss_, loss_curve_, validation_scores_, validation_loss_curve_, best_validation_score_, t_, \
n_iter_, n_outputs_, n_features_in_, feature_names_in_, out_activation_, model_
        As of ``MLPClassifier``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> def layers(shape):
    ...     return [Dense(16, activation="tanh")]
    >>> model = NetworkClassifier(layers, solver="lbfgs", random_state=0, backend="numpy")
    >>> model.fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(self, model_builder: Any = None, *, input_shape: Any = None, solver: Any = "adam",
                 batch_size: Any = "auto", learning_rate: Any = "constant", learning_rate_init: float = 0.001,
                 power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True, random_state: Any = None,
                 tol: float = 1e-4, verbose: Any = False, warm_start: bool = False, momentum: float = 0.9,
                 nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: Any = 10,
                 max_fun: int = 15000, loss: Any = "log_loss", class_weight: Any = None, callbacks: Any = None,
                 dtype: Any = None, backend: Any = None) -> None:  # fmt: skip
        store(self, locals())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NetworkRegressor(NetworkRegressorMixin, BuiltNetwork):
    """Regressor with layers of your own.

    Parameters
    ----------
    model_builder, input_shape
        As for ``NetworkClassifier``.
    loss : {"squared_error", "poisson"}, or any loss of fastnn
        As for ``MLPRegressor``.
    solver, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, \
warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun, callbacks, dtype, backend
        As for ``MLPRegressor``.
    """

    def __init__(self, model_builder: Any = None, *, input_shape: Any = None, loss: Any = "squared_error",
                 solver: Any = "adam", batch_size: Any = "auto", learning_rate: Any = "constant",
                 learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
                 random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
                 momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
                 validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
                 n_iter_no_change: Any = 10, max_fun: int = 15000, callbacks: Any = None, dtype: Any = None,
                 backend: Any = None) -> None:  # fmt: skip
        store(self, locals())
