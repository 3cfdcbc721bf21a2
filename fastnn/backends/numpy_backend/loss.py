"""Losses: the single-source formulas on whole arrays, summed over outputs in order; softmax cross-entropy.

Shapes: predictions P, targets Y (M, N); weights and sample losses (N,): M outputs, N samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.activation import greatest_feature, softmax, sum_features
from fastnn.formulas import exp, log

Array = np.ndarray[Any, Any]
Formula = Callable[..., Any]


@np.errstate(all="ignore")
def loss_value(formula: Formula, mean: bool, delta: float | None, Y: Array, P: Array, weight: Array) -> Array:
    """Return each sample's weighted loss: terms added in ascending order of the output, over M if ``mean``.

    Parameters
    ----------
    formula : callable
        ``value(y, p[, delta])``, one output's term.
    mean : bool
    delta : float or None
    Y, P : ndarray (M, N)
    weight : ndarray (N,)

    Returns
    -------
    ndarray (N,)
    """
    total = sum_features(formula(Y, P, *_delta(delta, P)))
    return (total / P.dtype.type(len(P)) if mean else total) * weight  # type: ignore[no-any-return]


@np.errstate(all="ignore")
def loss_gradient(formula: Formula, mean: bool, delta: float | None, fused: bool, Y: Array, P: Array, A: Array,
                  weight: Array) -> Array:  # fmt: skip
    """Return the gradient of each sample's weighted loss by P.

    Parameters
    ----------
    formula : callable
        ``derivative(y, p[, delta])`` or, when ``fused`` with the output's activation, ``derivative(y, z, a)``.
    mean, fused : bool
    delta : float or None
    Y, P, A : ndarray (M, N)
        A is the activation's output; P is its pre-activation when fused.
    weight : ndarray (N,)

    Returns
    -------
    ndarray (M, N)
    """
    d = formula(Y, P, A) if fused else formula(Y, P, *_delta(delta, P))
    return (d / P.dtype.type(len(P)) if mean else d) * weight  # type: ignore[no-any-return]


def _delta(delta: float | None, P: Array) -> tuple[Any, ...]:
    return () if delta is None else (P.dtype.type(delta),)


@np.errstate(all="ignore")
def softmax_crossentropy_value(Y: Array, Z: Array, weight: Array) -> Array:
    """Return ``-sum(y log softmax(z))`` per sample, weighted; a class with y = 0 counts nothing.

    Parameters
    ----------
    Y, Z : ndarray (M, N)
    weight : ndarray (N,)

    Returns
    -------
    ndarray (N,)
    """
    shifted = Z - greatest_feature(Z)
    log_sum = log(sum_features(exp(shifted)))
    return sum_features(np.where(Y == 0, Y.dtype.type(0), Y * (log_sum - shifted))) * weight


@np.errstate(all="ignore")
def softmax_crossentropy_gradient(Y: Array, Z: Array, weight: Array) -> Array:
    """Return ``softmax(z) * sum(y) - y``, weighted.

    Parameters
    ----------
    Y, Z : ndarray (M, N)
    weight : ndarray (N,)

    Returns
    -------
    ndarray (M, N)
    """
    return (softmax(Z) * sum_features(Y) - Y) * weight
