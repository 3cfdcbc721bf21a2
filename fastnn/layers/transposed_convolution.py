"""The transposed convolution: the gradient of a convolution to its input, as a layer that makes images larger.

Samples are (height, width, channels). Each sum starts from the bias and adds products by (input channel, kernel row,
kernel column) ascending, for the taps that reach a cell. Source: Dumoulin and Visin, A guide to convolution arithmetic
for deep learning, arXiv 1603.07285, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn.errors import InvalidValueError
from fastnn.layers.base import AXES, LAYERS, check_rank, whole_numbers
from fastnn.layers.convolution import ConvolutionLayer
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.convolution import Convolution, out_cells
from fastnn.plan.plan import KerasLayout, Tensor


@dataclass
class Conv2DTranspose(ConvolutionLayer):
    """A transposed convolution over the rows and columns of images.

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size, strides, dilation_rate : int or tuple of two ints
        Of the convolution whose gradient this is.
    padding : "valid" or "same"
        With "same" the output has ``size * stride`` cells along an axis, with "valid" ``size * stride + max(kernel -
        stride, 0)``.
    output_padding : int or tuple of two ints, optional
        Less than the stride: then the output has ``(size - 1) * stride + kernel + output_padding`` cells, with "same"
        less twice ``kernel // 2``. As in Keras; ``kernel`` is the dilated one.
    groups : int
        As in PyTorch; Keras has none here.
    activation, use_bias, kernel_initializer, bias_initializer
        As in ``Dense``.
    kernel_regularizer, bias_regularizer, activity_regularizer, input_shape
        As in ``Dense``; the shape is (height, width, channels).

    Notes
    -----
    The weights have shape (channels, filters / groups, kernel rows, kernel columns) as in PyTorch; ``get_weights``
    gives Keras' (kernel rows, kernel columns, filters / groups, channels).
    """

    kind = "conv2d_transpose"

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: str = "valid"
    output_padding: Any = None
    dilation_rate: Any = 1
    groups: int = 1

    def __post_init__(self) -> None:
        self._check("filters", "groups")
        self._divides("filters", self.filters, self.groups)
        if self.output_padding is None:
            return
        given = self.output_padding if isinstance(self.output_padding, tuple | list) else (self.output_padding,) * 2
        self.output_padding = tuple(n - 1 for n in whole_numbers("output_padding + 1", tuple(n + 1 for n in given), 2))
        if any(n >= stride for n, stride in zip(self.output_padding, self.strides, strict=True)):
            raise InvalidValueError(
                f"output_padding must be less than strides {self.strides}, got {self.output_padding}"
            )

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the convolution, the activation and the penalty of the activity."""
        name = type(self).__name__
        check_rank(name, x, 3, AXES[2])
        channels = x.shape[-1]
        self._divides(f"the channels of samples of shape {x.shape}", channels, self.groups)
        more = self.output_padding or (None, None)
        (height, top), (width, left) = (
            out_cells(x.shape[axis], self.kernel_size[axis], self.strides[axis], self.dilation_rate[axis],
                      self.padding, more[axis])
            for axis in (0, 1)
        )  # fmt: skip
        if height < 1 or width < 1:
            raise InvalidValueError(
                f"{name} of kernel_size {self.kernel_size} and output_padding {self.output_padding} makes images of "
                f"({height}, {width}) from samples of shape {x.shape}; it wants larger ones"
            )
        geometry = Convolution((height, width), self.filters, (x.shape[0], x.shape[1]), channels, self.kernel_size,
                               self.strides, self.dilation_rate, (top, left), self.groups)  # fmt: skip
        return self._convolve(plan, x, "transposed_convolution", geometry, (height, width, self.filters),
                              geometry.shape, KerasLayout((2, 3, 1, 0)))  # fmt: skip


LAYERS.register(Conv2DTranspose.kind, Conv2DTranspose)
