"""Dropout and noise: what is drawn depends on an element's place alone, row i of the sample at q in the minibatch.

Shapes: A, Z (P * C, N): P positions, C channels (or P = 1 and C features), N samples. Of the R rows that are drawn,
row i of sample q has the element ``((q // 64) * R + i) * 64 + q % 64`` of the sequence (seed, purpose, step, stream):
64 consecutive samples of a row take consecutive elements. Nothing is summed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.random import bernoulli_mask, normal
from fastnn.random.counter import Purpose

Array = np.ndarray[Any, Any]

GROUP = 64
"""Samples of a row that take consecutive elements."""


def _by_sample(drawn: Array, rows: int, samples: int) -> Array:
    """Return what was drawn, element by element, as an array (rows, samples)."""
    return np.moveaxis(drawn.reshape(-1, rows, GROUP), 0, 1).reshape(rows, -1)[:, :samples]


def _elements(rows: int, samples: int) -> int:
    """Return how many elements whole groups of 64 samples take."""
    return -(-samples // GROUP) * rows * GROUP


@np.errstate(all="ignore")
def dropout_forward(
    A: Array, rate: float, seed: int, step: int, stream: int, positions: int = 1
) -> tuple[Array, Array]:
    """Return Z, and the mask M that holds 0 for a channel that is dropped and ``1 / (1 - rate)`` for one that stays.

    ``Z = A * M`` where the channel stays, rounded once, and +0 where it is dropped.

    Parameters
    ----------
    A : ndarray (P * C, N)
    rate : float
        In (0, 1).
    seed, step, stream : int
        Name the random numbers.
    positions : int
        P.

    Returns
    -------
    ndarray (P * C, N), ndarray (C, N)
    """
    rows, samples = len(A) // positions, A.shape[1]
    drawn = bernoulli_mask(seed, Purpose.DROPOUT, step, stream, _elements(rows, samples), rate)
    factor = A.dtype.type(1.0 / (1.0 - rate))
    M = np.where(_by_sample(drawn, rows, samples), A.dtype.type(0), factor)
    return dropout_backward(M, A, positions), M


@np.errstate(all="ignore")
def dropout_backward(M: Array, dZ: Array, positions: int = 1) -> Array:
    """Return ``dA = dZ * M`` where the mask is not 0, and +0 elsewhere.

    Parameters
    ----------
    M : ndarray (C, N)
    dZ : ndarray (P * C, N)
    positions : int
        P.

    Returns
    -------
    ndarray (P * C, N)
    """
    dZ = dZ.reshape(positions, len(M), -1)
    return np.where(M == 0, dZ.dtype.type(0), dZ * M).reshape(positions * len(M), -1)


@np.errstate(all="ignore")
def gaussian_noise_forward(A: Array, stddev: float, seed: int, step: int, stream: int) -> Array:
    """Return ``Z = A + stddev * noise``: a normal number is rounded to the dtype, then the product, then the sum.

    Parameters
    ----------
    A : ndarray (M, N)
    stddev : float
    seed, step, stream : int
        Name the random numbers.

    Returns
    -------
    ndarray (M, N)
    """
    rows, samples = A.shape
    drawn = normal(seed, Purpose.NOISE, step, stream, _elements(rows, samples), A.dtype)
    return A + A.dtype.type(stddev) * _by_sample(drawn, rows, samples)


OPS = {
    "dropout_forward": lambda o, s: dropout_forward(
        o["A"], s["rate"], s["draw"].seed, s["draw"].step, s["stream"], s["positions"]
    ),
    "dropout_backward": lambda o, s: dropout_backward(o["M"], o["dZ"], s["positions"]),
    "gaussian_noise_forward": lambda o, s: gaussian_noise_forward(
        o["A"], s["stddev"], s["draw"].seed, s["draw"].step, s["stream"]
    ),
}
