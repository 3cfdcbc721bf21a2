"""``SequenceClassifier``: recurrent layers over the steps of a sample."""

from __future__ import annotations

from typing import Any

from fastnn.errors import InvalidValueError, unknown_name
from fastnn.estimators.cnn import listed
from fastnn.estimators.network import NetworkClassifier
from fastnn.estimators.parameters import store
from fastnn.layers import GRU, LSTM, Bidirectional, Layer, Reshape, SimpleRNN

CELLS = {"lstm": LSTM, "gru": GRU, "simple_rnn": SimpleRNN}


class SequenceClassifier(NetworkClassifier):
    """Recurrent network for sequences; the last layer's state after the last step decides.

    Parameters
    ----------
    units : int or sequence of int
        Of each recurrent layer.
    cell : {"lstm", "gru", "simple_rnn"}
    bidirectional : bool
        Whether each layer reads the steps in both directions.
    dropout : float
        Share of a layer's inputs left out in training.
    input_shape : tuple of int, optional
        ``(steps, features)``, or ``(steps,)`` of one feature: what rows of ``X`` are reshaped to. By default the shape
        of ``X``; in rows every column is a step of one feature.
    solver, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, random_state, tol, verbose, \
warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction, beta_1, beta_2, epsilon, \
n_iter_no_change, max_fun, loss, class_weight, callbacks, dtype, backend
        As for ``MLPClassifier``.
    """

    def __init__(self, units: Any = (64,), *, cell: str = "lstm", bidirectional: bool = False, dropout: float = 0.0,
                 input_shape: Any = None, solver: Any = "adam", batch_size: Any = 32,
                 learning_rate: Any = "constant", learning_rate_init: float = 0.001, power_t: float = 0.5,
                 max_iter: int = 200, shuffle: bool = True, random_state: Any = None, tol: float = 1e-4,
                 verbose: Any = False, warm_start: bool = False, momentum: float = 0.9,
                 nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: Any = 10,
                 max_fun: int = 15000, loss: Any = "log_loss", class_weight: Any = None, callbacks: Any = None,
                 dtype: Any = None, backend: Any = None) -> None:  # fmt: skip
        store(self, locals())

    def _hidden(self, shape: tuple[int, ...]) -> list[Layer]:
        if self.cell not in CELLS:
            raise unknown_name("cell", self.cell, CELLS)
        if len(shape) > 2:
            raise InvalidValueError(f"a SequenceClassifier takes sequences (steps, features), got {shape}")
        made: list[Layer] = [Reshape((*shape, 1))] if len(shape) == 1 else []
        units = listed("units", self.units)
        for place, size in enumerate(units):
            layer = CELLS[self.cell](size, return_sequences=place + 1 < len(units), dropout=self.dropout)
            made.append(Bidirectional(layer) if self.bidirectional else layer)
        return made
