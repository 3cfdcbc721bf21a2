"""What regressors add: numbers in, one or several for each sample, and numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if

from fastnn.errors import InvalidValueError
from fastnn.estimators.base import NetworkEstimator
from fastnn.estimators.classifying import steps
from fastnn.estimators.inputs import Samples
from fastnn.estimators.losses import Objective, linked, regression
from fastnn.formulas import exp
from fastnn.metrics import Metric, R2Score

Array = np.ndarray[Any, Any]


class NetworkRegressorMixin(RegressorMixin, NetworkEstimator):
    """Base class of the regressors."""

    _numeric = True

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
            sample_weight_val: Any = None) -> Any:  # fmt: skip
        """Fit the network to samples and numbers.

        Parameters
        ----------
        X : array_like or sparse of shape (n_samples, n_features)
            float64 is computed in float64 and float32 in float32, unless ``dtype`` says otherwise.
        y : array_like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array_like of shape (n_samples,), optional
            Scaled to a mean of 1; samples of weight 0 are left out.
        X_val, y_val, sample_weight_val : array_like, optional
            What the curves of validation, and early stopping, are computed on; without them early stopping takes
            ``validation_fraction`` of the training data.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Before any work. An estimator that was fitted stays as it was, whatever a later fit raises.
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @available_if(steps)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Go once over the given samples, in minibatches; parameters as for ``fit``."""
        return self._fit(X, y, sample_weight, (None, None, None), incremental=True)

    def _begin(self, samples: Samples, classes: Any, first: bool, incremental: bool) -> None:
        outputs = 1 if samples.y.ndim == 1 else samples.y.shape[1]
        if first:
            self.n_outputs_ = outputs
        self._check_targets(samples.y)

    def _check_targets(self, y: Array) -> None:
        if y.ndim > 2 or (1 if y.ndim == 1 else y.shape[1]) != self.n_outputs_:
            raise InvalidValueError(f"y must hold {self.n_outputs_} number(s) a sample, got shape {y.shape}")
        if isinstance(self.loss, str) and self.loss == "poisson" and (y < 0).any():
            raise InvalidValueError("the loss poisson takes targets of at least 0")

    def _objective(self) -> Objective:
        return regression(self.loss)

    def _encode(self, y: Array, dtype: np.dtype[Any]) -> Array:
        return y.reshape(len(y), -1).astype(dtype)

    def _score_metric(self) -> Metric:
        return LinkedR2(regression(self.loss).link)

    def predict(self, X: Any) -> Array:
        """Return the predictions, (N,) for one output, else (N, n_outputs)."""
        scores = self._linear(X)
        found = linked(self.model_.backend, self.out_activation_, scores)
        return found[:, 0] if self.n_outputs_ == 1 else found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class LinkedR2(R2Score):
    """R2 of a network's linear outputs after their activation.

    Parameters
    ----------
    link : str
        "identity" or "exp".
    """

    def __init__(self, link: str) -> None:
        self._link = link
        super().__init__()

    def update(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take in a batch; see ``Metric.update``."""
        if self._link == "exp":
            # the metric runs on the host for every backend
            y_pred = exp(np.asarray(y_pred, np.float64))
        super().update(y_true, y_pred, sample_weight)
