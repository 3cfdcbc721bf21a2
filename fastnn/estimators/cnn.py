"""``CNNClassifier``: convolutions and pooling over images or signals, then dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.estimators.network import NetworkClassifier
from fastnn.estimators.parameters import store
from fastnn.layers import Conv1D, Conv2D, Dense, Dropout, Flatten, Layer, MaxPooling1D, MaxPooling2D, Reshape


class CNNClassifier(NetworkClassifier):
    """Convolutional network for images or signals.

    Parameters
    ----------
    filters : int or sequence of int
        Of each convolution; a pooling follows each while the samples are large enough.
    kernel_size, pool_size : int
    dense : int or sequence of int
        Units of the hidden layers after the convolutions.
    activation : str, Activation or callable
    dropout : float
        Share of the outputs left out before each dense layer in training.
    input_shape : tuple of int, optional
        ``(height, width, channels)`` of images, ``(length, channels)`` of signals: what rows of ``X`` are reshaped
        to. By default the shape of ``X``; rows are signals of one channel.
    solver, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, \
warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun, loss, class_weight, callbacks, dtype, backend
        As for ``MLPClassifier``.
    """

    def __init__(self, filters: Any = (16, 32), *, kernel_size: int = 3, pool_size: int = 2, dense: Any = (64,),
                 activation: Any = "relu", dropout: float = 0.0, input_shape: Any = None, solver: Any = "adam",
                 batch_size: Any = 32, learning_rate: Any = "constant", learning_rate_init: float = 0.001,
                 power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True, random_state: Any = None,
                 tol: float = 1e-4, verbose: Any = False, warm_start: bool = False, momentum: float = 0.9,
                 nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: Any = 10,
                 max_fun: int = 15000, loss: Any = "log_loss", class_weight: Any = None, callbacks: Any = None,
                 dtype: Any = None, backend: Any = None) -> None:  # fmt: skip
        store(self, locals())

    def _hidden(self, shape: tuple[int, ...]) -> list[Layer]:
        made: list[Layer] = []
        if len(shape) > 3:
            raise InvalidValueError(f"a CNNClassifier takes images or signals, got samples of shape {shape}")
        image = len(shape) == 3
        if len(shape) == 1:
            made.append(Reshape((*shape, 1)))
        convolution, pooling = (Conv2D, MaxPooling2D) if image else (Conv1D, MaxPooling1D)
        smallest = min(shape[:2]) if image else shape[0]
        for filters in listed("filters", self.filters):
            made.append(convolution(filters, self.kernel_size, padding="same", activation=self.activation))
            if smallest >= self.pool_size:
                made.append(pooling(self.pool_size))
                smallest //= self.pool_size
        made.append(Flatten())
        for units in listed("dense", self.dense):
            if self.dropout:
                made.append(Dropout(self.dropout))
            made.append(Dense(units, activation=self.activation))
        return made


def listed(name: str, sizes: Any) -> list[Any]:
    """Return one size or several as a list; layers check the numbers."""
    if isinstance(sizes, str) or not (isinstance(sizes, Sequence) or hasattr(sizes, "__index__")):
        raise InvalidTypeError(f"{name} must be a whole number or a sequence of them, got {sizes!r}")
    return list(sizes) if isinstance(sizes, Sequence) else [sizes]
