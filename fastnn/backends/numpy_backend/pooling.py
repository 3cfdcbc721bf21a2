"""Pooling, said plainly: taps outside, windows inside, so that every window takes its cells in the same order.

Shapes: A, dA (H * W * C, N), Z, dZ (P * Q * C, N): H x W cells, P x Q windows of R x S cells, C channels, N samples. A
tap is the number of a cell within its window, counted row by row; where it lies in the padding it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn.plan.windows import Windows

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def max_pooling_forward(A: Array, windows: Windows) -> Array:
    """Return each window's winner: compared in ascending order, the first of the greatest, or the first NaN.

    Parameters
    ----------
    A : ndarray (H * W * C, N)
    windows : Windows

    Returns
    -------
    ndarray (P * Q * C, N)
    """
    return _winners(A, windows)[0].reshape(-1, A.shape[1])


@np.errstate(all="ignore")
def max_pooling_backward(A: Array, dZ: Array, windows: Windows) -> Array:
    """Return ``dA``: for each cell, from +0, the gradients of the windows it won, added in ascending order.

    Parameters
    ----------
    A : ndarray (H * W * C, N)
    dZ : ndarray (P * Q * C, N)
    windows : Windows

    Returns
    -------
    ndarray (H * W * C, N)
    """
    winner = _winners(A, windows)[1]
    dZ = dZ.reshape(winner.shape)
    dA = np.zeros((*windows.cells, dZ.shape[2]), A.dtype)
    # the windows that see a cell, in ascending order, have it as ever lower taps
    for tap, w, at in reversed(list(_taps(windows))):
        dA[at] += np.where(winner[w] == tap, dZ[w], dA.dtype.type(0))
    return dA.reshape(A.shape)


@np.errstate(all="ignore")
def average_pooling_forward(A: Array, windows: Windows) -> Array:
    """Return each window's mean: from +0, its cells added in ascending order, divided by their number.

    Parameters
    ----------
    A : ndarray (H * W * C, N)
    windows : Windows

    Returns
    -------
    ndarray (P * Q * C, N)
    """
    A, N = A.reshape(*windows.cells, -1), A.shape[1]
    Z = np.zeros((*windows.places, A.shape[2]), A.dtype)
    for _, w, at in _taps(windows):
        Z[w] += A[at]
    return (Z / windows.cell_counts()[:, :, None].astype(A.dtype)).reshape(-1, N)  # type: ignore[no-any-return]


@np.errstate(all="ignore")
def average_pooling_backward(dZ: Array, windows: Windows) -> Array:
    """Return ``dA``: for each cell, from +0, ``dZ / number of cells`` of the windows that see it, in ascending order.

    Parameters
    ----------
    dZ : ndarray (P * Q * C, N)
    windows : Windows

    Returns
    -------
    ndarray (H * W * C, N)
    """
    dZ, N = dZ.reshape(*windows.places, -1), dZ.shape[1]
    share = dZ / windows.cell_counts()[:, :, None].astype(dZ.dtype)
    dA = np.zeros((*windows.cells, dZ.shape[2]), dZ.dtype)
    for _, w, at in reversed(list(_taps(windows))):
        dA[at] += share[w]
    return dA.reshape(-1, N)


def _taps(windows: Windows) -> Iterator[tuple[int, Any, Any]]:
    """Yield (tap, the windows where it exists, the cells it is there), the latter two as indices."""
    for r in range(windows.size[0]):
        for s in range(windows.size[1]):
            (p, h), (q, w) = windows.reach(0, r), windows.reach(1, s)
            yield r * windows.size[1] + s, (p, q), (h, w)


def _winners(A: Array, windows: Windows) -> tuple[Array, Array]:
    """Return the value of each window's winner and its tap: (P, Q, C * N)."""
    A = A.reshape(*windows.cells, -1)
    top = np.zeros((*windows.places, A.shape[2]), A.dtype)
    winner = np.full(top.shape, -1)
    for tap, w, at in _taps(windows):
        stays = (winner[w] >= 0) & ((top[w] >= A[at]) | (top[w] != top[w]))
        top[w] = np.where(stays, top[w], A[at])
        winner[w] = np.where(stays, winner[w], tap)
    return top, winner


OPS = {
    "max_pooling_forward": lambda o, s: max_pooling_forward(o["A"], s["windows"]),
    "max_pooling_backward": lambda o, s: max_pooling_backward(o["A"], o["dZ"], s["windows"]),
    "average_pooling_forward": lambda o, s: average_pooling_forward(o["A"], s["windows"]),
    "average_pooling_backward": lambda o, s: average_pooling_backward(o["dZ"], s["windows"]),
}
