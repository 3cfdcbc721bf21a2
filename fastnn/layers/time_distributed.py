"""TimeDistributed: a layer applied to every step of a sequence with the same weights."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.activation import Activation
from fastnn.layers.advanced_activation import ELU, ActivityRegularization, LeakyReLU, ReLU, Softmax
from fastnn.layers.base import LAYERS, Layer, sample_shape
from fastnn.layers.branches import joined_all
from fastnn.layers.convolution import Conv1D, Conv2D, DepthwiseConv2D
from fastnn.layers.dense import Dense
from fastnn.layers.layer_normalization import LayerNormalization
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
from fastnn.layers.rearrange import (
    Cropping1D,
    Cropping2D,
    Permute,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
    gather,
    row_numbers,
)
from fastnn.layers.shape import Flatten, Reshape
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor

STEPWISE = (Dense, Activation, Dropout, GaussianNoise, ReLU, LeakyReLU, ELU, ActivityRegularization)
"""Layers that treat every position of the leading axes by itself as they are."""
ALONG_CHANNELS = (BatchNormalization, LayerNormalization, Softmax)
"""Those that do so along the last axis, which their ``axis`` may also count from the samples."""
CONVOLUTIONS = (Conv1D, Conv2D, DepthwiseConv2D)
SHAPES = (Flatten, Reshape)
MOVING = (ZeroPadding1D, ZeroPadding2D, Cropping1D, Cropping2D, UpSampling1D, UpSampling2D, Permute)
"""Layers that are one table of where rows go."""
GREATEST = (MaxPooling1D, MaxPooling2D, GlobalMaxPooling1D, GlobalMaxPooling2D)
POOLING = (*GREATEST, AveragePooling1D, AveragePooling2D, GlobalAveragePooling1D, GlobalAveragePooling2D)
ONE_BY_ONE = (SpatialDropout1D, SpatialDropout2D)
"""Layers without weights that are built once for each step."""
TAKEN = (*STEPWISE, *ALONG_CHANNELS, *CONVOLUTIONS, *SHAPES, *MOVING, *POOLING, *ONE_BY_ONE)


@dataclass
class TimeDistributed(Layer):
    """Apply a layer to every step: samples (steps, ...) become (steps, ...).

    Parameters
    ----------
    layer : Layer
        What it does to a sample is done to each step, with one set of weights. Taken are ``Dense``, activations,
        ``Dropout`` and noise, ``BatchNormalization`` (over samples and steps, as in Keras), ``LayerNormalization``,
        ``Conv1D``, ``Conv2D``, ``DepthwiseConv2D``, pooling, padding, cropping, upsampling, ``Permute``, ``Flatten``
        and ``Reshape``. Not taken are recurrent layers, ``Embedding``, ``PReLU``, ``Conv2DTranspose`` and layers made
        of layers.
    input_shape : tuple of int, optional
        Shape of a sample, steps first, for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    A convolution of images goes over all steps' images, one below the other, with rows of zeros between them where it
    pads: these take part in its sums as zeros, which the layer by itself leaves out.
    """

    kind = "time_distributed"

    layer: Any
    input_shape: Any = None

    def __post_init__(self) -> None:
        if type(self.layer) not in TAKEN:
            names = ", ".join(kind.__name__ for kind in TAKEN)
            got = type(self.layer).__name__ if isinstance(self.layer, Layer) else repr(self.layer)
            raise InvalidTypeError(f"TimeDistributed takes one of {names}, got {got}")
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the layer over all steps."""
        if len(x.shape) < 2:
            raise InvalidValueError(f"TimeDistributed takes samples of shape (steps, ...), got {x.shape}")
        steps, rest = x.shape[0], x.shape[1:]
        step = Tensor(x.index, x.rows // steps, x.name, rest)
        if isinstance(self.layer, Flatten):
            return x.viewed((steps, math.prod(rest)))
        if isinstance(self.layer, Reshape):
            return x.viewed((steps, *self.layer.build(plan, step).shape))
        if isinstance(self.layer, ALONG_CHANNELS):
            layer = copy.copy(self.layer)
            layer.axis = -1 if layer.axis == len(rest) else layer.axis
            if layer.axis != -1:
                layer.build(plan, step)  # which says what is wrong
            return layer.build(plan, x)  # type: ignore[no-any-return]
        if isinstance(self.layer, CONVOLUTIONS):
            return self.layer.over_steps(plan, x)
        if isinstance(self.layer, MOVING):
            return self._moved(plan, x)
        if isinstance(self.layer, POOLING):
            return self._pooled(plan, x)
        if isinstance(self.layer, ONE_BY_ONE):
            return self._one_by_one(plan, x)
        return self.layer.build(plan, x)  # type: ignore[no-any-return]

    def _moved(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the copy of all steps' rows."""
        alone = PlanBuilder(x.shape[1:])
        end = self.layer.build(alone, alone.inputs)
        if not alone.forward:
            return x.viewed((x.shape[0], *end.shape))
        (op,) = alone.forward
        first = np.arange(x.shape[0])[:, None] * alone.inputs.rows
        plan.take_room(x.shape[0] * end.rows)
        table = np.where(op.static["table"] < 0, -1, op.static["table"] + first)
        return gather(plan, x, table.reshape(x.shape[0], *end.shape))

    def _pooled(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the pooling as one of images: a step's sequence is a row of it, or its image some rows.

        Windows of images that overlap, or are padded, are pooled step by step.
        """
        layer, (steps, *cells, channels) = self.layer, x.shape
        alone = PlanBuilder(x.shape[1:])
        shape = (steps, *layer.build(alone, alone.inputs).shape)
        pool = MaxPooling2D if isinstance(layer, GREATEST) else AveragePooling2D
        if not hasattr(layer, "pool_size"):
            count = math.prod(cells)
            return pool((1, count)).build(plan, x.viewed((steps, count, channels))).viewed(shape)
        if len(cells) == 1:
            return pool((1, *layer.pool_size), (1, *layer.strides), layer.padding).build(plan, x)
        if layer.padding == "same" or layer.pool_size[0] > layer.strides[0]:
            return self._one_by_one(plan, x)
        rows = shape[1] * layer.strides[0]
        kept = np.full((steps, rows, *x.shape[2:]), -1, np.int64)
        kept[:, : cells[0]] = row_numbers(plan, x)[:, :rows]
        x = gather(plan, x, kept)
        return pool(layer.pool_size, layer.strides).build(plan, x.viewed((steps * rows, *x.shape[2:]))).viewed(shape)

    def _one_by_one(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the layer for each step, and the join of what it puts out."""
        ends = []
        for rows in row_numbers(plan, x):
            end = self.layer.build(plan, gather(plan, x, np.ascontiguousarray(rows)))
            ends.append(end.viewed((1, *end.shape)))
        return joined_all(plan, ends, 0)


LAYERS.register("time_distributed", TimeDistributed)
