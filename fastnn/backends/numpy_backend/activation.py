"""Activations: the single-source formulas on whole arrays; softmax and log-softmax by loops over features.

Shapes: Z, A, dA (M, N): M features, N samples. With P positions, softmax and log-softmax take M / P features at a time:
each position (a time step, a place of an image) is normalized by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.activations import Activation
from fastnn.formulas import exp, log

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def activation_forward(activation: Activation, Z: Array, positions: int = 1) -> Array:
    """Return ``A = f(Z)``.

    Parameters
    ----------
    activation : Activation
    Z : ndarray (M, N)
    positions : int
        P.
    """
    if activation.forward is None:
        forward = _SAMPLE_WISE_FORWARD[activation.name]
        return np.concatenate([forward(z) for z in np.split(Z, positions)])
    return activation.forward(Z, *_alpha(activation, Z))  # type: ignore[no-any-return]


@np.errstate(all="ignore")
def activation_backward(activation: Activation, Z: Array, A: Array, dA: Array, positions: int = 1) -> Array:
    """Return ``dZ``: ``dA`` times the derivative at Z.

    Parameters
    ----------
    activation : Activation
    Z, A, dA : ndarray (M, N)
    positions : int
        P.
    """
    if activation.derivative is None:
        backward = _SAMPLE_WISE_BACKWARD[activation.name]
        pairs = zip(np.split(A, positions), np.split(dA, positions), strict=True)
        return np.concatenate([backward(a, da) for a, da in pairs])
    return dA * activation.derivative(Z, A, *_alpha(activation, Z))  # type: ignore[no-any-return]


def _alpha(activation: Activation, Z: Array) -> tuple[Any, ...]:
    return () if activation.alpha is None else (Z.dtype.type(activation.alpha),)


def greatest_feature(Z: Array) -> Array:
    """Return each sample's greatest feature, compared in ascending order: (M, N) to (N,)."""
    top = Z[0]
    for z in Z[1:]:
        top = np.where(z > top, z, top)
    return top


def sum_features(A: Array) -> Array:
    """Return each sample's sum over features, from +0 in ascending order: (M, N) to (N,)."""
    total = np.zeros(A.shape[1], A.dtype)
    for a in A:
        total += a
    return total


def softmax(Z: Array) -> Array:
    """Return ``exp(z - top) / sum`` per sample, where top is the greatest feature."""
    e = exp(Z - greatest_feature(Z))
    return e / sum_features(e)  # type: ignore[no-any-return]


def _softmax_backward(A: Array, dA: Array) -> Array:
    return A * (dA - sum_features(dA * A))


def log_softmax(Z: Array) -> Array:
    """Return ``(z - top) - log(sum(exp(z - top)))`` per sample."""
    shifted = Z - greatest_feature(Z)
    return shifted - log(sum_features(exp(shifted)))  # type: ignore[no-any-return]


def _log_softmax_backward(A: Array, dA: Array) -> Array:
    return dA - exp(A) * sum_features(dA)


_SAMPLE_WISE_FORWARD = {"softmax": softmax, "log_softmax": log_softmax}
_SAMPLE_WISE_BACKWARD = {"softmax": _softmax_backward, "log_softmax": _log_softmax_backward}
