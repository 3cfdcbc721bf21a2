"""What classifiers add: labels to numbers and back, probabilities, decision functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from fastnn.errors import InvalidValueError
from fastnn.estimators.base import NetworkEstimator
from fastnn.estimators.inputs import Samples
from fastnn.estimators.losses import Objective, classification, linked
from fastnn.estimators.targets import SubsetAccuracy, check_known, targets_of
from fastnn.metrics import Metric, resolve

Array = np.ndarray[Any, Any]


def steps(estimator: Any) -> bool:
    """Whether an estimator can learn from one batch after another: not by L-BFGS."""
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
    return True


class NetworkClassifierMixin(ClassifierMixin, NetworkEstimator):
    """Base class of the classifiers."""

    classes_: Array

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
            sample_weight_val: Any = None) -> Any:  # fmt: skip
        """Fit the network to samples and labels.

        Parameters
        ----------
        X : array_like or sparse of shape (n_samples, n_features)
            float64 is computed in float64 and float32 in float32, unless ``dtype`` says otherwise.
        y : array_like of shape (n_samples,), or an indicator matrix (n_samples, n_labels)
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Any:
        """Go once over the given samples, in minibatches.

        Parameters
        ----------
        X, y, sample_weight
            As for ``fit``.
        classes : array_like, optional
            All classes there will be; needed in the first call.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, (None, None, None), classes=classes, incremental=True)

    def _begin(self, samples: Samples, classes: Any, first: bool, incremental: bool) -> None:
        if incremental and classes is not None and not first and not np.array_equal(self.classes_, np.unique(classes)):
            raise InvalidValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
            )
        if first:
            if incremental and classes is None:
                raise InvalidValueError("classes must be passed on the first call to partial_fit.")
            self._targets = targets_of(samples.y, classes)
            self.classes_, self.n_outputs_ = self._targets.classes, self._targets.outputs
            return
        given = targets_of(samples.y)
        if not incremental and not self._targets.multilabel:
            found = np.unique(samples.y) if given.multilabel else given.classes
            if not np.array_equal(found, self.classes_):
                raise InvalidValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit."
                    f" Previously got {self.classes_}, `y` has {found}"
                )
            if samples.y.ndim == 1:
                return
        check_known(self._targets, samples.y)

    def _check_targets(self, y: Array) -> None:
        check_known(self._targets, y)

    def _objective(self) -> Objective:
        objective = classification(self.loss, self._targets.link)
        self._targets.encode(self.classes_[:1] if not self._targets.multilabel else np.zeros((1, self.n_outputs_)),
                             objective.loss, np.dtype(np.float64))  # fmt: skip
        return objective

    def _encode(self, y: Array, dtype: np.dtype[Any]) -> Array:
        return self._targets.encode(y, classification(self.loss, self._targets.link).loss, dtype)

    def _score_metric(self) -> Metric:
        objective = classification(self.loss, self._targets.link)
        if self._targets.multilabel:
            return SubsetAccuracy(0.0 if objective.linear else 0.5)
        found = resolve("accuracy", objective.loss, self.n_outputs_)
        found.name = "accuracy"
        return found

    @property
    def _stratifies(self) -> bool:
        return not self._targets.multilabel

    # --- use ----------------------------------------------------------------------------------------

    def predict(self, X: Any) -> Array:
        """Return each sample's class (N,), or the indicator of its labels (N, n_labels)."""
        scores = self._linear(X)
        return self._targets.decode(scores)

    def decision_function(self, X: Any) -> Array:
        """Return the outputs before the last activation: logits (N, n_classes); of two classes, the second's (N,)."""
        scores = self._linear(X)
        return scores[:, 0] if self._single else scores

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class (N, n_classes) or label, in the order of ``classes_``."""
        scores = self._linear(X)
        if self._single and len(self.classes_) == 1:
            return np.ones_like(scores)
        # of two classes the first's is the sigmoid of -z: 1 - p would round to 0 where it is small
        columns = np.concatenate([-scores, scores], axis=1) if self._single else scores
        return linked(self.model_.backend, self.out_activation_, columns)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of the probabilities: exact also near 1, -inf where a probability is 0."""
        scores = self._linear(X)
        if self._single and len(self.classes_) == 1:
            return np.zeros_like(scores)
        columns = np.concatenate([-scores, scores], axis=1) if self._single else scores
        if self.out_activation_ == "softmax":
            found = linked(self.model_.backend, "log_softmax", columns)
        else:
            found = self.model_.backend.apply_formula("log_sigmoid", columns)
        found[linked(self.model_.backend, self.out_activation_, columns) == 0] = -np.inf
        return found

    @property
    def _single(self) -> bool:
        """Whether one output stands for up to two classes."""
        return self.n_outputs_ == 1 and not self._targets.multilabel
