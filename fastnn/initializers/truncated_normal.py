"""Normal numbers that stay within two standard deviations: mean + stddev * z, z conditioned on (-2, 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.initializers.base import Draw, Initializer, finite, non_negative, register


@dataclass(frozen=True)
class TruncatedNormal(Initializer):
    """Normal numbers given that they are within 2 ``stddev`` of the mean.

    ``stddev`` is that of the normal distribution before it is cut; what remains has 0.8796 times as much, as
    in Keras. The distribution is inverted, so that one number takes one draw; Keras draws again until one
    fits.

    Parameters
    ----------
    mean : float, default 0
    stddev : float, default 0.05
        At least 0.
    """

    name: ClassVar[str] = "truncated_normal"

    mean: float = 0.0
    stddev: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", finite("mean", self.mean))
        object.__setattr__(self, "stddev", non_negative("stddev", self.stddev))

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return self.mean + self.stddev * draw("truncated_normal", math.prod(shape))


register(TruncatedNormal)
