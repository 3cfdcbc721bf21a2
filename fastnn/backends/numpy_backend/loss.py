"""Losses: the single-source formulas on whole arrays, summed over outputs in order; softmax cross-entropy.

Shapes: predictions P, targets Y (M, N); weights and sample losses (N,): M outputs, N samples. Outputs of several axes
have positions (time steps, places of an image): softmax cross-entropy takes M / positions classes at a time.
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
def loss_value(formula: Formula, mean: bool, delta: float | None, Y: Array, P: Array, weight: Array,
               positions: int = 1, K: Array | None = None) -> Array:  # fmt: skip
    """Return each sample's weighted loss: terms added in ascending order of the output, over M or the positions.

    With a mask K terms of positions where it is 0 are left out.

    Parameters
    ----------
    formula : callable
        ``value(y, p[, delta])``, one output's term.
    mean : bool
        Whether a loss is the mean over outputs; else it is a sum over them, of which several positions take the mean.
    delta : float or None
    Y, P : ndarray (M, N)
    weight : ndarray (N,)
    positions : int
    K : ndarray (positions, N), optional

    Returns
    -------
    ndarray (N,)
    """
    terms = formula(Y, P, *_delta(delta, P))
    if K is not None:
        terms = np.where(np.repeat(K, len(P) // positions, axis=0) != 0, terms, P.dtype.type(0))
    total = sum_features(terms)
    return total / P.dtype.type(len(P) if mean else positions) * weight  # type: ignore[no-any-return]


@np.errstate(all="ignore")
def loss_gradient(formula: Formula, mean: bool, delta: float | None, fused: bool, Y: Array, P: Array, A: Array,
                  weight: Array, positions: int = 1) -> Array:  # fmt: skip
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
    positions : int

    Returns
    -------
    ndarray (M, N)
    """
    d = formula(Y, P, A) if fused else formula(Y, P, *_delta(delta, P))
    return d / P.dtype.type(len(P) if mean else positions) * weight  # type: ignore[no-any-return]


def _delta(delta: float | None, P: Array) -> tuple[Any, ...]:
    return () if delta is None else (P.dtype.type(delta),)


@np.errstate(all="ignore")
def softmax_crossentropy_value(Y: Array, Z: Array, weight: Array, positions: int = 1,
                               K: Array | None = None) -> Array:  # fmt: skip
    """Return ``-sum(y log softmax(z))`` per sample, weighted; a class with y = 0 counts nothing.

    With several positions: from +0, the losses of the positions added in order, over their number. With a mask K those
    of positions where it is 0 are left out.

    Parameters
    ----------
    Y, Z : ndarray (M, N)
    weight : ndarray (N,)
    positions : int
    K : ndarray (positions, N), optional

    Returns
    -------
    ndarray (N,)
    """
    total = np.zeros(Z.shape[1], Z.dtype)
    for p, (y, z) in enumerate(zip(np.split(Y, positions), np.split(Z, positions), strict=True)):
        shifted = z - greatest_feature(z)
        log_sum = log(sum_features(exp(shifted)))
        one = sum_features(np.where(y == 0, y.dtype.type(0), y * (log_sum - shifted)))
        total += one if K is None else np.where(K[p] != 0, one, Z.dtype.type(0))
    return total / Z.dtype.type(positions) * weight


@np.errstate(all="ignore")
def softmax_crossentropy_gradient(Y: Array, Z: Array, weight: Array, positions: int = 1) -> Array:
    """Return ``softmax(z) * sum(y) - y`` of each position, over their number, weighted.

    Parameters
    ----------
    Y, Z : ndarray (M, N)
    weight : ndarray (N,)
    positions : int

    Returns
    -------
    ndarray (M, N)
    """
    pairs = zip(np.split(Y, positions), np.split(Z, positions), strict=True)
    dZ = np.concatenate([softmax(z) * sum_features(y) - y for y, z in pairs])
    return dZ / Z.dtype.type(positions) * weight
