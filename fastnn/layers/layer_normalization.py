"""Layer normalization: each position of a sample shifted and scaled by the mean and variance of its own channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn.layers.base import LAYERS, Layer, sample_shape
from fastnn.layers.normalization import (
    check_last_axis,
    check_scale_and_shift,
    checked_axis,
    checked_epsilon,
    scale_and_shift,
)
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor


@dataclass
class LayerNormalization(Layer):
    """Give the channels of each position mean 0 and variance 1, then a scale and a shift that are learned.

    Parameters
    ----------
    axis : int
        The last one: -1.
    epsilon : float
        Added to the variance. Keras' 1e-3; PyTorch's is 1e-5.
    center, scale : bool
        Whether there is a shift beta, a scale gamma, a value for each channel.
    beta_initializer, gamma_initializer : str or initializer
    beta_regularizer, gamma_regularizer : str, Regularizer or None
    input_shape : int or tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    ``((x - mean) / sqrt(variance + epsilon)) * gamma + beta``, the variance divided by the number of channels. A sample
    depends on no other, in training and in use alike.

    References
    ----------
    Ba, Kiros and Hinton, Layer normalization, arXiv 1607.06450 (2016), section 3.
    """

    kind = "layer_normalization"

    axis: Any = -1
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Any = "zeros"
    gamma_initializer: Any = "ones"
    beta_regularizer: Any = None
    gamma_regularizer: Any = None
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.axis = checked_axis(self.axis)
        self.epsilon = checked_epsilon(self.epsilon)
        check_scale_and_shift(self)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the op; what it measures is kept for the way back."""
        check_last_axis("LayerNormalization", self.axis, x)
        channels = x.shape[-1]
        positions = x.rows // channels
        gamma, beta = scale_and_shift(plan, self, channels)
        z = plan.tensor(x.shape, f"Z{plan.number()}")
        mean, scale = (plan.tensor(positions, f"{name} of {x.name}") for name in ("mean", "scale"))
        static = {"positions": positions, "epsilon": self.epsilon}
        plan.emit("layer_normalization_forward", static, ("Z", "mean", "scale"), A=x, gamma=gamma, beta=beta, Z=z,
                  mean=mean, scale=scale)  # fmt: skip
        return z


LAYERS.register("layer_normalization", LayerNormalization)
