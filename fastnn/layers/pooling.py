"""Pooling: each channel's greatest value, or its mean, in windows that slide over an image or a sequence.

Samples are (height, width, channels) in the 2D layers and (steps, channels) in the 1D layers. The greatest value is the
first of its kind in a window, row by row, and gets the whole gradient; a NaN counts as greater than any number. The
mean is over the cells that exist: padding counts nothing, as in Keras. Steps that a ``Masking`` layer leaves out do
not count in ``GlobalAveragePooling1D``; in the other layers they count as what they hold, zeros behind ``Masking``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.base import AXES, LAYERS, Layer, check_rank, sample_shape, whole_numbers
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.masks import step_mask
from fastnn.plan.plan import Tensor
from fastnn.plan.windows import Windows, places_along


class _Pooling(Layer):
    """What the layers share: ``axes`` is the number of axes that windows slide along, ``op`` the kind of the ops."""

    axes: ClassVar[int]
    op: ClassVar[str]

    def _pool(self, plan: PlanBuilder, x: Tensor, size: tuple[int, ...], strides: tuple[int, ...],
              padding: str) -> Tensor:  # fmt: skip
        """Emit the op and return its output, with all of its axes."""
        cells, channels = x.shape[:-1], x.shape[-1]
        along = [places_along(*axis, padding) for axis in zip(cells, size, strides, strict=True)]
        places, before = (tuple(of_axes) for of_axes in zip(*along, strict=True))
        if 0 in places:
            raise InvalidValueError(
                f"{type(self).__name__} of pool_size {size} takes samples of at least {size} cells with padding "
                f"'valid', got shape {x.shape}"
            )
        last = () if self.axes == 2 else (1,)
        none = () if self.axes == 2 else (0,)
        windows = Windows(cells + last, size + last, strides + last, before + none, places + last)  # type: ignore[arg-type]
        z = plan.tensor((*places, channels), f"{self.op}({x.name})")
        plan.emit(f"{self.op}_pooling_forward", {"windows": windows}, ("Z",), A=x, Z=z)
        return z


@dataclass
class _WindowPooling(_Pooling):
    pool_size: Any = 2
    strides: Any = None
    padding: str = "valid"
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.pool_size = whole_numbers("pool_size", self.pool_size, self.axes)
        given = self.pool_size if self.strides is None else self.strides
        self.strides = whole_numbers("strides", given, self.axes)
        if self.padding not in ("valid", "same"):
            raise InvalidValueError(f"padding must be 'valid' or 'same', got {self.padding!r}")
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the pooling."""
        check_rank(type(self).__name__, x, self.axes + 1, AXES[self.axes])
        return self._pool(plan, x, self.pool_size, self.strides, self.padding)


@dataclass
class _GlobalPooling(_Pooling):
    keepdims: bool = False
    input_shape: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.keepdims, bool):
            raise InvalidTypeError(f"keepdims must be True or False, got {self.keepdims!r}")
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the pooling over one window as large as the sample."""
        check_rank(type(self).__name__, x, self.axes + 1, AXES[self.axes])
        z = self._pool(plan, x, x.shape[:-1], x.shape[:-1], "valid")
        return z if self.keepdims else z.viewed((math.prod(z.shape),))


class MaxPooling1D(_WindowPooling):
    """Take each channel's greatest value in windows of steps: (steps, channels) to (windows, channels).

    Parameters
    ----------
    pool_size : int
    strides : int, optional
        From one window to the next; the window's size by default.
    padding : "valid" or "same"
        "same" gives ``ceil(steps / strides)`` windows; what they miss at the ends is ignored.
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes, op = "max_pooling_1d", 1, "max"


class MaxPooling2D(_WindowPooling):
    """Take each channel's greatest value in windows: (height, width, channels) to (rows, columns, channels).

    Parameters
    ----------
    pool_size : int or tuple of int
        (height, width).
    strides : int or tuple of int, optional
        From one window to the next; the window's size by default.
    padding : "valid" or "same"
        "same" gives ``ceil(cells / strides)`` windows along an axis; what they miss at the edges is ignored.
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes, op = "max_pooling_2d", 2, "max"


class AveragePooling1D(_WindowPooling):
    """Take each channel's mean in windows of steps: (steps, channels) to (windows, channels).

    Parameters
    ----------
    pool_size : int
    strides : int, optional
        From one window to the next; the window's size by default.
    padding : "valid" or "same"
        "same" gives ``ceil(steps / strides)`` windows; the mean is over the steps that exist.
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes, op = "average_pooling_1d", 1, "average"


class AveragePooling2D(_WindowPooling):
    """Take each channel's mean in windows: (height, width, channels) to (rows, columns, channels).

    Parameters
    ----------
    pool_size : int or tuple of int
        (height, width).
    strides : int or tuple of int, optional
        From one window to the next; the window's size by default.
    padding : "valid" or "same"
        "same" gives ``ceil(cells / strides)`` windows along an axis; the mean is over the cells that exist.
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes, op = "average_pooling_2d", 2, "average"


class GlobalMaxPooling1D(_GlobalPooling):
    """Take each channel's greatest value over all steps: (steps, channels) to (channels,).

    Parameters
    ----------
    keepdims : bool
        Whether the output is (1, channels).
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes, op = "global_max_pooling_1d", 1, "max"


class GlobalMaxPooling2D(_GlobalPooling):
    """Take each channel's greatest value over an image: (height, width, channels) to (channels,).

    Parameters
    ----------
    keepdims : bool
        Whether the output is (1, 1, channels).
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes, op = "global_max_pooling_2d", 2, "max"


class GlobalAveragePooling1D(_GlobalPooling):
    """Take each channel's mean over all steps: (steps, channels) to (channels,).

    Parameters
    ----------
    keepdims : bool
        Whether the output is (1, channels).
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    Of a masked sequence, over the steps that count; where none does the mean is 0, which in Keras is NaN.
    """

    kind, axes, op = "global_average_pooling_1d", 1, "average"

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the pooling over all steps, or those that count."""
        mask = step_mask(plan, x)
        if mask is None:
            return super().build(plan, x)
        channels = x.shape[1]
        z = plan.tensor((1, channels) if self.keepdims else channels, f"mean of {x.name}")
        plan.emit("masked_mean_forward", None, ("Z",), A=x, K=mask, Z=z)
        return z


class GlobalAveragePooling2D(_GlobalPooling):
    """Take each channel's mean over an image: (height, width, channels) to (channels,).

    Parameters
    ----------
    keepdims : bool
        Whether the output is (1, 1, channels).
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes, op = "global_average_pooling_2d", 2, "average"


for _layer in (MaxPooling1D, MaxPooling2D, AveragePooling1D, AveragePooling2D, GlobalMaxPooling1D, GlobalMaxPooling2D,
               GlobalAveragePooling1D, GlobalAveragePooling2D):  # fmt: skip
    LAYERS.register(_layer.kind, _layer)
