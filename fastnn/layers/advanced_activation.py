"""Activations that are layers of their own because they take arguments, and the penalty on what a layer puts out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn import activations
from fastnn.initializers.base import finite, non_negative
from fastnn.layers.base import LAYERS, Layer, sample_shape
from fastnn.layers.normalization import check_last_axis, checked_axis
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor


@dataclass
class ReLU(Layer):
    """``x`` where it is positive, else ``negative_slope * x``.

    Parameters
    ----------
    negative_slope : float
        At least 0.
    input_shape : int or tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    Keras' ``max_value`` and ``threshold`` are not there: ``Activation`` takes any function of ``x``.
    """

    kind = "relu"

    negative_slope: float = 0.0
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.negative_slope = non_negative("negative_slope", self.negative_slope)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the activation."""
        if self.negative_slope == 0:
            return plan.activation(x, activations.get("relu"))
        return plan.activation(x, activations.get("leaky_relu").with_alpha(self.negative_slope))


@dataclass
class LeakyReLU(Layer):
    """``x`` where it is positive, else ``negative_slope * x``.

    Parameters
    ----------
    negative_slope : float
        Keras' default for the layer, 0.3; the activation ``"leaky_relu"`` takes 0.2.
    input_shape : int or tuple of int, optional
        As of ``ReLU``.
    """

    kind = "leaky_relu"

    negative_slope: float = 0.3
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.negative_slope = finite("negative_slope", self.negative_slope)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the activation."""
        return plan.activation(x, activations.get("leaky_relu").with_alpha(self.negative_slope))


@dataclass
class ELU(Layer):
    """``x`` where it is positive, else ``alpha * (exp(x) - 1)``.

    Parameters
    ----------
    alpha : float
    input_shape : int or tuple of int, optional
        As of ``ReLU``.
    """

    kind = "elu"

    alpha: float = 1.0
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.alpha = finite("alpha", self.alpha)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the activation."""
        return plan.activation(x, activations.get("elu").with_alpha(self.alpha))


@dataclass
class Softmax(Layer):
    """Probabilities ``exp(x) / sum of exp(x)`` along the last axis.

    Parameters
    ----------
    axis : int
        The last one: -1.
    input_shape : int or tuple of int, optional
        As of ``ReLU``.
    """

    kind = "softmax"

    axis: Any = -1
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.axis = checked_axis(self.axis)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the activation."""
        check_last_axis("Softmax", self.axis, x)
        return plan.activation(x, activations.get("softmax"))


@dataclass
class ActivityRegularization(Layer):
    """Add ``l1 * |x| + l2 * x**2``, summed over a sample's features, to the sample's loss; hand ``x`` on.

    Parameters
    ----------
    l1, l2 : float
        At least 0.
    input_shape : int or tuple of int, optional
        As of ``ReLU``.
    """

    kind = "activity_regularization"

    l1: float = 0.0
    l2: float = 0.0
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.l1, self.l2 = non_negative("l1", self.l1), non_negative("l2", self.l2)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the penalty."""
        if self.l1 or self.l2:
            plan.activity_penalty(x, self.l1, self.l2)
        return x


LAYERS.register("relu", ReLU)
LAYERS.register("leaky_relu", LeakyReLU)
LAYERS.register("elu", ELU)
LAYERS.register("softmax", Softmax)
LAYERS.register("activity_regularization", ActivityRegularization)
