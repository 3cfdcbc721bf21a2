"""Networks whose trained weights are fixed for good: their SHA-256 stands in ``golden.json``.

Data, initial weights and shuffles come from the contract's own generator, so nothing here depends on a
library's version. ``python tests/golden.py [numpy|numba]`` prints the digests that this machine computes;
it needs no test runner, so that it runs anywhere (``tests/aarch64.py``).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastnn import layers
from fastnn.backends import get_backend
from fastnn.backends.numpy_backend import random
from fastnn.optimizers import SGD, Adam, Nadam, Optimizer, RMSprop
from fastnn.plan.data import Data
from fastnn.plan.executor import Draw
from fastnn.random import Purpose

sys.path.insert(0, str(Path(__file__).parent))
from networks import Network, Stack, scalars_of, state_of

FILE = Path(__file__).with_name("golden.json")


def numbers(layer: int, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return standard normal numbers of the contract's generator."""
    return random.normal(2026, Purpose.NOISE, 0, layer, int(np.prod(shape)), dtype).reshape(shape)


def trained(
    backend: str, network: Network, dtype: Any, optimizer: Optimizer, samples: int, batch: int, epochs: int,
    *, shuffle: bool = False, weighted: bool = False, x: Any = None, y: Any = None,
) -> Any:  # fmt: skip
    """Return the weights after whole epochs."""
    plan = network.plan()
    x = numbers(1, (samples, network.sizes[0]), dtype) if x is None else x
    if y is None:
        hidden = numbers(2, (network.sizes[-1], samples), dtype)
        assert plan.loss is not None
        if plan.loss.labels:
            y = hidden.argmax(axis=0)
        elif network.activations[-1] == "softmax":
            y = (hidden.argmax(axis=0)[:, None] == np.arange(network.sizes[-1])).astype(dtype)
        else:
            y = np.ascontiguousarray(hidden.T)
    weight = abs(numbers(3, (samples,), dtype)) if weighted else None
    parameters = numbers(4, (plan.size,), dtype) * dtype(0.25)
    state = state_of(plan, dtype, optimizer, parameters)
    executor = get_backend(backend).executor(plan, dtype, state, optimizer)
    steps = -(-samples // batch)
    for epoch in range(epochs):
        order = random.permutation(7, epoch, samples) if shuffle else None
        scalars = scalars_of(optimizer, dtype, epoch * steps + 1, steps)
        executor.run("train", Data(x, y, weight, order), batch, steps, scalars=scalars)
    return state.parameters


def xor(backend: str) -> Any:
    network = Network((2, 4, 1), ("sigmoid", "sigmoid"), "crossentropy_cost")
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float64)
    y = np.array([[0], [1], [1], [0]], np.float64)
    return trained(backend, network, np.float64, SGD(2.0), 4, 4, 500, x=x, y=y)


def digits(backend: str) -> Any:
    network = Network((20, 16, 10), ("relu", "softmax"), "categorical_crossentropy")
    return trained(backend, network, np.float32, Adam(0.01), 200, 32, 5, shuffle=True)


def momentum(backend: str) -> Any:
    network = Network((7, 33, 17, 3), ("tanh", "tanh", "linear"), "mse", penalty=(0.0, 0.01))
    return trained(backend, network, np.float64, SGD(0.05, momentum=0.9, clipnorm=0.5), 130, 64, 8)


def smooth(backend: str) -> Any:
    network = Network((5, 65, 10, 2), ("gelu", "swish", "softplus"), "huber", activity=(0.001, 0.001))
    optimizer = RMSprop(0.005, momentum=0.5, clipvalue=0.02)
    return trained(backend, network, np.float32, optimizer, 150, 50, 6, weighted=True)


def labels(backend: str) -> Any:
    network = Network((11, 17, 5), ("mish", "softmax"), "sparse_categorical_crossentropy", penalty=(0.001, 0.0))
    return trained(backend, network, np.float64, Nadam(0.01), 99, 33, 6, shuffle=True)


def large_batch(backend: str) -> Any:
    network = Network((16, 10, 1), ("elu", "linear"), "log_cosh", bias=False)
    return trained(backend, network, np.float32, SGD(0.1, global_clipnorm=1.0), 3500, 3300, 3)


