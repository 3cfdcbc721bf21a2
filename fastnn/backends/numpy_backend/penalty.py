"""Penalties on activities: a term in each sample's loss, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.activation import sum_features
from fastnn.regularizers import gradient, penalty

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def activity_penalty_value(l1: float, l2: float, A: Array, weight: Array, terms: Array) -> Array:
    """Return ``terms`` plus each sample's weighted penalty, summed over features in ascending order.

    Parameters
    ----------
    l1, l2 : float
    A : ndarray (M, N)
    weight, terms : ndarray (N,)
    """
    return terms + sum_features(penalty(A, A.dtype.type(l1), A.dtype.type(l2))) * weight  # type: ignore[no-any-return]


@np.errstate(all="ignore")
def activity_penalty_gradient(l1: float, l2: float, A: Array, weight: Array, dA: Array) -> Array:
    """Return ``dA`` plus the gradient of the weighted penalty.

    Parameters
    ----------
    l1, l2 : float
    A, dA : ndarray (M, N)
    weight : ndarray (N,)
    """
    return dA + gradient(A, A.dtype.type(l1), A.dtype.type(l2)) * weight  # type: ignore[no-any-return]
