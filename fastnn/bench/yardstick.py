"""The yardstick: a network in float64 with NumPy, plainly, by which every system's weights are judged.

It shares nothing with the systems it judges. Arrays are laid out as ``fastnn.bench.networks`` says; the first axis is
samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.bench.networks import Conv2D, Dense, GlobalAverage2D, MaxPool2D, Network, Recurrent


def outputs(network: Network, weights: list[tuple[Any, ...]], X: Any) -> Any:
    """Return the network's outputs for samples ``X``."""
    A = np.asarray(X, np.float64)
    for layer, given in network.with_arrays(weights):
        arrays = [np.asarray(a, np.float64) for a in given]
        if isinstance(layer, Dense):
            A = ACTIVATIONS[layer.activation](A @ arrays[0] + arrays[1])
        elif isinstance(layer, Conv2D):
            A = ACTIVATIONS[layer.activation](convolution(A, arrays[0], arrays[1], layer.padding))
        elif isinstance(layer, MaxPool2D):
            A = max_pooling(A, layer.size)
        elif isinstance(layer, GlobalAverage2D):
            A = A.mean(axis=(1, 2))
        elif isinstance(layer, Recurrent):
            A = CELLS[layer.cell](A, *arrays)
        else:
            A = A.reshape(len(A), -1)
    return A


def convolution(X: Any, W: Any, b: Any, padding: str) -> Any:
    """Return the convolution of images with W (rows, columns, channels, filters): a product for each tap."""
    rows, columns = W.shape[:2]
    if padding == "same":
        before = (rows - 1) // 2, (columns - 1) // 2
        X = np.pad(X, ((0, 0), (before[0], rows - 1 - before[0]), (before[1], columns - 1 - before[1]), (0, 0)))
    height, width = X.shape[1] - rows + 1, X.shape[2] - columns + 1
    return b + sum(X[:, r : r + height, c : c + width] @ W[r, c] for r in range(rows) for c in range(columns))


def max_pooling(X: Any, size: int) -> Any:
    """Return the greatest value of each square."""
    n, height, width, channels = X.shape
    X = X[:, : height // size * size, : width // size * size]
    return X.reshape(n, height // size, size, width // size, size, channels).max(axis=(2, 4))


def simple_rnn(X: Any, W: Any, U: Any, b: Any) -> Any:
    """Return the last state."""
    h = np.zeros((len(X), len(U)))
    for t in range(X.shape[1]):
        h = np.tanh(X[:, t] @ W + b + h @ U)
    return h


def lstm(X: Any, W: Any, U: Any, b: Any) -> Any:
    """Return the last output; gates i, f, c, o."""
    h = c = np.zeros((len(X), len(U)))
    for t in range(X.shape[1]):
        i, f, g, o = np.split(X[:, t] @ W + b + h @ U, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru(X: Any, W: Any, U: Any, b: Any, bU: Any) -> Any:
    """Return the last state; gates z, r, h, the reset gate after the product."""
    h = np.zeros((len(X), len(U)))
    for t in range(X.shape[1]):
        (z, r, n), (hz, hr, hn) = np.split(X[:, t] @ W + b, 3, axis=1), np.split(h @ U + bU, 3, axis=1)
        z = sigmoid(z + hz)
        h = z * h + (1 - z) * np.tanh(n + sigmoid(r + hr) * hn)
    return h


CELLS: dict[str, Any] = {"simple_rnn": simple_rnn, "lstm": lstm, "gru": gru}


def sigmoid(Z: Any) -> Any:
    """1 / (1 + exp(-Z))."""
    return 1.0 / (1.0 + np.exp(-Z))


def softmax(Z: Any) -> Any:
    """Exponentials over their sum, for each sample."""
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


ACTIVATIONS: dict[str, Any] = {
    "linear": lambda Z: Z, "sigmoid": sigmoid, "tanh": np.tanh, "relu": lambda Z: np.maximum(Z, 0.0),
    "softmax": softmax,
}  # fmt: skip
