"""Networks that show every layer, for the tests of exchange formats: layers, the shape of a sample, whole numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn import Sequential
from fastnn import layers as L

Case = tuple[Callable[[], list[Any]], tuple[int, ...]]

CASES: dict[str, list[Case]] = {
    "activation": [(lambda: [L.Activation("tanh")], (4,)), (lambda: [L.Activation("softmax")], (3, 2, 4))],
    "activity_regularization": [(lambda: [L.Dense(3), L.ActivityRegularization(0.1, 0.1)], (4,))],
    "add": [(lambda: [L.Add([[L.Dense(4)], [L.Dense(6), L.Dense(4)], []])], (4,))],
    "average_pooling_1d": [
        (lambda: [L.AveragePooling1D(2)], (7, 3)),
        (lambda: [L.AveragePooling1D(3, 2, "same")], (8, 3)),
    ],
    "average_pooling_2d": [
        (lambda: [L.AveragePooling2D((3, 2), 2, "same")], (7, 6, 3)),
        (lambda: [L.AveragePooling2D(2, (1, 3))], (5, 6, 2)),
    ],
    "batch_normalization": [
        (lambda: [L.BatchNormalization()], (5,)),
        (lambda: [L.BatchNormalization(scale=False)], (4, 3)),
        (lambda: [L.Conv2D(4, 2), L.BatchNormalization(center=False, epsilon=0.1), L.Conv2D(2, 1)], (4, 5, 3)),
    ],
    "bidirectional": [
        (lambda mode=mode, inner=inner: [L.Bidirectional(inner(), merge_mode=mode)], (5, 3))
        for mode, inner in (
            ("concat", lambda: L.LSTM(4)),
            ("sum", lambda: L.GRU(4, return_sequences=True)),
            ("mul", lambda: L.SimpleRNN(4, return_sequences=True)),
            ("ave", lambda: L.LSTM(3, return_sequences=True, go_backwards=True)),
        )
    ],
    "concatenate": [
        (lambda: [L.Concatenate([[L.Dense(3)], []])], (4,)),
        (lambda: [L.Concatenate([[L.Conv2D(2, 1)], [], [L.MaxPooling2D(1)]])], (3, 4, 2)),
        (lambda: [L.Concatenate([[], [L.Cropping1D((1, 0))]], axis=1)], (4, 2)),
    ],
    "conv1d": [
        (lambda: [L.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu")], (9, 2)),
        (lambda: [L.Conv1D(4, 4, padding="same", strides=2)], (9, 2)),
        (lambda: [L.Conv1D(4, 2, groups=2, use_bias=False), L.Conv1D(2, 2)], (9, 2)),
    ],
    "conv2d": [
        (lambda: [L.Conv2D(4, (3, 2), activation="tanh")], (6, 7, 3)),
        (lambda: [L.Conv2D(4, 4, padding="same", strides=(2, 3)), L.Conv2D(2, 2, padding="same")], (6, 7, 3)),
        (lambda: [L.Conv2D(4, (3, 2), dilation_rate=(2, 1), groups=2, use_bias=False)], (6, 7, 2)),
    ],
    "conv2d_transpose": [
        (lambda: [L.Conv2DTranspose(3, 3, strides=2, padding="same", activation="relu")], (4, 5, 2)),
        (lambda: [L.Conv2DTranspose(4, (2, 3), strides=(3, 1), groups=2)], (4, 5, 2)),
        (lambda: [L.Conv2DTranspose(3, (3, 4), strides=2, output_padding=1)], (4, 5, 2)),
        (lambda: [L.Conv2DTranspose(3, 4, strides=2, padding="same", output_padding=0)], (4, 5, 2)),
        (lambda: [L.Conv2DTranspose(3, 3, dilation_rate=(1, 2), use_bias=False)], (4, 5, 2)),
    ],
    "cropping_1d": [(lambda: [L.Cropping1D((1, 2))], (6, 2))],
    "cropping_2d": [(lambda: [L.Conv2D(2, 2), L.Cropping2D(((1, 0), (2, 1)))], (6, 7, 2))],
    "dense": [
        (lambda: [L.Dense(5, "relu"), L.Dense(3, use_bias=False)], (4,)),
        (lambda: [L.Dense(5), L.Dense(3, "softmax")], (3, 2, 4)),
    ],
    "depthwise_conv2d": [
        (lambda: [L.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu")], (5, 6, 3)),
        (lambda: [L.DepthwiseConv2D((2, 3), strides=2)], (5, 6, 3)),
    ],
    "dropout": [(lambda: [L.Dense(3), L.Dropout(0.5)], (4,))],
    "elu": [(lambda: [L.ELU(0.7)], (4,))],
    "embedding": [
        (lambda: [L.Embedding(9, 4), L.Flatten(), L.Dense(2)], (5,)),
        (lambda: [L.Embedding(9, 4, mask_zero=True), L.LSTM(3)], (5,)),
    ],
    "flatten": [
        (lambda: [L.Flatten(), L.Dense(3)], (3, 4, 2)),
        (lambda: [L.Conv2D(3, 2), L.Flatten(), L.Dropout(0.1), L.ReLU(), L.Dense(3)], (3, 4, 2)),
    ],
    "gaussian_noise": [(lambda: [L.GaussianNoise(0.5), L.Dense(2)], (4,))],
    "global_average_pooling_1d": [(lambda: [L.GlobalAveragePooling1D()], (5, 3))],
    "global_average_pooling_2d": [
        (lambda: [L.Conv2D(3, 2), L.GlobalAveragePooling2D(), L.Dense(2)], (4, 5, 3)),
        (lambda: [L.GlobalAveragePooling2D(keepdims=True)], (4, 5, 3)),
    ],
    "global_max_pooling_1d": [(lambda: [L.GlobalMaxPooling1D(), L.Dense(2)], (5, 3))],
    "global_max_pooling_2d": [(lambda: [L.GlobalMaxPooling2D(keepdims=True)], (4, 5, 3))],
    "gru": [
        (lambda: [L.GRU(4)], (5, 3)),
        (lambda: [L.GRU(4, return_sequences=True, go_backwards=True), L.GRU(3, use_bias=False)], (5, 3)),
        (lambda: [L.GRU(4, "softsign", recurrent_activation="hard_sigmoid", return_sequences=True)], (5, 3)),
    ],
    "layer_normalization": [
        (lambda: [L.LayerNormalization()], (5,)),
        (lambda: [L.LSTM(4, return_sequences=True), L.LayerNormalization(scale=False, center=False)], (4, 3)),
    ],
    "leaky_relu": [(lambda: [L.LeakyReLU(0.15)], (4,))],
    "lstm": [
        (lambda: [L.LSTM(4)], (5, 3)),
        (lambda: [L.LSTM(4, go_backwards=True, return_sequences=True), L.LSTM(3, use_bias=False)], (5, 3)),
        (lambda: [L.LSTM(4, "elu", recurrent_activation="sigmoid", return_sequences=True, go_backwards=True)], (5, 3)),
        (lambda: [L.LSTM(3, return_sequences=True)], (1, 3)),
    ],
    "masking": [
        (lambda: [L.Masking(), L.GRU(4, return_sequences=True), L.Bidirectional(L.LSTM(3))], (5, 2)),
        (lambda: [L.Masking(0.5), L.Dense(3, "tanh"), L.SimpleRNN(4, go_backwards=True)], (5, 2)),
    ],
    "max_pooling_1d": [(lambda: [L.MaxPooling1D(3, 2, "same")], (8, 3)), (lambda: [L.MaxPooling1D(2)], (7, 3))],
    "max_pooling_2d": [
        (lambda: [L.MaxPooling2D((3, 2), 2, "same")], (7, 6, 3)),
        (lambda: [L.Conv2D(2, 1), L.MaxPooling2D(2), L.Conv2D(3, 2)], (7, 6, 3)),
    ],
    "permute": [(lambda: [L.Permute((3, 1, 2))], (3, 4, 2)), (lambda: [L.Permute((2, 1)), L.Dense(2)], (3, 4))],
    "prelu": [
        (lambda: [L.PReLU()], (3, 4)),
        (lambda: [L.Conv2D(3, 1), L.PReLU(shared_axes=[1, 2]), L.PReLU()], (3, 4, 2)),
    ],
    "relu": [(lambda: [L.ReLU()], (4,)), (lambda: [L.ReLU(0.2)], (4,))],
    "reshape": [(lambda: [L.Reshape((3, 4)), L.Conv1D(2, 2), L.Reshape((2, 2))], (12,))],
    "residual": [
        (lambda: [L.Residual([L.Conv2D(3, 3, padding="same", activation="relu"), L.BatchNormalization()])], (4, 5, 3)),
        (lambda: [L.Residual([L.Dense(5)], [L.Dense(5, use_bias=False)])], (4,)),
    ],
    "simple_rnn": [
        (lambda: [L.SimpleRNN(4, "relu")], (5, 3)),
        (lambda: [L.SimpleRNN(4, return_sequences=True, go_backwards=True), L.SimpleRNN(3, use_bias=False)], (5, 3)),
        (lambda: [L.SimpleRNN(4, "linear", return_sequences=True)], (5, 3)),
    ],
    "softmax": [(lambda: [L.Softmax()], (4,)), (lambda: [L.Conv2D(3, 2), L.Softmax()], (4, 5, 2))],
    "spatial_dropout_1d": [(lambda: [L.SpatialDropout1D(0.5), L.Conv1D(2, 2)], (4, 2))],
    "spatial_dropout_2d": [(lambda: [L.SpatialDropout2D(0.5), L.Conv2D(2, 2)], (4, 3, 2))],
    "time_distributed": [
        (lambda: [L.TimeDistributed(L.Dense(3, "tanh"))], (4, 2)),
        *(
            (lambda inner=inner: [L.TimeDistributed(inner()), L.TimeDistributed(L.ReLU())], (3, 5, 4, 2))
            for inner in (
                lambda: L.Conv2D(2, 3, padding="same", activation="tanh"),
                lambda: L.DepthwiseConv2D((2, 3), strides=2),
                lambda: L.MaxPooling2D(2),
                lambda: L.GlobalAveragePooling2D(),
                lambda: L.BatchNormalization(),
                lambda: L.Permute((3, 1, 2)),
            )
        ),
        (lambda: [L.TimeDistributed(L.Conv1D(2, 3, padding="causal")), L.TimeDistributed(L.Softmax())], (3, 5, 2)),
        (lambda: [L.TimeDistributed(L.Flatten()), L.TimeDistributed(L.Reshape((2, 4)))], (3, 4, 2)),
    ],
    "up_sampling_1d": [(lambda: [L.UpSampling1D(3)], (4, 2))],
    "up_sampling_2d": [(lambda: [L.Conv2D(2, 2), L.UpSampling2D((2, 3)), L.Conv2D(1, 2)], (4, 5, 2))],
    "zero_padding_1d": [(lambda: [L.ZeroPadding1D((2, 1))], (4, 2))],
    "zero_padding_2d": [(lambda: [L.Conv2D(2, 2), L.ZeroPadding2D(((1, 2), (0, 3))), L.Conv2D(1, 2)], (4, 5, 2))],
}
"""By kind of layer: networks that hold one, and the shape of a sample."""


def random_model(make: Callable[[], list[Any]], shape: tuple[int, ...], dtype: str) -> Sequential:
    """Return a network with random weights and statistics."""
    model = Sequential(make(), dtype=dtype, backend="numpy")
    model.build(shape)
    rng = np.random.default_rng(5)
    model.parameters[:] = rng.standard_normal(model.parameters.shape) * 0.5
    for name, values in model.statistics.items():
        values[:] = rng.random(values.shape) + 0.2 if name.startswith("variance") else rng.standard_normal(values.shape)
    return model


def samples(model: Sequential, shape: tuple[int, ...], count: int = 3) -> Any:
    """Return random samples for a network; sequences with steps of zeros and of a half, for masks."""
    rng = np.random.default_rng(7)
    if isinstance(model.layers[0], L.Embedding):
        return rng.integers(0, model.layers[0].input_dim, (count, *shape))
    x = rng.standard_normal((count, *shape)).astype(model.dtype)
    if isinstance(model.layers[0], L.Masking):
        x[0, 0], x[1, 2], x[2, -2:], x[-1, -1] = 0.0, 0.0, 0.5, 0.5
        x[0, -1] = 0.0
    return x
