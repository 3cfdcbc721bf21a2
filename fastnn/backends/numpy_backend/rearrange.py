"""Rows copied to other places, by a table; and the way back.

Shapes: A, dA (M, N), Z, dZ (L, N): M and L rows, N samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def gather_rows(A: Array, table: Array) -> Array:
    """Return ``Z[i] = A[table[i]]``, or +0 where the table says -1.

    Parameters
    ----------
    A : ndarray (M, N)
    table : ndarray (L,) of int64

    Returns
    -------
    ndarray (L, N)
    """
    Z = np.zeros((len(table), A.shape[1]), A.dtype)
    Z[table >= 0] = A[table[table >= 0]]
    return Z


@np.errstate(all="ignore")
def sum_rows(dZ: Array, table: Array, rows: int) -> Array:
    """Return ``dA``: of the rows of dZ that read a row, the first plus the others in ascending order; +0 of none.

    Parameters
    ----------
    dZ : ndarray (L, N)
    table : ndarray (L,) of int64
        Which row each row of dZ reads, or -1.
    rows : int
        M.

    Returns
    -------
    ndarray (M, N)
    """
    dA = np.zeros((rows, dZ.shape[1]), dZ.dtype)
    seen = np.zeros(rows, bool)
    for i, source in enumerate(table):
        if source >= 0:
            dA[source] = dA[source] + dZ[i] if seen[source] else dZ[i]
            seen[source] = True
    return dA


def concatenate(parts: list[Array], outer: int) -> Array:
    """Return rows of several arrays side by side: of each, ``rows / outer`` at a time, in turn.

    Parameters
    ----------
    parts : list of ndarray (M_k, N)
    outer : int
        The product of the axes before the one along which samples are joined.

    Returns
    -------
    ndarray (sum of M_k, N)
    """
    N = parts[0].shape[1]
    return np.concatenate([part.reshape(outer, -1, N) for part in parts], axis=1).reshape(-1, N)


OPS = {
    "gather_rows": lambda o, s: gather_rows(o["A"], s["table"]),
    "sum_rows": lambda o, s: sum_rows(o["dZ"], s["table"], s["rows"]),
    "concatenate": lambda o, s: concatenate([o[f"A{k}"] for k in range(s["parts"])], s["outer"]),
}
