"""Dense layers, said plainly: every sum is a loop whose order can be read off the line.

Shapes: W (M, D), b (M,), A (D, N), Z and dZ (M, N): D features in, M units out, N samples. With P positions (the time
steps of a sequence, the places of an image), A is (P * D, N) and Z (P * M, N): each position goes through the same
weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.reduction import sum_sample_groups, sum_samples

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def dense_forward(W: Array, b: Array | None, A: Array, positions: int = 1) -> Array:
    """Return ``Z = W A + b``: from the bias (or +0), products added in ascending order of the feature.

    Parameters
    ----------
    W : ndarray (M, D)
    b : ndarray (M,) or None
    A : ndarray (P * D, N)
    positions : int
        P.

    Returns
    -------
    ndarray (P * M, N)
    """
    M, D = W.shape
    Z = np.zeros((positions, M, A.shape[1]), A.dtype)
    A = A.reshape(positions, D, A.shape[1])
    if b is not None:
        Z[...] = b[:, None]
    # invariant: Z[p, i, j] holds b[i] and the first k products
    for k in range(D):
        Z += W[:, k, None] * A[:, k, None]
    return Z.reshape(positions * M, A.shape[2])


@np.errstate(all="ignore")
def dense_backward_input(W: Array, dZ: Array, positions: int = 1) -> Array:
    """Return ``dA = W^T dZ``: from +0, products added in ascending order of the unit.

    Parameters
    ----------
    W : ndarray (M, D)
    dZ : ndarray (P * M, N)
    positions : int
        P.

    Returns
    -------
    ndarray (P * D, N)
    """
    M, D = W.shape
    dA = np.zeros((positions, D, dZ.shape[1]), dZ.dtype)
    dZ = dZ.reshape(positions, M, dZ.shape[1])
    for i in range(M):
        dA += W[i, :, None] * dZ[:, i, None]
    return dA.reshape(positions * D, dZ.shape[2])


@np.errstate(all="ignore")
def dense_backward_weights(dZ: Array, A: Array, positions: int = 1) -> tuple[Array, Array]:
    """Return the sums over samples and positions ``dZ A^T`` and ``dZ 1``.

    The contract's order of samples (rule 3). With several positions: by groups; for dW within a group positions
    outside, samples inside; for db each sample's positions first.

    Parameters
    ----------
    dZ : ndarray (P * M, N)
    A : ndarray (P * D, N)
    positions : int
        P.

    Returns
    -------
    ndarray (M, D), ndarray (M,)
    """
    M, D, N = len(dZ) // positions, len(A) // positions, dZ.shape[1]
    dZ, A = dZ.reshape(positions, M, N), A.reshape(positions, D, N)
    dW = sum_samples(lambda p, j: dZ[p, :, j, None] * A[p, :, j], N, (M, D), dZ.dtype, positions)
    if positions == 1:
        return dW, sum_samples(lambda p, j: dZ[p, :, j], N, (M,), dZ.dtype)
    of_samples = np.zeros((M, N), dZ.dtype)
    for p in range(positions):
        of_samples += dZ[p]
    return dW, sum_sample_groups(of_samples)
