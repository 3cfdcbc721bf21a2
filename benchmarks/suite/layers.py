"""Every layer by itself, before a dense one: forward alone, and one step with its gradient.

``CASES`` names every registered layer, which ``tests/test_bench.py`` checks.
"""

from __future__ import annotations

import numpy as np

from fastnn import layers
from fastnn.models import Sequential

from .common import BACKENDS, one_hot, rows, sizes

FEATURES, SEQUENCE, IMAGE = 1, 2, 3
"""Axes of a sample."""

# Sizes are asked for when a layer is made: the tests change them after this file is imported.
CASES = {
    "activation": (FEATURES, lambda: [layers.Activation("tanh")]),
    "activity_regularization": (FEATURES, lambda: [layers.ActivityRegularization(l2=0.01)]),
    "add": (FEATURES, lambda: [layers.Add([[layers.Dense(sizes.hidden)], [layers.Dense(sizes.hidden)]])]),
    "average_pooling_1d": (SEQUENCE, lambda: [layers.AveragePooling1D()]),
    "average_pooling_2d": (IMAGE, lambda: [layers.AveragePooling2D()]),
    "batch_normalization": (IMAGE, lambda: [layers.BatchNormalization()]),
    "bidirectional": (SEQUENCE, lambda: [layers.Bidirectional(layers.GRU(sizes.hidden))]),
    "concatenate": (FEATURES, lambda: [layers.Concatenate([[layers.Dense(sizes.hidden)], []])]),
    "conv1d": (SEQUENCE, lambda: [layers.Conv1D(sizes.channels, 3)]),
    "conv2d": (IMAGE, lambda: [layers.Conv2D(sizes.channels, 3)]),
    "conv2d_transpose": (IMAGE, lambda: [layers.Conv2DTranspose(sizes.channels, 3, strides=2)]),
    "cropping_1d": (SEQUENCE, lambda: [layers.Cropping1D()]),
    "cropping_2d": (IMAGE, lambda: [layers.Cropping2D(1)]),
    "dense": (FEATURES, lambda: [layers.Dense(sizes.hidden)]),
    "depthwise_conv2d": (IMAGE, lambda: [layers.DepthwiseConv2D(3)]),
    "dropout": (FEATURES, lambda: [layers.Dropout(0.5)]),
    "elu": (FEATURES, lambda: [layers.ELU()]),
    "embedding": (FEATURES, lambda: [layers.Embedding(10, sizes.channels)]),
    "flatten": (IMAGE, lambda: [layers.Flatten()]),
    "gaussian_noise": (FEATURES, lambda: [layers.GaussianNoise(0.1)]),
    "global_average_pooling_1d": (SEQUENCE, lambda: [layers.GlobalAveragePooling1D()]),
    "global_average_pooling_2d": (IMAGE, lambda: [layers.GlobalAveragePooling2D()]),
    "global_max_pooling_1d": (SEQUENCE, lambda: [layers.GlobalMaxPooling1D()]),
    "global_max_pooling_2d": (IMAGE, lambda: [layers.GlobalMaxPooling2D()]),
    "gru": (SEQUENCE, lambda: [layers.GRU(sizes.hidden)]),
    "layer_normalization": (SEQUENCE, lambda: [layers.LayerNormalization()]),
    "leaky_relu": (FEATURES, lambda: [layers.LeakyReLU()]),
    "lstm": (SEQUENCE, lambda: [layers.LSTM(sizes.hidden)]),
    "masking": (SEQUENCE, lambda: [layers.Masking(), layers.SimpleRNN(sizes.hidden)]),
    "max_pooling_1d": (SEQUENCE, lambda: [layers.MaxPooling1D()]),
    "max_pooling_2d": (IMAGE, lambda: [layers.MaxPooling2D()]),
    "permute": (IMAGE, lambda: [layers.Permute((3, 1, 2))]),
    "prelu": (IMAGE, lambda: [layers.PReLU()]),
    "relu": (FEATURES, lambda: [layers.ReLU()]),
    "reshape": (FEATURES, lambda: [layers.Reshape((-1, 1))]),
    "residual": (FEATURES, lambda: [layers.Residual([layers.Dense(sizes.features)])]),
    "simple_rnn": (SEQUENCE, lambda: [layers.SimpleRNN(sizes.hidden)]),
    "softmax": (FEATURES, lambda: [layers.Softmax()]),
    "spatial_dropout_1d": (SEQUENCE, lambda: [layers.SpatialDropout1D(0.5)]),
    "spatial_dropout_2d": (IMAGE, lambda: [layers.SpatialDropout2D(0.5)]),
    "time_distributed": (SEQUENCE, lambda: [layers.TimeDistributed(layers.Dense(sizes.hidden))]),
    "up_sampling_1d": (SEQUENCE, lambda: [layers.UpSampling1D()]),
    "up_sampling_2d": (IMAGE, lambda: [layers.UpSampling2D()]),
    "zero_padding_1d": (SEQUENCE, lambda: [layers.ZeroPadding1D()]),
    "zero_padding_2d": (IMAGE, lambda: [layers.ZeroPadding2D()]),
}


def samples(layer):
    """Values between 0 and 1; for an embedding, whole numbers that it takes."""
    axes, _ = CASES[layer]
    shape = {FEATURES: (sizes.features,), SEQUENCE: (sizes.steps, sizes.channels),
             IMAGE: (sizes.side, sizes.side, sizes.channels)}[axes]  # fmt: skip
    values = rows(sizes.batch, int(np.prod(shape))).reshape(-1, *shape)
    return np.floor(10 * values) if layer == "embedding" else values


class Layers:
    params = (BACKENDS, sorted(CASES))
    param_names = ("backend", "layer")

    def setup(self, backend, layer):
        self.X, self.Y = samples(layer), one_hot(sizes.batch)
        self.model = Sequential(
            [*CASES[layer][1](), layers.Flatten(), layers.Dense(sizes.outputs, activation="softmax")], seed=3
        )
        self.model.compile("sgd", "categorical_crossentropy", backend=backend)
        self.model.train_on_batch(self.X, self.Y)
        self.model.predict(self.X)

    def time_forward(self, backend, layer):
        self.model.predict(self.X)

    def time_step(self, backend, layer):
        self.model.train_on_batch(self.X, self.Y)
