"""LeCun: variance 1 / fan_in; the one that selu is made for.

Source: LeCun, Bottou, Orr and Mueller, Efficient BackProp, 1998, section 4.6.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.initializers.base import Draw, Initializer, register
from fastnn.initializers.variance_scaling import scaled


class LeCunUniform(Initializer):
    """Uniform within sqrt(3 / fan_in)."""

    name: ClassVar[str] = "lecun_uniform"

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return scaled(1.0, "fan_in", "uniform", math.prod(shape), fan_in, fan_out, draw)


class LeCunNormal(Initializer):
    """Normal of variance 1 / fan_in, cut at two standard deviations; see ``VarianceScaling``."""

    name: ClassVar[str] = "lecun_normal"

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return scaled(1.0, "fan_in", "truncated_normal", math.prod(shape), fan_in, fan_out, draw)


register(LeCunUniform)
register(LeCunNormal)
