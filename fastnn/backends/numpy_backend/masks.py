"""Masks of sequences: two made one, what they make of sample weights, and means over the steps that count.

Shapes: masks K, A, B (T, N) of ones and zeros, sequences (T * C, N): T steps, C channels, N samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.sums import position_sums

Array = np.ndarray[Any, Any]


def mask_either(A: Array, B: Array) -> Array:
    """Return 1 for steps that count in either mask, 0 for others (T, N)."""
    return ((A != 0) | (B != 0)).astype(A.dtype)


@np.errstate(all="ignore")
def mask_weight(weight: Array, mean: Array) -> Array:
    """Return sample weights divided by the share of steps that count: ``weight / mean``, 0 where none does.

    Parameters
    ----------
    weight : ndarray (1, N)
    mean : ndarray (1, 1)
        Of the mask, over the steps of all samples.

    Returns
    -------
    ndarray (1, N)
    """
    return np.where(mean == 0, weight.dtype.type(0), weight / mean)


@np.errstate(all="ignore")
def masked_mean_forward(K: Array, A: Array) -> Array:
    """Return the mean over the steps that count (C, N): from +0, their values added in order, over their number.

    +0 where no step counts.
    """
    S = np.zeros((len(A) // len(K), A.shape[1]), A.dtype)
    for k, a in zip(K, A.reshape(len(K), *S.shape), strict=True):
        S = np.where(k != 0, S + a, S)
    count = position_sums(K, len(K))
    return np.where(count == 0, A.dtype.type(0), S / count)


@np.errstate(all="ignore")
def masked_mean_backward(K: Array, dZ: Array) -> Array:
    """Return dA (T * C, N): ``dZ`` over the number of steps that count, +0 for the others."""
    share = dZ / position_sums(K, len(K))
    return np.where((K != 0)[:, None], share, dZ.dtype.type(0)).reshape(-1, K.shape[1])


OPS = {
    "mask_either": lambda o, s: mask_either(o["A"], o["B"]),
    "mask_weight": lambda o, s: mask_weight(o["weight"], o["mean"]),
    "masked_mean_forward": lambda o, s: masked_mean_forward(o["K"], o["A"]),
    "masked_mean_backward": lambda o, s: masked_mean_backward(o["K"], o["dZ"]),
}
