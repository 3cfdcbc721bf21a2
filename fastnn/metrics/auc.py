"""Area under the ROC curve, exact: the chance that a positive sample scores above a negative one, ties half.

Computed from all scores, not from a grid of thresholds (Keras' default is 200 thresholds): 17 bytes a
sample are kept until ``reset``. Without weights all sums are whole numbers, so only the last division
rounds. Source: Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 27 (2006), algorithm
3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastnn.errors import InvalidValueError
from fastnn.metrics.base import METRICS, Floats, Metric, add_in_order, matching_rows, weights_of


class AUC(Metric):
    """Area under the ROC curve of one score per sample; targets are positive from 0.5 on."""

    name = "auc"

    def __init__(self) -> None:
        self.reset()

    def update(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> None:
        """Take in a batch; see ``Metric.update``."""
        true, pred = matching_rows(y_true, y_pred)
        if true.shape[1] != 1:
            raise InvalidValueError(f"auc takes one score per sample, got shape {np.shape(y_pred)}")
        weights = weights_of(sample_weight, len(true))
        wrong = np.flatnonzero(np.isnan(pred[:, 0]))
        if wrong.size:
            raise InvalidValueError(f"auc cannot rank NaN, got one at row {wrong[0]} of y_pred")
        self._batches.append((pred[:, 0].copy(), true[:, 0] >= 0.5, weights.copy()))

    def result(self) -> float:
        """Return the area; NaN unless there are positive and negative samples."""
        if not self._batches:
            return float("nan")
        scores, positive, weights = (np.concatenate(parts) for parts in zip(*self._batches))
        order = np.argsort(-scores, kind="stable")
        scores, positive, weights = scores[order], positive[order], weights[order]
        last_of_ties = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: scores.size])
        above = np.add.accumulate(np.where(positive, weights, 0.0))[last_of_ties]
        below = np.add.accumulate(np.where(positive, 0.0, weights))[last_of_ties]
        if not above.size or above[-1] == 0 or below[-1] == 0:
            return float("nan")
        height = above + np.concatenate([[0.0], above[:-1]])
        width = below - np.concatenate([[0.0], below[:-1]])
        doubled = add_in_order(0.0, width * height)
        return float(doubled / (2.0 * above[-1] * below[-1]))

    def reset(self) -> None:
        """Forget everything taken in."""
        self._batches: list[tuple[Floats, npt.NDArray[np.bool_], Floats]] = []


METRICS.register("auc", AUC)
