"""A random matrix with orthonormal columns from normal numbers, as compiled loops.

The same reflections in the same order as ``numpy_backend/orthogonal.py``. Vector lanes run over the columns
of a tile, so each sum over rows keeps its order: row i is added to partial sum i % VECTOR_LANES, partial sums
pairwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.backends.numba_backend._jit import entry, helper
from fastnn.contract import VECTOR_LANES

_TILE = 32
"""Columns worked on together: a tile of 2048 rows takes 512 KiB, its partial sums 16 KiB."""


@helper
def _clear(matrix: Any) -> None:
    for i in range(matrix.shape[0]):
        row = matrix[i]
        for c in range(row.shape[0]):
            row[c] = 0.0


@helper
def _combine(partial: Any) -> None:
    """Leave in ``partial[0]`` the pairwise sum of the rows, neighbours first (a power of two of them)."""
    gap = 1
    while gap < partial.shape[0]:
        for row in range(0, partial.shape[0], 2 * gap):
            a = partial[row]
            b = partial[row + gap]
            for c in range(a.shape[0]):
                a[c] = a[c] + b[c]
        gap *= 2


@helper
def _make_reflections(x: Any, v: Any, tau: Any, sign: Any) -> None:
    """Fill the vectors, factors and signs of the reflections from the rows of ``x``."""
    partial = np.empty((VECTOR_LANES, 1))
    for j in range(x.shape[0]):
        _clear(partial)
        for i in range(j, x.shape[1]):
            v[j, i] = x[j, i]
            partial[i % VECTOR_LANES, 0] = partial[i % VECTOR_LANES, 0] + x[j, i] * x[j, i]
        _combine(partial)
        norm = np.sqrt(partial[0, 0])
        tau[j] = 1.0 / (norm * (norm + abs(x[j, j])))
        sign[j] = 1.0 if x[j, j] < 0.0 else -1.0
        v[j, j] = x[j, j] - sign[j] * norm


@helper
def _reflect(tile: Any, v: Any, tau: Any, j: Any, partial: Any) -> None:
    """Apply reflection ``j`` to a tile of columns: tile = tile - v (tau (v' tile)), rows from j on."""
    _clear(partial)
    for i in range(j, tile.shape[0]):
        row = tile[i]
        total = partial[i % VECTOR_LANES]
        # invariant: total[c] holds the products of the rows so far that share i % VECTOR_LANES
        for c in range(_TILE):
            total[c] = total[c] + v[i] * row[c]
    _combine(partial)
    total = partial[0]
    for c in range(_TILE):
        total[c] = tau * total[c]
    for i in range(j, tile.shape[0]):
        row = tile[i]
        for c in range(_TILE):
            row[c] = row[c] - v[i] * total[c]


@entry
def _fill(x: Any, q: Any) -> None:
    k, m = x.shape
    v = np.empty((k, m))  # what lies left of the diagonal is never read
    tau = np.empty(k)
    sign = np.empty(k)
    _make_reflections(x, v, tau, sign)
    tile = np.empty((m, _TILE))
    partial = np.empty((VECTOR_LANES, _TILE))
    for left in range(0, k, _TILE):
        right = min(k, left + _TILE)
        _clear(tile)
        for c in range(left, right):
            tile[c, c - left] = sign[c]
        for j in range(right - 1, -1, -1):
            _reflect(tile, v[j], tau[j], j, partial)
        for i in range(m):
            for c in range(left, right):
                q[i, c] = tile[i, c - left]


def orthonormal_columns(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the m x k matrix of the reflections that the rows of ``x`` (k x m, k <= m) give."""
    q = np.empty((x.shape[1], x.shape[0]))
    _fill(x, q)
    return q
