"""What a classifier makes of labels: numbers for the network, and labels again of its outputs.

One kind of target each: one class a sample (of any sortable type), or a set of labels a sample (an indicator matrix).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from fastnn.errors import InvalidValueError
from fastnn.losses import Loss
from fastnn.metrics.base import MeanOverSamples, matching_rows

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ClassTargets:
    """One class a sample.

    Attributes
    ----------
    classes : ndarray (C,)
        Sorted.
    """

    classes: Array
    multilabel = False

    @property
    def outputs(self) -> int:
        """One output for up to two classes, else one for each."""
        return 1 if len(self.classes) <= 2 else len(self.classes)

    @property
    def link(self) -> str:
        """scikit-learn's name of the output activation."""
        return "logistic" if self.outputs == 1 else "softmax"

    def encode(self, y: Array, loss: Loss, dtype: np.dtype[Any]) -> Array:
        """Return labels as the loss takes them: numbers of classes (N,), or columns of 0 and 1 (N, outputs)."""
        numbers = np.searchsorted(self.classes, y).astype(np.int64)
        if loss.labels:
            return numbers
        if self.outputs == 1:
            return numbers[:, None].astype(dtype)
        return (numbers[:, None] == np.arange(self.outputs)).astype(dtype)

    def decode(self, scores: Array) -> Array:
        """Return the class of each row of linear outputs: the greatest one's; of one output, by its sign."""
        if self.outputs == 1:
            numbers = np.minimum((scores[:, 0] > 0).astype(np.int64), len(self.classes) - 1)
        else:
            numbers = scores.argmax(axis=1)
        return self.classes[numbers]


@dataclass(frozen=True)
class LabelTargets:
    """Any number of labels a sample: rows of 0 and 1.

    Attributes
    ----------
    classes : ndarray (L,)
        Numbers of the labels.
    """

    classes: Array
    multilabel = True
    link = "logistic"

    @property
    def outputs(self) -> int:
        """One for each label."""
        return len(self.classes)

    def encode(self, y: Array, loss: Loss, dtype: np.dtype[Any]) -> Array:
        """Return the indicator as numbers."""
        if loss.labels:
            raise InvalidValueError(f"the loss {loss.name} takes one class a sample, got several labels a sample")
        return (y != 0).astype(dtype)

    def decode(self, scores: Array) -> Array:
        """Return the indicator of the labels whose linear output is positive."""
        return (scores > 0).astype(np.int64)


Targets = ClassTargets | LabelTargets


def targets_of(y: Array, classes: Any = None) -> Targets:
    """Return the kind of targets that ``y`` holds.

    Parameters
    ----------
    y : ndarray (N,) or (N, L)
    classes : array_like, optional
        All classes there are, where ``y`` need not hold each.

    Raises
    ------
    ValueError
        If ``y`` holds no classes (scikit-learn's message), or one that ``classes`` does not.
    """
    if classes is None and y.ndim == 1 and y.dtype.kind in "iu":
        numbers = np.unique(y)
        if 0 < 2 * len(numbers) <= len(y):
            return ClassTargets(numbers)  # scikit-learn has nothing to say of them, and takes 0.2 ms to find out
    kind = type_of_target(y, input_name="y")
    if kind == "multilabel-indicator":
        return LabelTargets(np.arange(y.shape[1]))
    if kind not in ("binary", "multiclass"):
        check_classification_targets(y)
        raise InvalidValueError(f"y must hold one class a sample or an indicator of labels, got {kind} targets")
    found = ClassTargets(np.unique(y if classes is None else np.asarray(classes)))
    if classes is not None:
        check_known(found, y)
    return found


def check_known(targets: Targets, y: Array) -> None:
    """Raise an error unless ``y`` is of the same kind as ``targets`` and holds no other classes."""
    if targets.multilabel:
        if y.ndim != 2 or y.shape[1] != targets.outputs:
            raise InvalidValueError(f"y must be an indicator of {targets.outputs} labels, got shape {y.shape}")
        return
    if y.ndim != 1:
        raise InvalidValueError(f"y must hold one class a sample, got shape {y.shape}")
    new = np.setdiff1d(y, targets.classes)
    if len(new):
        raise InvalidValueError(f"`y` has classes not in `self.classes_`: {new}; `self.classes_` has {targets.classes}")


class SubsetAccuracy(MeanOverSamples):
    """How often all labels of a sample are right: scikit-learn's accuracy of an indicator of labels.

    Parameters
    ----------
    threshold : float
        Outputs above it are taken as present.
    """

    name = "accuracy"

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        super().__init__()

    def values(self, y_true: Any, y_pred: Any) -> Any:
        """Return 1 for each sample whose labels are all right, else 0."""
        true, pred = matching_rows(y_true, y_pred)
        return ((true >= 0.5) == (pred > self.threshold)).all(axis=1).astype(np.float64)
