"""Layers: one file each. A layer holds settings; arrays belong to the model, ops to the plan it is built into.

To add a layer: subclass ``Layer``, emit ops in ``build``, register the class. Names, arguments and defaults are Keras';
weights are stored as (units, inputs), as in the tutorial.
"""

from __future__ import annotations

from fastnn.layers.activation import Activation
from fastnn.layers.advanced_activation import ELU, ActivityRegularization, LeakyReLU, ReLU, Softmax
from fastnn.layers.base import LAYERS, Layer
from fastnn.layers.bidirectional import Bidirectional
from fastnn.layers.branches import Add, Concatenate, Residual
from fastnn.layers.convolution import Conv1D, Conv2D, DepthwiseConv2D
from fastnn.layers.dense import Dense
from fastnn.layers.embedding import Embedding
from fastnn.layers.layer_normalization import LayerNormalization
from fastnn.layers.masking import Masking
from fastnn.layers.noise import Dropout, GaussianNoise, SpatialDropout1D, SpatialDropout2D
from fastnn.layers.normalization import BatchNormalization
from fastnn.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPooling1D,
    MaxPooling2D,
)
from fastnn.layers.prelu import PReLU
from fastnn.layers.rearrange import (
    Cropping1D,
    Cropping2D,
    Permute,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
)
from fastnn.layers.recurrent import GRU, LSTM, SimpleRNN
from fastnn.layers.shape import Flatten, Reshape
from fastnn.layers.time_distributed import TimeDistributed
from fastnn.layers.transposed_convolution import Conv2DTranspose

__all__ = [
    "ELU",
    "GRU",
    "LAYERS",
    "LSTM",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AveragePooling1D",
    "AveragePooling2D",
    "BatchNormalization",
    "Bidirectional",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPooling1D",
    "MaxPooling2D",
    "PReLU",
    "Permute",
    "ReLU",
    "Reshape",
    "Residual",
    "SimpleRNN",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "TimeDistributed",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
]
