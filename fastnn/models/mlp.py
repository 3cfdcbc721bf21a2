"""A multilayer perceptron from a few numbers: what searches vary and ``fastnn train`` trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn import optimizers
from fastnn.activations import ACTIVATIONS
from fastnn.errors import InvalidTypeError, InvalidValueError, unknown_name
from fastnn.layers import Dense, Dropout, Layer
from fastnn.models.sequential import Sequential
from fastnn.regularizers import L1L2
from fastnn.validation import positive_whole

TASKS = ("classification", "regression")


@dataclass(frozen=True)
class MLPBuilder:
    """Builds and compiles multilayer perceptrons for one task; call it with what is to vary.

    Parameters
    ----------
    task : "classification" or "regression"
        Softmax with integer labels and accuracy, or linear outputs with the mean squared error and the mean
        absolute error.
    outputs : int
        Classes, or targets a sample.
    dtype : "float32" or "float64"

    Examples
    --------
    >>> model = MLPBuilder("classification", 3)(depth=2, width=16, dropout=0.1)
    >>> [layer.kind for layer in model.layers]
    ['dense', 'dropout', 'dense', 'dropout', 'dense']
    """

    task: str
    outputs: int
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise InvalidValueError(f"task must be one of {', '.join(TASKS)}, got {self.task!r}")
        positive_whole("outputs", self.outputs)

    @property
    def measured(self) -> tuple[str, ...]:
        """What histories of its models hold: losses and metrics, of training and validation."""
        own = ("loss", "accuracy" if self.task == "classification" else "mean_absolute_error")
        return *own, *(f"val_{name}" for name in own)

    def check(self, space: Mapping[str, Any], metric: str) -> None:
        """Refuse names that no model of a search will know, before the first is trained.

        Parameters
        ----------
        space : mapping
            Of ``fastnn.search``.
        metric : str

        Raises
        ------
        UnknownNameError
        """
        if metric not in self.measured:
            raise unknown_name("metric", metric, self.measured)
        for name, registry in (("activation", ACTIVATIONS), ("optimizer", optimizers.OPTIMIZERS)):
            for value in space.get(name, ()):
                if isinstance(value, str):
                    registry[value]

    def __call__(self, *, depth: int = 1, width: int = 64, hidden: Sequence[int] | None = None,
                 activation: Any = "relu", dropout: float = 0.0, l1: float = 0.0, l2: float = 0.0,
                 optimizer: str = "adam", learning_rate: Any = 0.001, seed: int = 0) -> Sequential:  # fmt: skip
        """Return a compiled model.

        Parameters
        ----------
        depth, width : int
            Hidden layers, and units of each.
        hidden : sequence of int, optional
            Units of each hidden layer, instead of the two.
        activation : str, Activation or callable
            Of the hidden layers.
        dropout : float
            Share of each hidden layer's outputs dropped in training.
        l1, l2 : float
            Factors of the penalties on all kernels.
        optimizer : str
        learning_rate : float or schedule
        seed : int
        """
        if isinstance(hidden, int | str):
            raise InvalidTypeError(f"hidden must list the units of each hidden layer, got {hidden!r}")
        sizes = [width] * positive_whole("depth", depth, zero=True) if hidden is None else list(hidden)
        penalty = L1L2(l1, l2) if l1 or l2 else None
        layers: list[Layer] = []
        for units in sizes:
            layers.append(Dense(units, activation=activation, kernel_regularizer=penalty))
            if dropout:
                layers.append(Dropout(dropout))
        last = "softmax" if self.task == "classification" else None
        layers.append(Dense(self.outputs, activation=last, kernel_regularizer=penalty))
        model = Sequential(layers, dtype=self.dtype, seed=seed)
        rule = optimizers.OPTIMIZERS[optimizer](learning_rate)
        if self.task == "classification":
            model.compile(rule, "sparse_categorical_crossentropy", ["accuracy"])
        else:
            model.compile(rule, "mean_squared_error", ["mean_absolute_error"])
        return model


def mlp_for(y: Any, task: str | None = None, dtype: str = "float32") -> MLPBuilder:
    """Return the builder that fits targets: integers (N,) are classes, other numbers are regressed.

    Parameters
    ----------
    y : array_like (N,) or (N, M)
    task : "classification" or "regression", optional
    dtype : "float32" or "float64"
    """
    targets = np.asarray(y)
    if targets.dtype.kind not in "buif" or targets.ndim not in (1, 2) or not len(targets):
        raise InvalidValueError(
            f"targets must be numbers of shape (samples,) or (samples, outputs), got {targets.dtype} {targets.shape}"
        )
    if task is None:
        task = "classification" if targets.dtype.kind in "bui" and targets.ndim == 1 else "regression"
    if task == "classification":
        return MLPBuilder(task, max(2, int(targets.max()) + 1), dtype)
    return MLPBuilder(task, 1 if targets.ndim == 1 else targets.shape[1], dtype)


__all__ = ["TASKS", "MLPBuilder", "mlp_for"]
