"""What a layer is: settings, and a way to write itself into a plan."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor
from fastnn.registry import Registry


class Layer(ABC):
    """Base class of the layers.

    Attributes
    ----------
    kind : str
        The name under which the layer is registered.
    """

    kind: ClassVar[str]

    @abstractmethod
    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the layer's ops on ``x`` and return its output tensor."""

    @property
    def input_features(self) -> int | None:
        """Features of a sample, where the layer states them."""
        return None

    def config(self) -> dict[str, Any]:
        """Return the settings by name."""
        assert dataclasses.is_dataclass(self)
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.init}


LAYERS: Registry[type[Layer]] = Registry("layer", "fastnn.layers")


def whole_number(name: str, value: object) -> int:
    """Return ``value`` as a positive int, or raise an error that names the argument."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidTypeError(f"{name} must be a whole number, got {value!r}")
    number = value.__index__()
    if number < 1:
        raise InvalidValueError(f"{name} must be at least 1, got {value!r}")
    return int(number)


def feature_count(shape: object) -> int | None:
    """Return the features that ``input_shape`` states: an int or a tuple of one."""
    if shape is None:
        return None
    if isinstance(shape, tuple | list):
        if len(shape) != 1:
            raise InvalidValueError(f"input_shape must hold one number, the features of a sample, got {shape!r}")
        (shape,) = shape
    return whole_number("input_shape", shape)
