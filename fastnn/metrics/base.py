"""What a metric is: an object that samples stream through and that can be asked for a number at any time.

Metrics run on the host in float64, whichever backend made the predictions, and add up samples one after
another, so their bits depend neither on the backend nor on how the samples were split into batches.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.registry import Registry

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


class Metric(ABC):
    """Base class of the metrics; rows are samples.

    Attributes
    ----------
    name : str
        The key under which histories and logs show the metric.
    """

    name: str = ""

    @abstractmethod
    def update(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> None:
        """Take in a batch.

        Parameters
        ----------
        y_true, y_pred : array, shape (N,) or (N, outputs)
            Targets and predictions.
        sample_weight : array, shape (N,), optional
            How much each sample counts, at least 0; 1 if not given.

        Raises
        ------
        InvalidValueError, InvalidTypeError
            If shapes do not fit together or a value is not accepted; the metric is then unchanged.
        """

    @abstractmethod
    def result(self) -> float:
        """Return the metric over everything taken in since ``reset``; NaN while there is no answer."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything taken in."""

    def state(self) -> dict[str, Any]:
        """Return what has been taken in since ``reset``: all attributes but the arguments and the name."""
        settings = {"name", *inspect.signature(type(self)).parameters}
        return {name: value for name, value in vars(self).items() if name not in settings}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what ``state`` returned."""
        vars(self).update(state)


METRICS: Registry[type[Metric]] = Registry("metric", "fastnn.metrics")


def float_rows(name: str, values: npt.ArrayLike) -> Floats:
    """Return ``values`` as float64 of shape (N, outputs)."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InvalidTypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim == 0:
        raise InvalidValueError(f"{name} must have one row per sample, got a single number {values!r}")
    columns = 1
    for size in array.shape[1:]:
        columns *= size
    return array.astype(np.float64).reshape(array.shape[0], columns)


def matching_rows(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return targets and predictions as float64 of one shape (N, outputs)."""
    true, pred = float_rows("y_true", y_true), float_rows("y_pred", y_pred)
    if true.shape != pred.shape:
        raise InvalidValueError(
            f"y_true and y_pred must have the same shape, got {np.shape(y_true)} and {np.shape(y_pred)}"
        )
    return true, pred


def label_rows(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Labels, Floats]:
    """Return integer labels of shape (N,) and predictions as float64 of shape (N, classes)."""
    true, pred = float_rows("y_true", y_true), float_rows("y_pred", y_pred)
    if true.shape != (len(pred), 1):
        raise InvalidValueError(
            f"y_true must hold one integer label per row of y_pred, got shapes {np.shape(y_true)} and "
            f"{np.shape(y_pred)}; one-hot targets belong to the metric without 'sparse'"
        )
    labels = true[:, 0]
    wrong = np.flatnonzero(~((labels >= 0) & (labels < pred.shape[1]) & (labels == np.floor(labels))))
    if wrong.size:
        raise InvalidValueError(
            f"labels must be integers from 0 to {pred.shape[1] - 1}, got {labels[wrong[0]]:g} at row {wrong[0]}"
        )
    return labels.astype(np.int64), pred


def weights_of(sample_weight: npt.ArrayLike | None, samples: int) -> Floats:
    """Return the samples' weights as float64 of shape (N,): ones if none are given."""
    if sample_weight is None:
        return np.ones(samples)
    weights = float_rows("sample_weight", sample_weight)
    if weights.shape != (samples, 1):
        raise InvalidValueError(
            f"sample_weight must hold one number per sample ({samples}), got shape {np.shape(sample_weight)}"
        )
    wrong = np.flatnonzero(~((weights[:, 0] >= 0) & np.isfinite(weights[:, 0])))
    if wrong.size:
        raise InvalidValueError(
            f"sample weights must be finite and at least 0, got {weights[wrong[0], 0]} at row {wrong[0]}"
        )
    return weights[:, 0]


def add_in_order(start: Any, terms: npt.NDArray[Any]) -> Any:
    """Return ``start`` plus the terms (rows), one after another."""
    return np.add.accumulate(np.concatenate([np.asarray([start]), terms]), axis=0)[-1]


def mean_over_outputs(terms: Floats) -> Floats:
    """Return each row's sum, in ascending order from +0, divided by the number of columns."""
    total: Floats = np.zeros(terms.shape[0])
    for j in range(terms.shape[1]):
        total = total + terms[:, j]
    mean: Floats = total / max(terms.shape[1], 1)
    return mean


class MeanOverSamples(Metric):
    """A metric that is the weighted mean of one value per sample: ``values(y_true, y_pred)``, shape (N,)."""

    _total: np.float64
    _weight: np.float64

    def __init__(self) -> None:
        self.reset()

    @abstractmethod
    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Floats:
        """Return each sample's value."""

    def update(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> None:
        """Take in a batch; see ``Metric.update``."""
        values = self.values(y_true, y_pred)
        weights = weights_of(sample_weight, len(values))
        self._total = add_in_order(self._total, values * weights)
        self._weight = add_in_order(self._weight, weights)

    def result(self) -> float:
        """Return the weighted mean; NaN before anything of weight came."""
        return float(self._total / self._weight) if self._weight > 0 else float("nan")

    def reset(self) -> None:
        """Forget everything taken in."""
        self._total = np.float64(0.0)
        self._weight = np.float64(0.0)
