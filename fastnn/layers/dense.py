"""The fully connected layer: ``a = f(W x + b)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn import initializers, regularizers
from fastnn.activations import Activation
from fastnn.errors import InvalidTypeError
from fastnn.layers.activation import resolve_activation
from fastnn.layers.base import LAYERS, Layer, sample_shape, whole_number
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor


@dataclass
class Dense(Layer):
    """Every output sees every input.

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str, Activation, callable or None
        ``None`` is linear. A plain function of ``z`` is traced and differentiated (see ``fastnn.tracing``).
    use_bias : bool
    kernel_initializer, bias_initializer : str or initializer
        Default Glorot uniform, and zeros.
    kernel_regularizer, bias_regularizer, activity_regularizer : str, Regularizer or None
        Penalties added to the loss; the activity's is a sample's, averaged over the batch.
    input_shape : int or tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    The weights have shape (units, inputs), as in the tutorial's ``W @ X + b``; Keras stores the transpose. Each sum
    starts from the bias and adds products in ascending order of the input.
    """

    kind = "dense"

    units: int
    activation: Any = None
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    activity_regularizer: Any = None
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.units = whole_number("units", self.units)
        self.activation: Activation = resolve_activation(self.activation)
        if not isinstance(self.use_bias, bool):
            raise InvalidTypeError(f"use_bias must be True or False, got {self.use_bias!r}")
        self.kernel_initializer = initializers.get(self.kernel_initializer)
        self.bias_initializer = initializers.get(self.bias_initializer)
        self.kernel_regularizer = regularizers.get(self.kernel_regularizer)
        self.bias_regularizer = regularizers.get(self.bias_regularizer)
        self.activity_regularizer = regularizers.get(self.activity_regularizer)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the product, the activation and the penalty of the activity."""
        features = x.shape[-1]
        fans = (features, self.units)
        weights = plan.parameter("W", (self.units, features), self.kernel_initializer, fans,
                                 _factors(self.kernel_regularizer))  # fmt: skip
        bias = None
        if self.use_bias:
            bias = plan.parameter("b", (self.units,), self.bias_initializer, fans, _factors(self.bias_regularizer))
        a = plan.activation(plan.dense(x, weights, bias), self.activation)
        if self.activity_regularizer is not None:
            plan.activity_penalty(a, self.activity_regularizer.l1, self.activity_regularizer.l2)
        return a


def _factors(regularizer: regularizers.Regularizer | None) -> tuple[float, float]:
    return (0.0, 0.0) if regularizer is None else (regularizer.l1, regularizer.l2)


LAYERS.register("dense", Dense)
