"""Layers that draw random numbers while a model is trained and do nothing otherwise: dropout and noise.

The numbers come from the counter-based generator, named by the model's seed, the step, the layer and an element's
place in the minibatch: they depend neither on the backend nor on threads, and no layer keeps a state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.initializers.base import finite, non_negative
from fastnn.layers.base import LAYERS, Layer, check_rank, sample_shape
from fastnn.plan.builder import PlanBuilder
from fastnn.plan.plan import Tensor


def checked_rate(rate: object) -> float:
    """Return a share of elements to drop as a float in [0, 1), or raise an error."""
    if isinstance(rate, bool):
        raise InvalidTypeError(f"rate must be a number, got {rate!r}")
    number = finite("rate", rate)
    if not 0 <= number < 1:
        raise InvalidValueError(f"rate must be in [0, 1), got {rate!r}")
    return number


@dataclass
class Dropout(Layer):
    """Replace a random share of the features by 0 and scale the others up, so that their mean stays.

    Parameters
    ----------
    rate : float
        Probability in [0, 1) with which a feature of a sample is dropped, rounded down to a multiple of 2^-32. With 0
        the layer does nothing.
    input_shape : int or tuple of int, optional
        Shape of a sample, for the first layer of a model that is to be built before it sees data.

    Notes
    -----
    A feature that stays is multiplied by ``1 / (1 - rate)``, computed in float64 and rounded to the model's dtype; one
    that is dropped is +0 even if it was infinite or NaN. In ``predict`` and ``evaluate`` the layer does nothing.
    Keras' ``seed`` and ``noise_shape`` are not there: the model's seed rules, and see ``SpatialDropout1D``.

    References
    ----------
    Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15 (2014), section 4.
    """

    kind = "dropout"

    rate: float
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.rate = checked_rate(self.rate)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the op, in training."""
        return dropped(plan, x, self.rate, 1)


@dataclass
class SpatialDropout1D(Layer):
    """Drop whole channels of a sequence: (steps, channels), one draw a sample and channel.

    Parameters
    ----------
    rate : float
        As of ``Dropout``.
    input_shape : tuple of int, optional
        As of ``Dropout``.

    References
    ----------
    Tompson et al., Efficient object localization using convolutional networks, CVPR 2015, section 3.2.
    """

    kind = "spatial_dropout_1d"

    rate: float
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.rate = checked_rate(self.rate)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the op, in training."""
        check_rank("SpatialDropout1D", x, 2, "(steps, channels)")
        return dropped(plan, x, self.rate, x.rows // x.shape[-1])


@dataclass
class SpatialDropout2D(Layer):
    """Drop whole channels of an image: (height, width, channels), one draw a sample and channel.

    Parameters
    ----------
    rate : float
        As of ``Dropout``.
    input_shape : tuple of int, optional
        As of ``Dropout``.

    References
    ----------
    As of ``SpatialDropout1D``.
    """

    kind = "spatial_dropout_2d"

    rate: float
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.rate = checked_rate(self.rate)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the op, in training."""
        check_rank("SpatialDropout2D", x, 3, "(height, width, channels)")
        return dropped(plan, x, self.rate, x.rows // x.shape[-1])


def dropped(plan: PlanBuilder, x: Tensor, rate: float, positions: int) -> Tensor:
    """Emit dropout with one draw for all positions of a channel, and return its output."""
    if not plan.training or rate == 0:
        return x
    z = plan.tensor(x.shape, f"dropped {x.name}")
    mask = plan.tensor(x.rows // positions, f"mask of {x.name}")
    static = {"rate": rate, "stream": plan.draw(), "positions": positions}
    plan.emit("dropout_forward", static, ("Z", "M"), A=x, Z=z, M=mask)
    return z


@dataclass
class GaussianNoise(Layer):
    """Add normal random numbers to every feature of every sample.

    Parameters
    ----------
    stddev : float
        Their standard deviation, at least 0. With 0 the layer does nothing.
    input_shape : int or tuple of int, optional
        As of ``Dropout``.

    Notes
    -----
    ``a + stddev * noise``: the standard normal number is computed in float64 and rounded to the model's dtype, the
    product and the sum are rounded once each. In ``predict`` and ``evaluate`` the layer does nothing.
    """

    kind = "gaussian_noise"

    stddev: float
    input_shape: Any = None

    def __post_init__(self) -> None:
        self.stddev = non_negative("stddev", self.stddev)
        sample_shape(self.input_shape)

    def build(self, plan: PlanBuilder, x: Tensor) -> Tensor:
        """Emit the op, in training."""
        if not plan.training or self.stddev == 0:
            return x
        z = plan.tensor(x.shape, f"noisy {x.name}")
        plan.emit("gaussian_noise_forward", {"stddev": self.stddev, "stream": plan.draw()}, ("Z",), A=x, Z=z)
        return z


LAYERS.register("dropout", Dropout)
LAYERS.register("spatial_dropout_1d", SpatialDropout1D)
LAYERS.register("spatial_dropout_2d", SpatialDropout2D)
LAYERS.register("gaussian_noise", GaussianNoise)
