"""The losses under the names of Keras' classes, as functions that return a ``Loss``."""

from __future__ import annotations

from fastnn.losses.base import LOSSES, Loss


def _from_logits(name: str, from_logits: bool) -> Loss:
    return LOSSES[f"{name}_from_logits" if from_logits else name]


def BinaryCrossentropy(from_logits: bool = False) -> Loss:
    """Return binary cross-entropy, of probabilities or of logits."""
    return _from_logits("binary_crossentropy", from_logits)


def CategoricalCrossentropy(from_logits: bool = False) -> Loss:
    """Return cross-entropy against one-hot targets, of probabilities or of logits."""
    return _from_logits("categorical_crossentropy", from_logits)


def SparseCategoricalCrossentropy(from_logits: bool = False) -> Loss:
    """Return cross-entropy against integer labels, of probabilities or of logits."""
    return _from_logits("sparse_categorical_crossentropy", from_logits)


def MeanSquaredError() -> Loss:
    """Return the mean over outputs of the squared error."""
    return LOSSES["mean_squared_error"]


def MeanAbsoluteError() -> Loss:
    """Return the mean over outputs of the absolute error."""
    return LOSSES["mean_absolute_error"]


def Huber(delta: float = 1.0) -> Loss:
    """Return the Huber loss, quadratic for errors up to ``delta`` and linear beyond."""
    return LOSSES["huber"].with_delta(delta)


def LogCosh() -> Loss:
    """Return the mean over outputs of log(cosh(error))."""
    return LOSSES["log_cosh"]


def Hinge() -> Loss:
    """Return the hinge loss, for targets in {-1, 1} or {0, 1}."""
    return LOSSES["hinge"]


def Poisson() -> Loss:
    """Return the Poisson deviance up to a constant."""
    return LOSSES["poisson"]


def KLDivergence() -> Loss:
    """Return the Kullback-Leibler divergence of the prediction from the target distribution."""
    return LOSSES["kl_divergence"]
