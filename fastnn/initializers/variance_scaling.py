"""Variance scale / fan, so that activations or gradients keep their size from layer to layer.

Source of the general form: He, Zhang, Ren and Sun, Delving deep into rectifiers, ICCV 2015, section 2.2;
names, defaults and the correction of the truncated normal are Keras'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import InvalidValueError, unknown_name
from fastnn.initializers.base import Draw, Initializer, finite, register

FANS = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("uniform", "truncated_normal", "untruncated_normal")

TRUNCATED_STDDEV = 0.87962566103423978
"""Standard deviation of a standard normal number given that it is within (-2, 2)."""


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    """Mean 0 and variance scale / fan, from one of three distributions.

    Parameters
    ----------
    scale : float, default 1
        Above 0.
    mode : str, default "fan_in"
        The fan: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``, their mean. A fan below 1 counts as 1.
    distribution : str, default "truncated_normal"
        ``"uniform"`` within sqrt(3 scale / fan); ``"truncated_normal"``, cut at two standard deviations and
        widened by 1 / 0.8796 to have the variance after the cut; or ``"untruncated_normal"``.
    """

    name: ClassVar[str] = "variance_scaling"

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", finite("scale", self.scale))
        if self.scale <= 0:
            raise InvalidValueError(f"scale must be above 0, got {self.scale!r}")
        if self.mode not in FANS:
            raise unknown_name("fan mode", self.mode, FANS)
        if self.distribution not in DISTRIBUTIONS:
            raise unknown_name("distribution", self.distribution, DISTRIBUTIONS)

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return scaled(self.scale, self.mode, self.distribution, math.prod(shape), fan_in, fan_out, draw)


def scaled(
    scale: float, mode: str, distribution: str, n: int, fan_in: int, fan_out: int, draw: Draw
) -> NDArray[np.float64]:
    """Return ``n`` numbers of variance scale / fan (see ``VarianceScaling``)."""
    fan = {"fan_in": float(fan_in), "fan_out": float(fan_out), "fan_avg": (fan_in + fan_out) / 2.0}[mode]
    variance = scale / max(1.0, fan)
    if distribution == "uniform":
        limit = float(np.sqrt(3.0 * variance))
        return limit * (2.0 * draw("uniform", n) - 1.0)
    stddev = float(np.sqrt(variance))
    if distribution == "untruncated_normal":
        return stddev * draw("normal", n)
    return stddev / TRUNCATED_STDDEV * draw("truncated_normal", n)


register(VarianceScaling)
