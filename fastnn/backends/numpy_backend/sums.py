"""Sums of a channel's values over the places of a sample and over the samples of a minibatch.

Shapes: A (P * C, N), S (C, N), totals (C, 1): P positions, C channels, N samples. A sum over both is taken in two
parts: first a sample's positions in ascending order from +0, then the samples as rule 3 says.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.reduction import sum_samples

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def position_sums(A: Array, positions: int) -> Array:
    """Return each sample's sums over its positions, ascending from +0.

    Parameters
    ----------
    A : ndarray (P * C, N)
    positions : int
        P.

    Returns
    -------
    ndarray (C, N)
    """
    S = np.zeros((len(A) // positions, A.shape[1]), A.dtype)
    for at in A.reshape(positions, *S.shape):
        S += at
    return S


@np.errstate(all="ignore")
def batch_sums(S: Array, positions: int) -> tuple[Array, Array]:
    """Return the sums over the samples (rule 3), and those divided by the number of terms, samples times positions.

    Parameters
    ----------
    S : ndarray (C, N)
    positions : int
        Terms that each value of S is the sum of.

    Returns
    -------
    ndarray (C, 1), ndarray (C, 1)
    """
    channels, samples = S.shape
    total = sum_samples(lambda p, j: S[:, j], samples, (channels,), S.dtype)[:, None]
    return total, total / S.dtype.type(samples * positions)


def sample_sums(G: Array, W: Array) -> Array:
    """Return the sum over samples (rule 3) of gradients that each sample has a value of.

    Parameters
    ----------
    G : ndarray (elements of W, N)
    W : ndarray
        Says the shape.
    """
    return sum_samples(lambda p, j: G[:, j], G.shape[1], (len(G),), G.dtype).reshape(W.shape)


OPS = {
    "position_sums": lambda o, s: position_sums(o["A"], s["positions"]),
    "batch_sums": lambda o, s: batch_sums(o["S"], s["positions"]),
}

GRADIENTS = {
    "sample_sums": lambda o, s: {"W": sample_sums(o["G"], o["W"])},
    "batch_sums_gradient": lambda o, s: {"W": o["total"][:, 0].copy()},
}
