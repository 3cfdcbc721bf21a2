"""Dense layers, said plainly: every sum is a loop whose order can be read off the line.

Shapes: W (M, D), b (M,), A (D, N), Z and dZ (M, N): D features in, M units out, N samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.reduction import sum_samples

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def dense_forward(W: Array, b: Array | None, A: Array) -> Array:
    """Return ``Z = W A + b``: from the bias (or +0), products added in ascending order of the feature.

    Parameters
    ----------
    W : ndarray (M, D)
    b : ndarray (M,) or None
    A : ndarray (D, N)

    Returns
    -------
    ndarray (M, N)
    """
    Z = np.zeros((len(W), A.shape[1]), A.dtype)
    if b is not None:
        Z[...] = b[:, None]
    # invariant: Z[i, j] holds b[i] and the first k products
    for k in range(len(A)):
        Z += W[:, k, None] * A[k]
    return Z


@np.errstate(all="ignore")
def dense_backward_input(W: Array, dZ: Array) -> Array:
    """Return ``dA = W^T dZ``: from +0, products added in ascending order of the unit.

    Parameters
    ----------
    W : ndarray (M, D)
    dZ : ndarray (M, N)

    Returns
    -------
    ndarray (D, N)
    """
    dA = np.zeros((W.shape[1], dZ.shape[1]), dZ.dtype)
    for i in range(len(W)):
        dA += W[i, :, None] * dZ[i]
    return dA


@np.errstate(all="ignore")
def dense_backward_weights(dZ: Array, A: Array) -> tuple[Array, Array]:
    """Return the sums over samples ``dZ A^T`` and ``dZ 1``, in the contract's order of samples (rule 3).

    Parameters
    ----------
    dZ : ndarray (M, N)
    A : ndarray (D, N)

    Returns
    -------
    ndarray (M, D), ndarray (M,)
    """
    dW = sum_samples(lambda j: dZ[:, j, None] * A[:, j], dZ.shape[1], (len(dZ), len(A)), dZ.dtype)
    db = sum_samples(lambda j: dZ[:, j], dZ.shape[1], (len(dZ),), dZ.dtype)
    return dW, db
