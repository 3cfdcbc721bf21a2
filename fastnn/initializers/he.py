"""He (Kaiming): variance 2 / fan_in, which makes up for the half that relu sets to 0.

Source: He, Zhang, Ren and Sun, Delving deep into rectifiers, ICCV 2015, equation 10.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.initializers.base import Draw, Initializer, register
from fastnn.initializers.variance_scaling import scaled


class HeUniform(Initializer):
    """Uniform within sqrt(6 / fan_in)."""

    name: ClassVar[str] = "he_uniform"

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return scaled(2.0, "fan_in", "uniform", math.prod(shape), fan_in, fan_out, draw)


class HeNormal(Initializer):
    """Normal of variance 2 / fan_in, cut at two standard deviations; see ``VarianceScaling``."""

    name: ClassVar[str] = "he_normal"

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return scaled(2.0, "fan_in", "truncated_normal", math.prod(shape), fan_in, fan_out, draw)


register(HeUniform)
register(HeNormal)
