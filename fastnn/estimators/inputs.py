"""Samples, targets and weights as scikit-learn's users pass them: pandas, lists, CSR and CSC matrices, arrays.

A sparse matrix is made dense at once for training, and a few rows at a time for predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from scipy import sparse
from sklearn import get_config
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d, validate_data

from fastnn.errors import InvalidValueError

Array = np.ndarray[Any, Any]

DENSE_AT_ONCE = 1 << 22
"""Elements of a sparse matrix that are made dense in one go for predictions."""


@dataclass(frozen=True)
class Samples:
    """What a training or a validation reads.

    Attributes
    ----------
    x : ndarray (N, ...)
    y : ndarray
        As the estimator got it, dense.
    weight : ndarray (N,) of float64 or None
        Without zeros; None where all are 1.
    """

    x: Array
    y: Array
    weight: Array | None

    def rows(self, index: Any) -> Samples:
        """Return some of the samples."""
        return Samples(self.x[index], self.y[index], None if self.weight is None else self.weight[index])


def read(estimator: Any, X: Any, y: Any, *, reset: bool, numeric: bool, shape: tuple[int, ...] | None) -> Samples:
    """Return samples and targets, checked by scikit-learn's rules; ``n_features_in_`` is set if ``reset``.

    Parameters
    ----------
    estimator : BaseEstimator
    X : array_like or sparse (N, D), or (N, ...) where the estimator takes samples of several axes
    y : array_like (N,) or (N, M)
    reset : bool
        Whether the number and the names of the features are learned, or checked.
    numeric : bool
        Whether targets are numbers.
    shape : tuple of int or None
        What rows of features are reshaped to.
    """
    X, y = validate_data(
        estimator, _as_rows(X, shape), y, accept_sparse=["csr", "csc"], multi_output=True,
        dtype=(np.float64, np.float32), reset=reset, y_numeric=numeric,
        allow_nd=estimator.__sklearn_tags__().input_tags.three_d_array,
    )  # fmt: skip
    return Samples(_shaped(_dense(X), shape), _targets(y), None)


def read_validation(estimator: Any, X: Any, y: Any, *, numeric: bool, shape: tuple[int, ...] | None) -> Samples:
    """Return validation samples and targets: as ``read``, of the features that training has."""
    if y is None or X is None:
        got, lacking = ("X_val", "y_val") if y is None else ("y_val", "X_val")
        raise InvalidValueError(f"{got} needs {lacking}")
    x = read_features(estimator, X, shape)
    targets = check_array(y, accept_sparse="csr", ensure_2d=False, dtype="numeric" if numeric else None,
                          input_name="y_val")  # fmt: skip
    check_consistent_length(x, targets)
    return Samples(_shaped(_dense(x), shape), _targets(targets), None)


def read_features(estimator: Any, X: Any, shape: tuple[int, ...] | None) -> Any:
    """Return samples for predictions, dense or sparse, of the features that training had."""
    return validate_data(
        estimator, _as_rows(X, shape), accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32), reset=False,
        allow_nd=estimator.__sklearn_tags__().input_tags.three_d_array,
    )  # fmt: skip


def is_checked_finite() -> bool:
    """Whether scikit-learn has looked at all data for NaN and infinity, so that nobody need do so again."""
    return not get_config()["assume_finite"]


def pieces(x: Any, shape: tuple[int, ...] | None) -> list[Array]:
    """Return samples in dense pieces: one, or for a sparse matrix as many as keep memory small."""
    if not is_sparse(x):
        return [_shaped(x, shape)]
    rows = max(1, DENSE_AT_ONCE // x.shape[1])
    table = x.tocsr()
    return [_shaped(_dense(table[first : first + rows]), shape) for first in range(0, table.shape[0], rows)]


def is_sparse(x: Any) -> bool:
    """Whether samples came as a sparse matrix or array."""
    return bool(sparse.issparse(x))


def _dense(x: Any) -> Array:
    return x.toarray() if is_sparse(x) else x


def _as_rows(X: Any, shape: tuple[int, ...] | None) -> Any:
    """Return samples that have the stated shape already as rows: both ways of passing them count the same features."""
    if shape is not None and len(shape) > 1 and getattr(X, "shape", ())[1:] == shape:
        return np.asarray(X).reshape(len(X), -1)
    return X


def _shaped(x: Array, shape: tuple[int, ...] | None) -> Array:
    if shape is None or x.ndim == 1 + len(shape):
        return x
    features = 1
    for size in shape:
        features *= size
    if x.ndim != 2 or x.shape[1] != features:
        raise InvalidValueError(f"X must have samples of shape {shape}, or rows of {features} features, got {x.shape}")
    return x.reshape(len(x), *shape)


def _targets(y: Any) -> Array:
    y = _dense(y)
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def weighted(samples: Samples, sample_weight: Any, class_weight: Any = None) -> Samples:
    """Return the samples with weights; those that weigh nothing are left out.

    Parameters
    ----------
    samples : Samples
    sample_weight : array_like (N,), number or None
    class_weight : dict, "balanced" or None
        Multiplies the sample weights.

    Raises
    ------
    InvalidValueError
        If a weight is negative or all are zero.
    """
    if sample_weight is None and class_weight is None:
        return Samples(samples.x, samples.y, None)
    count = len(samples.x)
    if sample_weight is None:
        weight = np.ones(count)
    elif isinstance(sample_weight, Real):
        weight = np.full(count, float(sample_weight))
    else:
        weight = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
        if weight.shape != (count,):
            raise InvalidValueError(f"sample_weight must have shape ({count},), got {weight.shape}")
    if (weight < 0).any():
        row = int(np.flatnonzero(weight < 0)[0])
        raise InvalidValueError(f"sample_weight must not be negative, got {weight[row]} at row {row}")
    if class_weight is not None:
        weight = weight * compute_sample_weight(class_weight, samples.y)
    present = weight > 0
    if not present.any():
        raise InvalidValueError("Sample weights must contain at least one non-zero number: all weights are zero")
    kept = Samples(samples.x, samples.y, weight)
    if not present.all():
        kept = kept.rows(present)
    return Samples(kept.x, kept.y, None) if bool(np.all(kept.weight == 1)) else kept


def split(samples: Samples, share: float, seed: int, stratify: bool) -> tuple[Samples, Samples]:
    """Return training and validation samples, drawn as scikit-learn's early stopping draws them.

    Raises
    ------
    ValueError
        If one of the two is too small.
    """
    numbers = np.arange(len(samples.x))
    training, validation = train_test_split(
        numbers, test_size=share, random_state=seed % 2**32, stratify=samples.y if stratify else None
    )
    if len(validation) < 2:
        raise InvalidValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
        )
    return samples.rows(training), samples.rows(validation)
