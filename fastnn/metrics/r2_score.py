"""R2, the coefficient of determination: 1 - (squared errors) / (squared deviations from the mean).

Per output, then the plain mean over outputs. The sums are streamed around each output's first target, so a
large common offset of the targets cancels before it is squared.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fastnn.errors import InvalidValueError
from fastnn.metrics.base import (
    METRICS,
    Floats,
    Metric,
    add_in_order,
    matching_rows,
    mean_over_outputs,
    weights_of,
)


class R2Score(Metric):
    """Coefficient of determination.

    An output whose targets are all equal scores 1 if it is predicted exactly and 0 if not, as in
    scikit-learn.
    """

    name = "r2_score"
    _first: Floats | None
    _sums: Floats

    def __init__(self) -> None:
        self.reset()

    def update(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> None:
        """Take in a batch; see ``Metric.update``."""
        true, pred = matching_rows(y_true, y_pred)
        weights = weights_of(sample_weight, len(true))[:, None]
        if not len(true):
            return
        if self._first is None:
            self._first = true[0]
            self._sums = np.zeros((4, true.shape[1]))
        elif self._first.size != true.shape[1]:
            raise InvalidValueError(f"r2_score began with {self._first.size} outputs, got {true.shape[1]}")
        deviation = true - self._first
        error = pred - true
        terms = (
            np.broadcast_to(weights, true.shape),
            weights * deviation,
            weights * (deviation * deviation),
            weights * (error * error),
        )
        self._sums = add_in_order(self._sums, np.stack(terms, axis=1))

    def result(self) -> float:
        """Return the mean over outputs of R2; NaN before anything of weight came."""
        if self._first is None or self._sums[0, 0] == 0:
            return float("nan")
        weight, linear, square, residual = self._sums
        spread = square - linear * linear / weight
        constant = spread <= 0
        ratio = residual / np.where(constant, 1.0, spread)
        score = np.where(constant, np.where(residual == 0, 1.0, 0.0), 1.0 - ratio)
        return float(mean_over_outputs(score[None, :])[0])

    def reset(self) -> None:
        """Forget everything taken in."""
        self._first = None
        self._sums = np.zeros((4, 0))


METRICS.register("r2_score", R2Score)
