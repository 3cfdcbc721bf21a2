"""Glorot (Xavier): variance 1 / mean of the fans, a compromise between forward and backward.

Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS
2010, equations 12 and 16.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.initializers.base import Draw, Initializer, register
from fastnn.initializers.variance_scaling import scaled


class GlorotUniform(Initializer):
    """Uniform within sqrt(6 / (fan_in + fan_out))."""

    name: ClassVar[str] = "glorot_uniform"

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return scaled(1.0, "fan_avg", "uniform", math.prod(shape), fan_in, fan_out, draw)


class GlorotNormal(Initializer):
    """Normal of variance 2 / (fan_in + fan_out), cut at two standard deviations; see ``VarianceScaling``."""

    name: ClassVar[str] = "glorot_normal"

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return scaled(1.0, "fan_avg", "truncated_normal", math.prod(shape), fan_in, fan_out, draw)


register(GlorotUniform)
register(GlorotNormal)
