"""Mean squared and mean absolute error, over the outputs of a sample and then over samples."""

from __future__ import annotations

import numpy.typing as npt

from fastnn.metrics.base import METRICS, Floats, MeanOverSamples, matching_rows, mean_over_outputs


class MeanSquaredError(MeanOverSamples):
    """Mean of ``(y_pred - y_true)**2``."""

    name = "mean_squared_error"

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Floats:
        """Return each sample's mean over outputs."""
        true, pred = matching_rows(y_true, y_pred)
        return mean_over_outputs((pred - true) * (pred - true))


class MeanAbsoluteError(MeanOverSamples):
    """Mean of ``abs(y_pred - y_true)``."""

    name = "mean_absolute_error"

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Floats:
        """Return each sample's mean over outputs."""
        true, pred = matching_rows(y_true, y_pred)
        return mean_over_outputs(abs(pred - true))


METRICS.register("mean_squared_error", MeanSquaredError)
METRICS.register("mse", MeanSquaredError)
METRICS.register("mean_absolute_error", MeanAbsoluteError)
METRICS.register("mae", MeanAbsoluteError)
