"""Embeddings: rows of a table looked up by number.

Shapes: A (P, N) numbers, E (V, D) the table, Z (P * D, N): P places of a sample, N samples, V rows of D elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.contract import SAMPLE_BLOCK, combine_pairwise

Array = np.ndarray[Any, Any]


def table_rows(A: Array, rows: int) -> Array:
    """Return the row of the table that each number stands for; what lies outside is taken for the nearest row.

    A fraction is cut off, and NaN is row 0. A model lets no such number in; see ``layers/embedding.py``.

    Parameters
    ----------
    A : ndarray of floats
    rows : int
        V.

    Returns
    -------
    ndarray of int64
    """
    last = A.dtype.type(rows - 1)
    positive = np.where(A > 0, A, A.dtype.type(0))
    return np.minimum(np.where(positive < last, positive, last).astype(np.int64), rows - 1)


def embedding_forward(A: Array, E: Array) -> Array:
    """Return the rows of the table that the numbers stand for.

    Parameters
    ----------
    A : ndarray (P, N)
    E : ndarray (V, D)

    Returns
    -------
    ndarray (P * D, N)
    """
    return np.ascontiguousarray(np.moveaxis(E[table_rows(A, len(E))], 2, 1)).reshape(-1, A.shape[1])


@np.errstate(all="ignore")
def embedding_backward_weights(dZ: Array, A: Array, E: Array) -> Array:
    """Return, for each row of the table, the sum of the gradients at all places that hold its number.

    From +0, in the contract's order of samples (rule 3); within each of its blocks of samples, places run outside and
    samples inside. A row that nothing stands for gets +0.

    Parameters
    ----------
    dZ : ndarray (P * D, N)
    A : ndarray (P, N)
    E : ndarray (V, D)

    Returns
    -------
    ndarray (V, D)
    """
    places, samples = A.shape
    at = table_rows(A, len(E))
    dZ = dZ.reshape(places, E.shape[1], samples)
    sums = []
    for first in range(0, samples, SAMPLE_BLOCK):
        total = np.zeros_like(E)
        for p in range(places):
            for j in range(first, min(samples, first + SAMPLE_BLOCK)):
                total[at[p, j]] += dZ[p, :, j]
        sums.append(total)
    return combine_pairwise(sums)


OPS = {"embedding_forward": lambda o, s: embedding_forward(o["A"], o["E"])}

GRADIENTS = {
    "embedding_backward_weights": lambda o, s: {"E": embedding_backward_weights(o["dZ"], o["A"], o["E"])},
}
