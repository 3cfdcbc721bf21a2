"""TimeDistributed: a layer applied to every step of a sequence with the same weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.activation import Activation
from fastnn.layers.base import LAYERS, Layer, sample_shape
from fastnn.layers.dense import Dense
from fastnn.layers.noise import Dropout
from fastnn.layers.shape import Flatten, Reshape
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor

STEPWISE = (Dense, Activation, Dropout)
"""Layers that treat every position of the leading axes by itself as they are."""


@dataclass
class TimeDistributed(Layer):
    """Apply a layer to every step: samples (steps, ...) become (steps, ...).

    Parameters
    ----------
    layer : Dense, Activation, Dropout, Flatten or Reshape
        What it does to a sample is done to each step. ``Dense``, ``Activation`` and ``Dropout`` do so anyway.
    input_shape : tuple of int, optional
        Shape of a sample, steps first, for the first layer of a model that is to be built before it sees data.
    """

    kind = "time_distributed"

    layer: Any
    input_shape: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.layer, (*STEPWISE, Flatten, Reshape)):
            names = ", ".join(kind.__name__ for kind in (*STEPWISE, Flatten, Reshape))
            raise InvalidTypeError(f"TimeDistributed takes one of {names}, got {self.layer!r}")
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the layer over all steps."""
        if len(x.shape) < 2:
            raise InvalidValueError(f"TimeDistributed takes samples of shape (steps, ...), got {x.shape}")
        steps, rest = x.shape[0], x.shape[1:]
        if isinstance(self.layer, Flatten):
            return x.viewed((steps, math.prod(rest)))
        if isinstance(self.layer, Reshape):
            step = Tensor(x.index, x.rows // steps, x.name, rest)
            return x.viewed((steps, *self.layer.build(plan, step).shape))
        return self.layer.build(plan, x)


LAYERS.register("time_distributed", TimeDistributed)
