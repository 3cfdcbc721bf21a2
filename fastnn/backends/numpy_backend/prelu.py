"""A rectifier with trained slopes below 0.

Shapes: A, Z (M, N), alpha with K elements, index (M,): the element of alpha that serves each feature.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def prelu_forward(A: Array, alpha: Array, index: Array) -> Array:
    """Return A where it is positive, else ``alpha * A``.

    Parameters
    ----------
    A : ndarray (M, N)
    alpha : ndarray of K elements
    index : ndarray (M,)

    Returns
    -------
    ndarray (M, N)
    """
    return np.where(A > 0, A, alpha.reshape(-1)[index, None] * A)


@np.errstate(all="ignore")
def prelu_backward_input(A: Array, alpha: Array, dZ: Array, index: Array) -> Array:
    """Return dZ where A is positive, else ``alpha * dZ``.

    Parameters
    ----------
    A, dZ : ndarray (M, N)
    alpha : ndarray of K elements
    index : ndarray (M,)

    Returns
    -------
    ndarray (M, N)
    """
    return np.where(A > 0, dZ, alpha.reshape(-1)[index, None] * dZ)


@np.errstate(all="ignore")
def prelu_products(A: Array, dZ: Array, index: Array, elements: int) -> Array:
    """Return each sample's gradient of alpha: over features that share an element, ascending from +0, ``dZ * A``.

    Features where A is positive count as +0.

    Parameters
    ----------
    A, dZ : ndarray (M, N)
    index : ndarray (M,)
    elements : int
        K.

    Returns
    -------
    ndarray (K, N)
    """
    S = np.zeros((elements, A.shape[1]), A.dtype)
    terms = np.where(A > 0, A.dtype.type(0), dZ * A)
    for i, at in enumerate(index):
        S[at] += terms[i]
    return S


OPS = {
    "prelu_forward": lambda o, s: prelu_forward(o["A"], o["alpha"], s["index"]),
    "prelu_backward_input": lambda o, s: prelu_backward_input(o["A"], o["alpha"], o["dZ"], s["index"]),
    "prelu_products": lambda o, s: prelu_products(o["A"], o["dZ"], s["index"], int(s["index"].max()) + 1),
}
