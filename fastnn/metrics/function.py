"""A metric from a plain Python function of targets and predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.metrics.base import MeanOverSamples, float_rows


class FunctionMetric(MeanOverSamples):
    """The weighted mean of what ``function(y_true, y_pred)`` returns.

    Parameters
    ----------
    function : callable
        Returns one number per sample (shape (N,) or (N, 1)), averaged over samples with their weights; or one
        number for the batch, averaged over batches with the sum of their samples' weights.
    name : str, optional
        The function's own name if not given.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        if not callable(function):
            raise InvalidTypeError(f"a metric function must be callable, got {function!r}")
        self.function = function
        self.name = str(name or getattr(function, "__name__", type(function).__name__))
        super().__init__()

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the function's answer, repeated for each sample if it is one number."""
        samples = len(np.asarray(y_pred))
        answer = np.asarray(self.function(y_true, y_pred))
        if answer.dtype.kind not in "biuf":
            raise InvalidTypeError(f"metric {self.name!r} must return real numbers, got dtype {answer.dtype}")
        if answer.ndim == 0:
            return np.full(samples, float(answer))
        values = float_rows(f"the answer of metric {self.name!r}", answer)
        if values.shape != (samples, 1):
            raise InvalidValueError(
                f"metric {self.name!r} must return one number or one per sample ({samples}), got shape {answer.shape}"
            )
        return values[:, 0]
