"""Convolutions: a small kernel of weights that moves over an image or a sequence.

Samples are (height, width, channels) in the 2D layers and (steps, channels) in ``Conv1D``. Every sum starts from the
bias and adds products by (channel, kernel row, kernel column) ascending; what lies in the padding is skipped. As
everywhere in this field, the kernel is not flipped. Source: Dumoulin and Visin, A guide to convolution arithmetic for
deep learning, arXiv 1603.07285, sections 2 to 4.
"""

from __future__ import annotations

import copy
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from fastnn import initializers, regularizers
from fastnn.activations import Activation
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.activation import resolve_activation
from fastnn.layers.base import AXES, LAYERS, Layer, check_rank, sample_shape, whole_number, whole_numbers
from fastnn.layers.rearrange import gather, row_numbers
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.convolution import Convolution, out_places
from fastnn.plan.plan import KerasLayout, Parameter, Tensor
from fastnn.plan.windows import Pair


@dataclass
class ConvolutionLayer(Layer):
    """What the layers share: the settings that they have by keyword, and how their parts are emitted."""

    axes: ClassVar[int] = 2
    paddings: ClassVar[tuple[str, ...]] = ("valid", "same")
    steps: ClassVar[int | None] = None  # of a layer that is applied to each of them

    _: KW_ONLY
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    activity_regularizer: Any = None
    input_shape: Any = None

    def _check(self, *counts: str) -> None:
        """Check and convert the settings; ``counts`` names those that are one positive number."""
        settings: Any = self
        for name in counts:
            setattr(self, name, whole_number(name, getattr(self, name)))
        for name in ("kernel_size", "strides", "dilation_rate"):
            setattr(self, name, whole_numbers(name, getattr(self, name), self.axes))
        if settings.padding not in self.paddings:
            accepted = ", ".join(repr(name) for name in self.paddings)
            raise InvalidValueError(f"padding must be one of {accepted}, got {settings.padding!r}")
        if max(settings.strides) > 1 and max(settings.dilation_rate) > 1:
            raise InvalidValueError(
                f"{type(self).__name__} takes strides > 1 or dilation_rate > 1, not both; got strides "
                f"{settings.strides} and dilation_rate {settings.dilation_rate}"
            )
        self.activation: Activation = resolve_activation(self.activation)
        if not isinstance(self.use_bias, bool):
            raise InvalidTypeError(f"use_bias must be True or False, got {self.use_bias!r}")
        self.kernel_initializer = initializers.get(self.kernel_initializer)
        self.bias_initializer = initializers.get(self.bias_initializer)
        self.kernel_regularizer = regularizers.get(self.kernel_regularizer)
        self.bias_regularizer = regularizers.get(self.bias_regularizer)
        self.activity_regularizer = regularizers.get(self.activity_regularizer)
        sample_shape(self.input_shape)

    def _divides(self, what: str, count: int, groups: int) -> None:
        if count % groups:
            raise InvalidValueError(f"{type(self).__name__}: {what} ({count}) must be divisible by groups ({groups})")

    def _convolve(self, plan: PlanBuilder, x: Tensor, kind: str, geometry: Convolution, shape: tuple[int, ...],
                  weights_shape: tuple[int, ...], layout: KerasLayout) -> Tensor:  # fmt: skip
        """Emit a convolution of ``kind`` to samples of ``shape``, the activation and the activity's penalty."""
        inner = weights_shape[0] // geometry.groups, weights_shape[1]
        taps = geometry.size[0] * geometry.size[1]
        fans = (taps * inner[1], taps * inner[0]) if kind == "convolution" else (taps * inner[0], taps * inner[1])
        weights = plan.parameter("W", weights_shape, self.kernel_initializer, fans, _factors(self.kernel_regularizer),
                                 keras=layout)  # fmt: skip
        bias: Parameter | None = None
        if self.use_bias:
            bias = plan.parameter("b", (shape[-1],), self.bias_initializer, fans, _factors(self.bias_regularizer))
        z = plan.tensor(shape, f"Z{plan.number()}")
        plan.emit(f"{kind}_forward", {"geometry": geometry}, ("Z",), W=weights, b=bias, A=x, Z=z)
        a = plan.activation(z, self.activation)
        if self.activity_regularizer is not None:
            plan.activity_penalty(a, self.activity_regularizer.l1, self.activity_regularizer.l2)
        return a

    def _forward(self, plan: PlanBuilder, x: Tensor, filters: int, groups: int, layout: KerasLayout) -> Tensor:
        """Emit a convolution of the layer's kernel, strides, padding and dilation."""
        settings: Any = self
        name = type(self).__name__
        check_rank(name, x, self.axes + 1, AXES[self.axes])
        cells, channels = x.shape[:-1], x.shape[-1]
        self._divides(f"the channels of samples of shape {x.shape}", channels, groups)
        along = [
            out_places(*axis, settings.padding)
            for axis in zip(cells, settings.kernel_size, settings.strides, settings.dilation_rate, strict=True)
        ]
        places, before = (tuple(of_axes) for of_axes in zip(*along, strict=True))
        if 0 in places:
            least = tuple((k - 1) * d + 1 for k, d in zip(settings.kernel_size, settings.dilation_rate, strict=True))
            raise InvalidValueError(
                f"{name} of kernel_size {settings.kernel_size} and dilation_rate {settings.dilation_rate} takes "
                f"samples of at least {least} cells with padding 'valid', got shape {x.shape}"
            )
        shape = (filters, channels // groups, *settings.kernel_size)
        if self.steps is not None:
            return self._over_steps(plan, x, (cells, places, before), filters, groups, shape, layout)
        geometry = Convolution(on_grid(cells), channels, on_grid(places), filters, on_grid(settings.kernel_size),
                               on_grid(settings.strides), on_grid(settings.dilation_rate), on_grid(before, 0),
                               groups)  # fmt: skip
        return self._convolve(plan, x, "convolution", geometry, (*places, filters), shape, layout)

    def over_steps(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the layer applied to each step of samples (steps, ...), with one set of weights."""
        plain: Any = copy.copy(self)
        plain.steps, plain.activation, plain.activity_regularizer = x.shape[0], resolve_activation(None), None
        z: Tensor = plain.build(plan, Tensor(x.index, x.rows // x.shape[0], x.name, x.shape[1:]))
        a = plan.activation(z, self.activation)
        if self.activity_regularizer is not None:
            plan.activity_penalty(a, self.activity_regularizer.l1, self.activity_regularizer.l2)
        return a

    def _over_steps(self, plan: PlanBuilder, step: Tensor, axes: Any, filters: int, groups: int,
                    shape: tuple[int, ...], layout: KerasLayout) -> Tensor:  # fmt: skip
        """Emit the convolution of all steps as one of rows: sequences side by side, or images one below the other.

        Images get rows of zeros, so that each starts where a place does and no place that counts reads two of them;
        places that do are left out.
        """
        settings: Any = self
        cells, places, before = axes
        steps, channels = self.steps or 1, step.shape[-1]
        x = Tensor(step.index, step.rows * steps, step.name, (steps, *step.shape))
        size, strides, dilation = settings.kernel_size, settings.strides, settings.dilation_rate
        if self.axes == 1:
            geometry = Convolution((steps, *cells), channels, (steps, *places), filters, (1, *size), (1, *strides),
                                   (1, *dilation), (0, *before), groups)  # fmt: skip
            return self._convolve(plan, x, "convolution", geometry, (steps, *places, filters), shape, layout)
        reach = (size[0] - 1) * dilation[0] + 1
        rows = max(before[0] + cells[0], (places[0] - 1) * strides[0] + reach)
        rows += -rows % strides[0]
        around = ((0, 0), (before[0], rows - before[0] - cells[0]), (0, 0), (0, 0))
        x = gather(plan, x, np.pad(row_numbers(plan, x), around, constant_values=-1))
        all_rows, all_places = steps * rows, (steps * rows - reach) // strides[0] + 1
        geometry = Convolution((all_rows, cells[1]), channels, (all_places, places[1]), filters, size, strides,
                               dilation, (0, before[1]), groups)  # fmt: skip
        z = self._convolve(plan, x.viewed((all_rows, cells[1], channels)), "convolution", geometry,
                           (all_places, places[1], filters), shape, layout)  # fmt: skip
        kept = np.arange(steps)[:, None] * (rows // strides[0]) + np.arange(places[0])
        return gather(plan, z, row_numbers(plan, z)[kept])


def on_grid(axes: tuple[int, ...], first: int = 1) -> Pair:
    """Return numbers by (row, column); a sequence is a single row."""
    return axes if len(axes) == 2 else (first, axes[0])  # type: ignore[return-value]


def _factors(regularizer: regularizers.Regularizer | None) -> tuple[float, float]:
    return (0.0, 0.0) if regularizer is None else (regularizer.l1, regularizer.l2)


@dataclass
class Conv2D(ConvolutionLayer):
    """A convolution over the rows and columns of images.

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size, strides, dilation_rate : int or tuple of two ints
        Along rows and columns. Strides and dilation cannot both exceed 1.
    padding : "valid" or "same"
        "same" gives ``ceil(size / stride)`` places, padded evenly, the odd cell at the end, as in Keras.
    groups : int
        Parts into which channels and filters fall, each convolved by itself.
    activation, use_bias, kernel_initializer, bias_initializer
        As in ``Dense``.
    kernel_regularizer, bias_regularizer, activity_regularizer, input_shape
        As in ``Dense``; the shape is (height, width, channels).

    Notes
    -----
    The weights have shape (filters, channels / groups, kernel rows, kernel columns) as in PyTorch, and start with
    fans of kernel rows * kernel columns * (channels or filters) / groups; ``get_weights`` gives Keras' (kernel rows,
    kernel columns, channels / groups, filters).
    """

    kind = "conv2d"

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: str = "valid"
    dilation_rate: Any = 1
    groups: int = 1

    def __post_init__(self) -> None:
        self._check("filters", "groups")
        self._divides("filters", self.filters, self.groups)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the convolution, the activation and the penalty of the activity."""
        axes = (*range(2, 2 + self.axes), 1, 0)
        return self._forward(plan, x, self.filters, self.groups, KerasLayout(axes))


@dataclass
class Conv1D(Conv2D):
    """A convolution over the steps of sequences: the parameters of ``Conv2D``, each for one axis.

    Notes
    -----
    ``padding`` may also be "causal": a step sees none behind its own. The weights have shape (filters, channels /
    groups, kernel steps); ``get_weights`` gives Keras' (kernel steps, channels / groups, filters).
    """

    kind = "conv1d"
    axes = 1
    paddings = ("valid", "same", "causal")


@dataclass
class DepthwiseConv2D(ConvolutionLayer):
    """A convolution of each channel by itself, to ``depth_multiplier`` channels.

    Parameters
    ----------
    kernel_size, strides, dilation_rate, padding
        As in ``Conv2D``.
    depth_multiplier : int
        Output channels of each input channel; they lie together, as in Keras and PyTorch.
    depthwise_initializer, depthwise_regularizer
        Keras' names for the kernel's.

    Notes
    -----
    The weights have shape (channels * depth_multiplier, 1, kernel rows, kernel columns) as in PyTorch's grouped
    convolution; ``get_weights`` gives Keras' (kernel rows, kernel columns, channels, depth_multiplier). They start with
    the fans of a group, kernel rows * kernel columns * (1 or depth_multiplier); Keras computes fans from its shape.
    """

    kind = "depthwise_conv2d"

    kernel_size: Any
    strides: Any = 1
    padding: str = "valid"
    depth_multiplier: int = 1
    dilation_rate: Any = 1
    _: KW_ONLY
    depthwise_initializer: Any = "glorot_uniform"
    depthwise_regularizer: Any = None

    def __post_init__(self) -> None:
        self.kernel_initializer, self.kernel_regularizer = self.depthwise_initializer, self.depthwise_regularizer
        self._check("depth_multiplier")
        self.depthwise_initializer, self.depthwise_regularizer = self.kernel_initializer, self.kernel_regularizer

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the convolution, the activation and the penalty of the activity."""
        check_rank(type(self).__name__, x, 3, AXES[2])
        channels = x.shape[-1]
        view = (channels, self.depth_multiplier, *self.kernel_size)
        return self._forward(plan, x, channels * self.depth_multiplier, channels, KerasLayout((2, 3, 0, 1), view))


for layer in (Conv1D, Conv2D, DepthwiseConv2D):
    LAYERS.register(layer.kind, layer)
