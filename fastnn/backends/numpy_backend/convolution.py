"""Convolutions, said plainly: one array operation for each channel and tap, in the order of the sum.

Shapes: W (M, C / G, R, S); A (H * W * C, N): H x W cells of C channels; Z and dZ (P * Q * M, N): P x Q places of M
filters; b (M,); G groups; N samples. ``fastnn.plan.convolution`` says which place reads which cell. A tap that falls
into the padding is skipped, not multiplied by zero: infinities and NaN do not notice it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.reduction import sum_sample_groups
from fastnn.plan.convolution import Convolution

Array = np.ndarray[Any, Any]


def _cells(A: Array, g: Convolution) -> Array:
    """Return the view (H, W, G, C / G, N) of an image's values."""
    return A.reshape(*g.cells, g.groups, g.channels // g.groups, A.shape[1])


def _places(Z: Array, g: Convolution) -> Array:
    """Return the view (P, Q, G, M / G, N) of an output's values."""
    return Z.reshape(*g.places, g.groups, g.filters // g.groups, Z.shape[1])


def _weights(W: Array, g: Convolution) -> Array:
    """Return the view (G, M / G, C / G, R, S) of the weights."""
    return W.reshape(g.groups, g.filters // g.groups, *g.shape[1:])


def _start(b: Array | None, grid: tuple[int, int], channels: int, like: Array) -> Array:
    """Return (rows * columns * channels, N) numbers: the bias of their channel, or +0."""
    Z = np.zeros((grid[0] * grid[1], channels, like.shape[1]), like.dtype)
    if b is not None:
        Z[...] = b[:, None]
    return Z.reshape(grid[0] * grid[1] * channels, like.shape[1])


@np.errstate(all="ignore")
def convolution_forward(W: Array, b: Array | None, A: Array, geometry: Convolution) -> Array:
    """Return Z: from the bias (or +0), products added by (channel of the group, kernel row, kernel column) ascending.

    Parameters
    ----------
    W : ndarray (M, C / G, R, S)
    b : ndarray (M,) or None
    A : ndarray (H * W * C, N)
    geometry : Convolution

    Returns
    -------
    ndarray (P * Q * M, N)
    """
    g = geometry
    result = _start(b, g.places, g.filters, A)
    Z, A, W = _places(result, g), _cells(A, g), _weights(W, g)
    for c in range(W.shape[2]):
        for r in range(g.size[0]):
            for s in range(g.size[1]):
                (rows, A_rows), (columns, A_columns) = g.reach(0, r), g.reach(1, s)
                Z[rows, columns] += W[:, :, c, r, s, None] * A[A_rows, A_columns, :, c, None]
    return result


@np.errstate(all="ignore")
def convolution_backward_input(W: Array, dZ: Array, geometry: Convolution, b: Array | None = None) -> Array:
    """Return dA: from +0, products added by (filter of the group, kernel row, kernel column) ascending.

    Parameters
    ----------
    W : ndarray (M, C / G, R, S)
    dZ : ndarray (P * Q * M, N)
    geometry : Convolution
    b : ndarray (C,), optional
        Where the sums start instead of +0: this is the forward pass of a transposed convolution.

    Returns
    -------
    ndarray (H * W * C, N)
    """
    g = geometry
    result = _start(b, g.cells, g.channels, dZ)
    dA, dZ, W = _cells(result, g), _places(dZ, g), _weights(W, g)
    for m in range(W.shape[1]):
        for r in range(g.size[0]):
            for s in range(g.size[1]):
                (dZ_rows, rows), (dZ_columns, columns) = g.reach(0, r), g.reach(1, s)
                dA[rows, columns] += W[:, m, :, r, s, None] * dZ[dZ_rows, dZ_columns, :, m, None]
    return result


@np.errstate(all="ignore")
def convolution_backward_weights(dZ: Array, A: Array, geometry: Convolution) -> Array:
    """Return dW: for each sample, from +0, the places whose cell exists in order (row, column); then the samples, by
    ``sum_sample_groups``.

    Parameters
    ----------
    dZ : ndarray (P * Q * M, N)
    A : ndarray (H * W * C, N)
    geometry : Convolution

    Returns
    -------
    ndarray (M, C / G, R, S)
    """
    g = geometry
    dZ, A = _places(dZ, g), _cells(A, g)
    dW = np.zeros((g.groups, g.filters // g.groups, *g.shape[1:]), A.dtype)
    for r in range(g.size[0]):
        for s in range(g.size[1]):
            (rows, A_rows), (columns, A_columns) = g.reach(0, r), g.reach(1, s)
            of_samples = np.zeros((*dW.shape[:3], A.shape[-1]), A.dtype)
            for at_row, A_at_row in zip(dZ[rows], A[A_rows], strict=True):
                for at, A_at in zip(at_row[columns], A_at_row[A_columns], strict=True):
                    of_samples += at[:, :, None] * A_at[:, None]
            dW[..., r, s] = sum_sample_groups(of_samples)
    return dW.reshape(g.shape)


@np.errstate(all="ignore")
def bias_gradient(dZ: Array, channels: int) -> Array:
    """Return db: for each sample, from +0, the places in order (row, column); then the samples by groups.

    Parameters
    ----------
    dZ : ndarray (places * channels, N)
    channels : int
    """
    of_samples = np.zeros((channels, dZ.shape[1]), dZ.dtype)
    for at in dZ.reshape(len(dZ) // channels, channels, dZ.shape[1]):
        of_samples += at
    return sum_sample_groups(of_samples)


def _gradients(dW: Array, o: dict[str, Any], channels: int) -> dict[str, Array]:
    return {"W": dW} if o["b"] is None else {"W": dW, "b": bias_gradient(o["dZ"], channels)}


OPS = {
    "convolution_forward": lambda o, s: convolution_forward(o["W"], o["b"], o["A"], s["geometry"]),
    "convolution_backward_input": lambda o, s: convolution_backward_input(o["W"], o["dZ"], s["geometry"]),
    # the transposed convolution: the same three, with the parts of input and output exchanged
    "transposed_convolution_forward": lambda o, s: convolution_backward_input(o["W"], o["A"], s["geometry"], o["b"]),
    "transposed_convolution_backward_input": lambda o, s: convolution_forward(o["W"], None, o["dZ"], s["geometry"]),
}

GRADIENTS = {
    "convolution_backward_weights": lambda o, s: _gradients(
        convolution_backward_weights(o["dZ"], o["A"], s["geometry"]), o, s["geometry"].filters
    ),
    "transposed_convolution_backward_weights": lambda o, s: _gradients(
        convolution_backward_weights(o["A"], o["dZ"], s["geometry"]), o, s["geometry"].channels
    ),
}
