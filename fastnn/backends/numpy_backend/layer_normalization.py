"""Layer normalization: each position of each sample shifted and scaled by the mean and variance of its own channels.

Shapes: A, Z (P * C, N), gamma, beta (C,), mean, scale (P, N): P positions, C channels, N samples. Sums over channels
start from +0 and go up; nothing is summed over samples but the gradients of gamma and beta: each sample's positions
first, from +0, then the samples as rule 3 says (``sums.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.sums import position_sums
from fastnn.formulas.primitives import sqrt

Array = np.ndarray[Any, Any]


def _channel_sums(A: Array) -> Array:
    """Return the sums over channels of (P, C, N), ascending from +0, as (P, 1, N)."""
    total = np.zeros((len(A), 1, A.shape[2]), A.dtype)
    for k in range(A.shape[1]):
        total += A[:, k : k + 1]
    return total


@np.errstate(all="ignore")
def layer_normalization_forward(A: Array, gamma: Array | None, beta: Array | None, positions: int,
                                epsilon: float) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return Z, the mean, and the scale ``1 / sqrt(variance + epsilon)`` of each position.

    ``Z = ((A - mean) * scale) * gamma + beta``; the variance is the mean of the squared deviations, in a second pass.

    Parameters
    ----------
    A : ndarray (P * C, N)
    gamma, beta : ndarray (C,) or None
        None stands for ones and zeros.
    positions : int
        P.
    epsilon : float

    Returns
    -------
    ndarray (P * C, N), ndarray (P, N), ndarray (P, N)
    """
    A3 = A.reshape(positions, -1, A.shape[1])
    number, channels = A.dtype.type, A.dtype.type(A3.shape[1])
    mean = _channel_sums(A3) / channels
    D = A3 - mean
    scale = number(1) / sqrt(_channel_sums(D * D) / channels + number(epsilon))
    g = number(1) if gamma is None else gamma[:, None]
    b = number(0) if beta is None else beta[:, None]
    return (D * scale * g + b).reshape(A.shape), mean[:, 0], scale[:, 0]


@np.errstate(all="ignore")
def layer_normalization_products(dZ: Array, A: Array, mean: Array, scale: Array) -> Array:
    """Return each sample's sums over positions, from +0, of ``dZ * ((A - mean) * scale)``: gamma's gradient.

    Parameters
    ----------
    dZ, A : ndarray (P * C, N)
    mean, scale : ndarray (P, N)

    Returns
    -------
    ndarray (C, N)
    """
    shape = (len(mean), -1, A.shape[1])
    terms = dZ.reshape(shape) * ((A.reshape(shape) - mean[:, None]) * scale[:, None])
    return position_sums(terms.reshape(A.shape), len(mean))


@np.errstate(all="ignore")
def layer_normalization_backward_input(dZ: Array, A: Array, mean: Array, scale: Array, gamma: Array | None) -> Array:
    """Return ``dA = scale * ((h - s / C) - normal * (t / C))``.

    With ``h = dZ * gamma``, ``normal = (A - mean) * scale``, and the sums over channels ``s`` of h and ``t`` of
    ``h * normal``.

    Parameters
    ----------
    dZ, A : ndarray (P * C, N)
    mean, scale : ndarray (P, N)
    gamma : ndarray (C,) or None

    Returns
    -------
    ndarray (P * C, N)
    """
    shape = (len(mean), -1, A.shape[1])
    number = A.dtype.type
    h = dZ.reshape(shape) * (number(1) if gamma is None else gamma[:, None])
    normal = (A.reshape(shape) - mean[:, None]) * scale[:, None]
    channels = number(h.shape[1])
    s, t = _channel_sums(h) / channels, _channel_sums(h * normal) / channels
    return (scale[:, None] * ((h - s) - normal * t)).reshape(A.shape)


OPS = {
    "layer_normalization_forward": lambda o, s: layer_normalization_forward(
        o["A"], o["gamma"], o["beta"], s["positions"], s["epsilon"]
    ),
    "layer_normalization_products": lambda o, s: layer_normalization_products(o["dZ"], o["A"], o["mean"], o["scale"]),
    "layer_normalization_backward_input": lambda o, s: layer_normalization_backward_input(
        o["dZ"], o["A"], o["mean"], o["scale"], o["gamma"]
    ),
}
