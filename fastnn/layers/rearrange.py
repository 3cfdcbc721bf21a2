"""Layers that put a sample's rows elsewhere: padding, cropping, upsampling, permuted axes.

Each is a table that says, for every row of the output, which row of the input it copies, or -1 for zeros. A gradient is
the sum of those of the rows that read it. Samples are (height, width, channels) in the 2D layers and (steps, channels)
in the 1D layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.base import AXES, LAYERS, Layer, check_rank, sample_shape, whole_number, whole_numbers
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor


def row_numbers(plan: PlanBuilder, x: Tensor, becomes: int = 0) -> Any:
    """Return the numbers of a tensor's rows, in its shape; of them a table of ``becomes`` entries will be made."""
    plan.take_room(max(x.rows, becomes))
    return np.arange(x.rows).reshape(x.shape)


def gather(plan: PlanBuilder, x: Tensor, rows: Any) -> Tensor:
    """Emit a copy of rows and return it.

    Parameters
    ----------
    plan : PlanBuilder
    x : Tensor
    rows : ndarray of int64
        In the shape of the output: numbers of rows of ``x``, or -1 for zeros.
    """
    table = np.ascontiguousarray(rows, np.int64).reshape(-1)
    if len(table) == x.rows and (table == np.arange(x.rows)).all():
        return x.viewed(rows.shape)
    z = plan.tensor(rows.shape, f"rows of {x.name}")
    plan.emit("gather_rows", {"table": table}, ("Z",), A=x, Z=z)
    return z


def edges(name: str, value: Any, axes: int) -> tuple[tuple[int, int], ...]:
    """Return (in front, behind) for each axis: of one number for all, one an axis, or a pair an axis.

    Of a single axis, (in front, behind) may stand alone.
    """
    given = value if isinstance(value, tuple | list) else (value,) * axes
    if axes == 1 and len(given) == 2:
        given = (given,)
    if len(given) != axes:
        raise InvalidValueError(f"{name} must hold {axes} numbers or pairs of numbers, got {value!r}")
    pairs = [pair if isinstance(pair, tuple | list) else (pair, pair) for pair in given]
    for pair in pairs:
        if len(pair) != 2 or any(isinstance(n, bool) or not hasattr(n, "__index__") for n in pair):
            raise InvalidTypeError(f"{name} must be whole numbers or pairs of them, got {value!r}")
        if min(pair) < 0:
            raise InvalidValueError(f"{name} must be at least 0, got {value!r}")
    return tuple((int(first), int(last)) for first, last in pairs)


@dataclass
class _ZeroPadding(Layer):
    axes: ClassVar[int]

    padding: Any = 1
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.padding = edges("padding", self.padding, self.axes)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the copy."""
        check_rank(type(self).__name__, x, self.axes + 1, AXES[self.axes])
        cells = [n + first + last for n, (first, last) in zip(x.shape, self.padding, strict=False)]
        rows = row_numbers(plan, x, math.prod(cells) * x.shape[-1])
        return gather(plan, x, np.pad(rows, (*self.padding, (0, 0)), constant_values=-1))


class ZeroPadding1D(_ZeroPadding):
    """Add steps of zeros in front and behind.

    Parameters
    ----------
    padding : int or tuple of int
        On either side, or (in front, behind).
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes = "zero_padding_1d", 1


class ZeroPadding2D(_ZeroPadding):
    """Add rows and columns of zeros around an image.

    Parameters
    ----------
    padding : int or tuple
        On every side; (above and below, left and right); or ((above, below), (left, right)).
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes = "zero_padding_2d", 2


@dataclass
class _Cropping(Layer):
    axes: ClassVar[int]

    cropping: Any = 1
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.cropping = edges("cropping", self.cropping, self.axes)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the copy."""
        name = type(self).__name__
        check_rank(name, x, self.axes + 1, AXES[self.axes])
        if any(first + last >= cells for (first, last), cells in zip(self.cropping, x.shape, strict=False)):
            raise InvalidValueError(f"{name} by {self.cropping} leaves nothing of samples of shape {x.shape}")
        kept = [slice(first, n - last) for (first, last), n in zip(self.cropping, x.shape, strict=False)]
        return gather(plan, x, row_numbers(plan, x)[tuple(kept)])


class Cropping1D(_Cropping):
    """Drop steps in front and behind.

    Parameters
    ----------
    cropping : int or tuple of int
        On either side, or (in front, behind).
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes = "cropping_1d", 1


class Cropping2D(_Cropping):
    """Drop rows and columns at the edges of an image.

    Parameters
    ----------
    cropping : int or tuple
        On every side; (above and below, left and right); or ((above, below), (left, right)). Keras' default is 0.
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes = "cropping_2d", 2


@dataclass
class _UpSampling(Layer):
    axes: ClassVar[int]

    size: Any = 2
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.size = whole_numbers("size", self.size, self.axes)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the copy."""
        check_rank(type(self).__name__, x, self.axes + 1, AXES[self.axes])
        rows = row_numbers(plan, x, x.rows * math.prod(self.size))
        for axis, times in enumerate(self.size):
            rows = rows.repeat(times, axis)
        return gather(plan, x, rows)


class UpSampling1D(_UpSampling):
    """Repeat every step.

    Parameters
    ----------
    size : int
        How often.
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind, axes = "up_sampling_1d", 1


@dataclass
class UpSampling2D(_UpSampling):
    """Repeat every row and every column: the nearest of the image's values.

    Parameters
    ----------
    size : int or tuple of int
        How often: (rows, columns).
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    interpolation : "nearest"
        The one there is; Keras has others.
    """

    kind, axes = "up_sampling_2d", 2

    interpolation: str = "nearest"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.interpolation != "nearest":
            raise InvalidValueError(f"UpSampling2D knows interpolation 'nearest', got {self.interpolation!r}")


@dataclass
class Permute(Layer):
    """Put a sample's axes in another order.

    Parameters
    ----------
    dims : tuple of int
        Which axis of the input stands at each place, counted from 1 as in Keras: (2, 1) transposes.
    input_shape : tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.
    """

    kind = "permute"

    dims: Any
    input_shape: Any = None

    def __post_init__(self) -> None:
        given = self.dims if isinstance(self.dims, tuple | list) else (self.dims,)
        self.dims = tuple(whole_number("dims", n) for n in given)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise InvalidValueError(f"dims must hold 1 to {len(self.dims)}, each once, got {self.dims}")
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the copy."""
        if len(x.shape) != len(self.dims):
            raise InvalidValueError(
                f"Permute of dims {self.dims} takes samples of {len(self.dims)} axes, got shape {x.shape}"
            )
        return gather(plan, x, row_numbers(plan, x).transpose([n - 1 for n in self.dims]))


for _layer in (ZeroPadding1D, ZeroPadding2D, Cropping1D, Cropping2D, UpSampling1D, UpSampling2D, Permute):
    LAYERS.register(_layer.kind, _layer)
