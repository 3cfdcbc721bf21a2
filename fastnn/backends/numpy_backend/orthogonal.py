"""A random matrix with orthonormal columns, uniform over all such matrices, from normal numbers.

The matrix is a product of reflections, Q = H_0 H_1 ... H_(k-1) D, where H_j maps a vector of m - j normal
numbers onto an axis and D holds the signs that make the R of the equivalent factorization A = Q R of a matrix
of normal numbers positive on its diagonal. Applied from the last one on, H_j touches only rows and columns
from j on.

Source: Stewart, The efficient generation of random orthogonal matrices with an application to condition
estimators, SIAM J. Numer. Anal. 17 (1980).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.contract import VECTOR_LANES

_TILE = 128
"""Columns worked on together: they do not interact, and this many of 2048 rows stay in the cache (2 MiB)."""


def _sum_of_rows(terms: NDArray[np.float64]) -> NDArray[Any]:
    """Sum over axis 0 as rule 4 of the contract says, for a multiple of VECTOR_LANES rows."""
    partial = np.zeros((VECTOR_LANES, *terms.shape[1:]))
    for part in terms.reshape(-1, *partial.shape):
        partial += part
    while len(partial) > 1:
        partial = partial[0::2] + partial[1::2]
    return partial[0]  # type: ignore[no-any-return]


def orthonormal_columns(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the m x k matrix of the reflections that the rows of ``x`` give.

    Parameters
    ----------
    x : float64 array, shape (k, m), k <= m
        Standard normal numbers; reflection j uses ``x[j, j:]``.

    Notes
    -----
    With a = |x_j| (its first element), r the norm of the vector: v = x + sign r e_0, tau = 1 / (r (r + a)), and
    H Q = Q - v (tau (v' Q)). Sums over rows i put row i in partial sum i % VECTOR_LANES (rule 4).
    """
    k, m = x.shape
    v = np.zeros((k, -(-m // VECTOR_LANES) * VECTOR_LANES))  # rows of zeros to the end of a block change no bit
    q = np.zeros((v.shape[1], k))
    tau = np.zeros(k)
    for j in range(k):
        v[j, j:m] = x[j, j:]
        norm = np.sqrt(_sum_of_rows(v[j] * v[j]))
        tau[j] = 1.0 / (norm * (norm + abs(x[j, j])))
        q[j, j] = 1.0 if x[j, j] < 0.0 else -1.0
        v[j, j] = x[j, j] - q[j, j] * norm
    for left in range(0, k, _TILE):
        tile = q[:, left : left + _TILE].copy()
        for j in reversed(range(min(k, left + _TILE))):
            top = j // VECTOR_LANES * VECTOR_LANES
            part = tile[top:, max(0, j - left) :]
            column = v[j, top:, None]
            part -= column * (tau[j] * _sum_of_rows(column * part))
        q[:, left : left + _TILE] = tile
    return q[:m]
