"""A rectifier that learns its slope below 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn import initializers, regularizers
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.base import LAYERS, Layer, sample_shape
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import KerasLayout, Tensor


@dataclass
class PReLU(Layer):
    """``x`` where it is positive, else ``alpha * x`` with a trained alpha for each feature.

    Parameters
    ----------
    alpha_initializer : str or initializer
    alpha_regularizer : str, Regularizer or None
    shared_axes : int or sequence of int, optional
        Axes along which one alpha serves all features, counted as in Keras: 1 is a sample's first. ``[1, 2]`` gives
        images one alpha a channel, as in PyTorch.
    input_shape : int or tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    Alpha's gradient: each sample's features that share it, in ascending order from +0, then the samples as rule 3 says.

    References
    ----------
    He et al., Delving deep into rectifiers, ICCV 2015, section 2.1.
    """

    kind = "prelu"

    alpha_initializer: Any = "zeros"
    alpha_regularizer: Any = None
    shared_axes: Any = None
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.alpha_initializer = initializers.get(self.alpha_initializer)
        self.alpha_regularizer = regularizers.get(self.alpha_regularizer)
        axes = () if self.shared_axes is None else self.shared_axes
        axes = axes if isinstance(axes, list | tuple) else (axes,)
        if any(isinstance(axis, bool) or not hasattr(axis, "__index__") for axis in axes):
            raise InvalidTypeError(f"shared_axes must be whole numbers, got {self.shared_axes!r}")
        self.shared_axes = tuple(int(axis.__index__()) for axis in axes)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the op."""
        rank = len(x.shape)
        for axis in self.shared_axes:
            if not 1 <= axis <= rank:
                raise InvalidValueError(
                    f"PReLU's shared_axes must be in 1 to {rank} for samples of shape {x.shape}, got {axis}"
                )
        shape = tuple(1 if axis + 1 in self.shared_axes else n for axis, n in enumerate(x.shape))
        penalty = (self.alpha_regularizer.l1, self.alpha_regularizer.l2) if self.alpha_regularizer else (0.0, 0.0)
        layout = KerasLayout(tuple(range(rank)))
        alpha = plan.parameter("alpha", shape, self.alpha_initializer, (x.rows, x.rows), penalty, keras=layout)
        z = plan.tensor(x.shape, f"Z{plan.number()}")
        plan.take_room(x.rows)
        # for each feature, the element of alpha that serves it
        index = np.broadcast_to(np.arange(alpha.size).reshape(shape), x.shape).reshape(-1)
        plan.emit("prelu_forward", {"index": index}, ("Z",), A=x, alpha=alpha, Z=z)
        return z


LAYERS.register("prelu", PReLU)
