"""Accuracy: how often the prediction names the right class, for binary, one-hot and integer targets.

The predicted class is the first of the largest outputs. ``resolve`` picks one of the three for
``"accuracy"``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastnn.errors import InvalidTypeError
from fastnn.metrics.base import (
    METRICS,
    Floats,
    MeanOverSamples,
    label_rows,
    matching_rows,
    mean_over_outputs,
)


class BinaryAccuracy(MeanOverSamples):
    """How often prediction and target lie on the same side; the mean over outputs if there are several.

    Parameters
    ----------
    threshold : float, default 0.5
        Predictions above it are positive (use 0 for logits). Targets are positive from 0.5 on, so {0, 1} and
        {-1, 1} both work.
    """

    name = "binary_accuracy"

    def __init__(self, threshold: float = 0.5) -> None:
        if isinstance(threshold, bool) or not isinstance(threshold, (int, float)):
            raise InvalidTypeError(f"threshold must be a number, got {threshold!r}")
        self.threshold = float(threshold)
        super().__init__()

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Floats:
        """Return the share of each sample's outputs that are right."""
        true, pred = matching_rows(y_true, y_pred)
        return mean_over_outputs(((true >= 0.5) == (pred > self.threshold)).astype(np.float64))


class CategoricalAccuracy(MeanOverSamples):
    """How often the largest output stands where the target row (one-hot or a distribution) is largest."""

    name = "categorical_accuracy"

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Floats:
        """Return 1 for each sample that is right, else 0."""
        true, pred = matching_rows(y_true, y_pred)
        right: Floats = (true.argmax(axis=1) == pred.argmax(axis=1)).astype(np.float64)
        return right


class SparseCategoricalAccuracy(MeanOverSamples):
    """How often the largest output stands at the integer label."""

    name = "sparse_categorical_accuracy"

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Floats:
        """Return 1 for each sample that is right, else 0."""
        labels, pred = label_rows(y_true, y_pred)
        right: Floats = (labels == pred.argmax(axis=1)).astype(np.float64)
        return right


METRICS.register("binary_accuracy", BinaryAccuracy)
METRICS.register("categorical_accuracy", CategoricalAccuracy)
METRICS.register("sparse_categorical_accuracy", SparseCategoricalAccuracy)
