"""Batch normalization: each channel shifted and scaled by the mean and variance of the minibatch.

Shapes: A, Z (P * C, N), gamma, beta (C,), mean and the like (C, 1): P positions, C channels, N samples. A sum over a
minibatch adds a sample's positions in ascending order from +0, then the samples as rule 3 says (``sums.py``). A mean is
that sum divided by N * P. The variance is the mean of the squared deviations from the mean, in a second pass.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.sums import batch_sums, position_sums
from fastnn.formulas.primitives import sqrt

Array = np.ndarray[Any, Any]


def _by_position(A: Array, channels: int) -> Array:
    """Return a view (P, C, N)."""
    return A.reshape(-1, channels, A.shape[1])


def _factor(gamma: Array | None, like: Array) -> Array:
    """Return gamma as a column; ones where there is none."""
    return np.ones_like(like) if gamma is None else gamma[:, None]


def _term(beta: Array | None, like: Array) -> Array:
    """Return beta as a column; zeros where there is none."""
    return np.zeros_like(like) if beta is None else beta[:, None]


@np.errstate(all="ignore")
def squared_deviations(A: Array, mean: Array) -> Array:
    """Return each sample's sums over positions, from +0, of ``(a - mean)^2``.

    Parameters
    ----------
    A : ndarray (P * C, N)
    mean : ndarray (C, 1)

    Returns
    -------
    ndarray (C, N)
    """
    D = _by_position(A, len(mean)) - mean
    return position_sums((D * D).reshape(A.shape), len(A) // len(mean))


@np.errstate(all="ignore")
def batch_statistics(S: Array, mean: Array, moving_mean: Array, moving_variance: Array, positions: int, epsilon: float,
                     momentum: float) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return ``1 / sqrt(variance + epsilon)`` and the moving statistics after this minibatch.

    The variance is biased, divided by N * P, for both. ``moving = momentum * moving + (1 - momentum) * of the batch``;
    the difference is taken in float64 and rounded.

    Parameters
    ----------
    S : ndarray (C, N)
        Each sample's squared deviations.
    mean : ndarray (C, 1)
    moving_mean, moving_variance : ndarray (C,)
    positions : int
    epsilon, momentum : float

    Returns
    -------
    ndarray (C, 1), ndarray (C,), ndarray (C,)
    """
    number = S.dtype.type
    _, variance = batch_sums(S, positions)
    old, new = number(momentum), number(1.0 - momentum)
    return (number(1) / sqrt(variance + number(epsilon)), old * moving_mean + new * mean[:, 0],
            old * moving_variance + new * variance[:, 0])  # fmt: skip


@np.errstate(all="ignore")
def batch_normalization_forward(A: Array, mean: Array, scale: Array, gamma: Array | None, beta: Array | None) -> Array:
    """Return ``Z = ((A - mean) * scale) * gamma + beta``, each operation rounded in this order.

    Parameters
    ----------
    A : ndarray (P * C, N)
    mean, scale : ndarray (C, 1)
        ``scale`` is ``1 / sqrt(variance + epsilon)``.
    gamma, beta : ndarray (C,) or None
        None stands for ones and zeros.

    Returns
    -------
    ndarray (P * C, N)
    """
    Z = (_by_position(A, len(mean)) - mean) * scale * _factor(gamma, mean) + _term(beta, mean)
    return Z.reshape(A.shape)


@np.errstate(all="ignore")
def batch_normalization_inference(A: Array, moving_mean: Array, moving_variance: Array, gamma: Array | None,
                                  beta: Array | None, epsilon: float) -> Array:  # fmt: skip
    """Return ``Z = A * k + s`` with ``k = gamma * (1 / sqrt(variance + epsilon))`` and ``s = beta - mean * k``.

    Parameters
    ----------
    A : ndarray (P * C, N)
    moving_mean, moving_variance : ndarray (C,)
    gamma, beta : ndarray (C,) or None
    epsilon : float

    Returns
    -------
    ndarray (P * C, N)
    """
    mean, variance, one = moving_mean[:, None], moving_variance[:, None], A.dtype.type(1)
    k = _factor(gamma, mean) * (one / sqrt(variance + A.dtype.type(epsilon)))
    return (_by_position(A, len(mean)) * k + (_term(beta, mean) - mean * k)).reshape(A.shape)


@np.errstate(all="ignore")
def batch_normalization_products(dZ: Array, A: Array, mean: Array, scale: Array) -> Array:
    """Return each sample's sums over positions, from +0, of ``dZ * ((A - mean) * scale)``: gamma's gradient.

    Parameters
    ----------
    dZ, A : ndarray (P * C, N)
    mean, scale : ndarray (C, 1)

    Returns
    -------
    ndarray (C, N)
    """
    terms = _by_position(dZ, len(mean)) * ((_by_position(A, len(mean)) - mean) * scale)
    return position_sums(terms.reshape(A.shape), len(A) // len(mean))


@np.errstate(all="ignore")
def batch_normalization_backward_input(dZ: Array, A: Array, mean: Array, scale: Array, gamma: Array | None,
                                       d_mean: Array, p_mean: Array) -> Array:  # fmt: skip
    """Return ``dA = (gamma * scale) * ((dZ - d_mean) - ((A - mean) * scale) * p_mean)``.

    Every output of the minibatch depends on every input of its channel, through the mean and the variance.

    Parameters
    ----------
    dZ, A : ndarray (P * C, N)
    mean, scale : ndarray (C, 1)
    gamma : ndarray (C,) or None
    d_mean, p_mean : ndarray (C, 1)
        Means over the minibatch of dZ and of ``dZ * ((A - mean) * scale)``.

    Returns
    -------
    ndarray (P * C, N)
    """
    normal = (_by_position(A, len(mean)) - mean) * scale
    dA = _factor(gamma, mean) * scale * ((_by_position(dZ, len(mean)) - d_mean) - normal * p_mean)
    return dA.reshape(A.shape)


OPS = {
    "squared_deviations": lambda o, s: squared_deviations(o["A"], o["mean"]),
    "batch_statistics": lambda o, s: batch_statistics(
        o["S"], o["mean"], o["moving_mean"], o["moving_variance"], s["positions"], s["epsilon"], s["momentum"]
    ),
    "batch_normalization_forward": lambda o, s: batch_normalization_forward(
        o["A"], o["mean"], o["scale"], o["gamma"], o["beta"]
    ),
    "batch_normalization_inference": lambda o, s: batch_normalization_inference(
        o["A"], o["moving_mean"], o["moving_variance"], o["gamma"], o["beta"], s["epsilon"]
    ),
    "batch_normalization_products": lambda o, s: batch_normalization_products(o["dZ"], o["A"], o["mean"], o["scale"]),
    "batch_normalization_backward_input": lambda o, s: batch_normalization_backward_input(
        o["dZ"], o["A"], o["mean"], o["scale"], o["gamma"], o["d_mean"], o["p_mean"]
    ),
}
