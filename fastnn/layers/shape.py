"""Layers that only say how a sample's features are arranged: they move nothing and cost nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.base import LAYERS, Layer, sample_shape
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor


@dataclass
class Flatten(Layer):
    """Make one axis of all of a sample's: (height, width, channels) to (height * width * channels,).

    Parameters
    ----------
    input_shape : int or tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind = "flatten"

    input_shape: Any = None

    def __post_init__(self) -> None:
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Return the same values in one axis."""
        return x.viewed((x.rows,))


@dataclass
class Reshape(Layer):
    """Give samples another shape of as many elements, in C order.

    Parameters
    ----------
    target_shape : tuple of int
        One of them may be -1: whatever is left.
    input_shape : int or tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind = "reshape"

    target_shape: Any
    input_shape: Any = None

    def __post_init__(self) -> None:
        given = self.target_shape if isinstance(self.target_shape, tuple | list) else (self.target_shape,)
        if not given or any(isinstance(n, bool) or not hasattr(n, "__index__") for n in given):
            raise InvalidTypeError(f"target_shape must be whole numbers, got {self.target_shape!r}")
        self.target_shape = tuple(n.__index__() for n in given)
        if any(n < 1 and n != -1 for n in self.target_shape) or self.target_shape.count(-1) > 1:
            raise InvalidValueError(f"target_shape must be positive, with at most one -1, got {self.target_shape}")
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Return the same values in the target shape."""
        known = math.prod(n for n in self.target_shape if n != -1)
        shape = tuple(x.rows // known if n == -1 else n for n in self.target_shape)
        if math.prod(shape) != x.rows:
            raise InvalidValueError(
                f"Reshape to {self.target_shape} takes samples of as many elements, got shape {x.shape}: {x.rows}"
            )
        return x.viewed(shape)


LAYERS.register("flatten", Flatten)
LAYERS.register("reshape", Reshape)