def trained_stack(
    backend: str, stack: Stack, dtype: Any, optimizer: Optimizer, samples: int, batch: int, epochs: int, x: Any = None
) -> Any:
    """Return the weights, and what layers measured, after whole epochs of a stack of layers."""
    plan = stack.plan()
    assert plan.loss is not None
    x = numbers(1, (samples, plan.inputs.rows), dtype) if x is None else x
    hidden = numbers(2, (plan.outputs.rows, samples), dtype)
    y = hidden.argmax(axis=0) if plan.loss.labels else np.ascontiguousarray(hidden.T)
    parameters = numbers(4, (plan.size,), dtype) * dtype(0.25)
    state = state_of(plan, dtype, optimizer, parameters)
    executor = get_backend(backend).executor(plan, dtype, state, optimizer)
    steps = -(-samples // batch)
    for epoch in range(epochs):
        first = epoch * steps + 1
        data = Data(x, y, None, random.permutation(7, epoch, samples))
        scalars = scalars_of(optimizer, dtype, first, steps)
        executor.run("train", data, batch, steps, scalars=scalars, draw=Draw(11, first))
    assert state.statistics is not None
    return np.concatenate([state.parameters, state.statistics])


def convolutional(backend: str) -> Any:
    stack = Stack(
        lambda: [
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Conv2D(6, (2, 3), strides=(1, 2), groups=2, activation="tanh"),
            layers.SpatialDropout2D(0.25),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, activation="softmax"),
        ],
        (9, 8, 3),
        "sparse_categorical_crossentropy",
    )
    return trained_stack(backend, stack, np.float32, Adam(0.01), 100, 40, 4)


def recurrent(backend: str) -> Any:
    stack = Stack(
        lambda: [
            layers.Masking(0.0),
            layers.LSTM(5, return_sequences=True),
            layers.Dropout(0.2),
            layers.GRU(6, return_sequences=True),
            layers.SimpleRNN(4),
            layers.Dense(3),
        ],
        (7, 3),
    )
    x = numbers(1, (90, 7, 3), np.float64)
    x[np.arange(7) >= 1 + np.arange(90)[:, None] % 7] = 0
    return trained_stack(backend, stack, np.float64, SGD(0.05, momentum=0.9), 90, 70, 4, x.reshape(90, 21))


def residual(backend: str) -> Any:
    stack = Stack(
        lambda: [
            layers.Embedding(11, 6),
            layers.Conv1D(6, 3, padding="same", dilation_rate=2),
            layers.Residual([layers.LayerNormalization(), layers.Dense(6, activation="gelu")]),
            layers.Concatenate([[layers.AveragePooling1D(2)], [layers.MaxPooling1D(2), layers.PReLU()]]),
            layers.Flatten(),
            layers.Dense(4, activation="softmax"),
        ],
        (8,),
        "sparse_categorical_crossentropy",
    )
    x = abs(numbers(1, (150, 8), np.float32) * 4).astype(np.int64) % 11
    return trained_stack(backend, stack, np.float32, RMSprop(0.01), 150, 64, 4, x.astype(np.float32))


def autoencoder(backend: str) -> Any:
    stack = Stack(
        lambda: [
            layers.GaussianNoise(0.1),
            layers.Conv2D(5, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="tanh"),
            layers.UpSampling2D(2),
            layers.DepthwiseConv2D(2, strides=2),
            layers.Conv2D(1, 1),
            layers.Flatten(),
        ],
        (6, 6, 1),
    )
    return trained_stack(backend, stack, np.float64, Adam(0.01), 80, 50, 3)


NETWORKS: dict[str, Callable[[str], Any]] = {
    "xor 2-4-1 sigmoid, gradient descent, float64": xor,
    "20-16-10 relu softmax, Adam, shuffled, float32": digits,
    "7-33-17-3 tanh, momentum, L2, clipnorm, float64": momentum,
    "5-65-10-2 gelu swish softplus, Huber, RMSprop, weighted, float32": smooth,
    "11-17-5 mish softmax, labels, Nadam, L1, shuffled, float64": labels,
    "16-10-1 elu, log-cosh, batches of 3300, no bias, float32": large_batch,
    "convolutions, batch normalization, pooling, spatial dropout, labels, Adam, float32": convolutional,
    "masked LSTM, dropout, GRU, simple RNN, momentum, float64": recurrent,
    "embedding, dilated convolution, residual, concatenation, PReLU, RMSprop, float32": residual,
    "noise, strided, transposed and depthwise convolutions, upsampling, Adam, float64": autoencoder,
}


def digest(weights: Any) -> str:
    """Return the SHA-256 of the raw little-endian bits."""
    return hashlib.sha256(weights.astype(weights.dtype.newbyteorder("<")).tobytes()).hexdigest()


def digests(backend: str) -> dict[str, str]:
    return {name: digest(train(backend)) for name, train in NETWORKS.items()}


if __name__ == "__main__":
    print(json.dumps(digests(sys.argv[1] if len(sys.argv) > 1 else "numba"), indent=2))
