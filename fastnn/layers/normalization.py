"""Batch normalization: each channel shifted and scaled by what the minibatch, or all of training, measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn import initializers, regularizers
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.initializers.base import finite
from fastnn.layers.base import LAYERS, Layer, sample_shape
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Parameter, Tensor


def check_last_axis(layer: str, axis: object, x: Tensor) -> None:
    """Raise an error that names the layer unless ``axis`` is the last of a sample: -1, or counted from the samples."""
    if axis not in (-1, len(x.shape)):
        raise InvalidValueError(
            f"{layer} works along the last axis of samples of shape {x.shape}: axis must be -1 or {len(x.shape)}, "
            f"got {axis}"
        )


def checked_axis(axis: object) -> int:
    """Return an axis as an int, or raise an error."""
    if isinstance(axis, list | tuple) and len(axis) == 1:
        axis = axis[0]
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise InvalidTypeError(f"axis must be a whole number, got {axis!r}")
    return int(axis.__index__())


def checked_epsilon(epsilon: object) -> float:
    """Return what keeps a variance from being 0 as a positive float, or raise an error."""
    number = finite("epsilon", epsilon)
    if number <= 0:
        raise InvalidValueError(f"epsilon must be positive, got {epsilon!r}")
    return number


def scale_and_shift(plan: PlanBuilder, layer: Any, channels: int) -> tuple[Parameter | None, Parameter | None]:
    """Return a layer's gamma and beta, or None for what it goes without."""
    gamma = beta = None
    fans = (channels, channels)
    if layer.scale:
        gamma = plan.parameter("gamma", (channels,), layer.gamma_initializer, fans, _factors(layer.gamma_regularizer))
    if layer.center:
        beta = plan.parameter("beta", (channels,), layer.beta_initializer, fans, _factors(layer.beta_regularizer))
    return gamma, beta


def check_scale_and_shift(layer: Any) -> None:
    """Resolve a layer's settings of gamma and beta, or raise an error that names one."""
    for name in ("center", "scale"):
        if not isinstance(getattr(layer, name), bool):
            raise InvalidTypeError(f"{name} must be True or False, got {getattr(layer, name)!r}")
    for name in ("beta", "gamma"):
        setattr(layer, f"{name}_initializer", initializers.get(getattr(layer, f"{name}_initializer")))
        setattr(layer, f"{name}_regularizer", regularizers.get(getattr(layer, f"{name}_regularizer")))


def _factors(regularizer: regularizers.Regularizer | None) -> tuple[float, float]:
    return (0.0, 0.0) if regularizer is None else (regularizer.l1, regularizer.l2)


@dataclass
class BatchNormalization(Layer):
    """Give each channel of a minibatch mean 0 and variance 1, then a scale and a shift that are learned.

    Channels are the last axis; samples and all other axes are what is averaged over.

    Parameters
    ----------
    axis : int
        The last one: -1.
    momentum : float
        Share in [0, 1] of the moving statistics that stays at each step.
    epsilon : float
        Added to the variance.
    center, scale : bool
        Whether there is a shift beta, a scale gamma.
    beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer : str or initializer
    beta_regularizer, gamma_regularizer : str, Regularizer or None
    input_shape : int or tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    In training ``((x - mean) / sqrt(variance + epsilon)) * gamma + beta`` with the minibatch's mean and variance, and
    ``moving = momentum * moving + (1 - momentum) * batch`` after each step of ``fit``; in ``predict`` and ``evaluate``
    the moving ones, as ``x * k + s``. As in Keras the variance is biased (divided by the number of values) for both;
    PyTorch's running variance is divided by one less, and its momentum is 1 minus ours. Sums go over a sample's
    positions first, then over the samples.

    References
    ----------
    Ioffe and Szegedy, Batch normalization, ICML 2015, algorithms 1 and 2.
    """

    kind = "batch_normalization"

    axis: Any = -1
    momentum: float = 0.99
    epsilon: float = 1e-3
    center: bool = True
    scale: bool = True
    beta_initializer: Any = "zeros"
    gamma_initializer: Any = "ones"
    moving_mean_initializer: Any = "zeros"
    moving_variance_initializer: Any = "ones"
    beta_regularizer: Any = None
    gamma_regularizer: Any = None
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.axis = checked_axis(self.axis)
        self.momentum = finite("momentum", self.momentum)
        if not 0 <= self.momentum <= 1:
            raise InvalidValueError(f"momentum must be in [0, 1], got {self.momentum!r}")
        self.epsilon = checked_epsilon(self.epsilon)
        check_scale_and_shift(self)
        self.moving_mean_initializer = initializers.get(self.moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(self.moving_variance_initializer)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the minibatch's statistics and what they normalize; outside training, the moving ones alone."""
        check_last_axis("BatchNormalization", self.axis, x)
        channels = x.shape[-1]
        positions = x.rows // channels
        gamma, beta = scale_and_shift(plan, self, channels)
        fans = (channels, channels)
        moving = {
            "moving_mean": plan.parameter("mean", (channels,), self.moving_mean_initializer, fans, trained=False),
            "moving_variance": plan.parameter(
                "variance", (channels,), self.moving_variance_initializer, fans, trained=False
            ),
        }
        z = plan.tensor(x.shape, f"Z{plan.number()}")
        ends = {"A": x, "gamma": gamma, "beta": beta, "Z": z}
        if not plan.training:
            plan.emit("batch_normalization_inference", {"epsilon": self.epsilon}, ("Z",), **ends, **moving)
            return z
        sums = x
        if positions > 1:
            sums = plan.tensor(channels, f"sums of {x.name}")
            plan.emit("position_sums", {"positions": positions}, ("S",), A=x, S=sums)
        total, mean, scale = (
            plan.tensor(channels, f"{name} of {x.name}", of_minibatch=True) for name in ("total", "mean", "scale")
        )
        plan.emit("batch_sums", {"positions": positions}, ("total", "mean"), S=sums, total=total, mean=mean)
        squares = plan.tensor(channels, f"squares of {x.name}")
        plan.emit("squared_deviations", None, ("S",), A=x, mean=mean, S=squares)
        static = {"positions": positions, "epsilon": self.epsilon, "momentum": self.momentum}
        writes = ("scale", "moving_mean", "moving_variance")
        plan.emit("batch_statistics", static, writes, S=squares, mean=mean, scale=scale, **moving)
        plan.emit("batch_normalization_forward", None, ("Z",), **ends, mean=mean, scale=scale)
        return z


LAYERS.register("batch_normalization", BatchNormalization)
