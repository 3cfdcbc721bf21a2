"""Top-k accuracy: how often the right class is among the k largest outputs, ties going to the first index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.metrics.base import METRICS, Floats, Labels, MeanOverSamples, label_rows, matching_rows


def among_largest(labels: Labels, pred: Floats, k: int) -> Floats:
    """Return 1 for each row in which fewer than ``k`` outputs come before the label's, else 0."""
    score = pred[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(pred.shape[1])[None, :] < labels[:, None]
    before = (pred > score) | ((pred == score) & earlier)
    right: Floats = (np.count_nonzero(before, axis=1) < k).astype(np.float64)
    return right


class TopKCategoricalAccuracy(MeanOverSamples):
    """How often the target's class (one-hot rows) is among the ``k`` largest outputs.

    Parameters
    ----------
    k : int, default 5
        At least 1.
    """

    name = "top_k_categorical_accuracy"

    def __init__(self, k: int = 5) -> None:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
            raise InvalidTypeError(f"k must be an integer, got {k!r}")
        if k < 1:
            raise InvalidValueError(f"k must be at least 1, got {k!r}")
        self.k = int(k)
        super().__init__()

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Floats:
        """Return 1 for each sample that is right, else 0."""
        true, pred = matching_rows(y_true, y_pred)
        return among_largest(true.argmax(axis=1), pred, self.k)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """How often the integer label is among the ``k`` largest outputs.

    Parameters
    ----------
    k : int, default 5
        At least 1.
    """

    name = "sparse_top_k_categorical_accuracy"

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Floats:
        """Return 1 for each sample that is right, else 0."""
        labels, pred = label_rows(y_true, y_pred)
        return among_largest(labels, pred, self.k)


METRICS.register("top_k_categorical_accuracy", TopKCategoricalAccuracy)
METRICS.register("sparse_top_k_categorical_accuracy", SparseTopKCategoricalAccuracy)
