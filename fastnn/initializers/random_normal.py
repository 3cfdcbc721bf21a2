"""Normal numbers: mean + stddev * z, z standard normal, each operation rounded once in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.initializers.base import Draw, Initializer, finite, non_negative, register


@dataclass(frozen=True)
class RandomNormal(Initializer):
    """Normal numbers; with the defaults, the 0.01 * normal of the classic tutorials (Keras defaults to 0.05).

    Parameters
    ----------
    mean : float, default 0
    stddev : float, default 0.01
        At least 0.
    """

    name: ClassVar[str] = "random_normal"

    mean: float = 0.0
    stddev: float = 0.01

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", finite("mean", self.mean))
        object.__setattr__(self, "stddev", non_negative("stddev", self.stddev))

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return self.mean + self.stddev * draw("normal", math.prod(shape))


register(RandomNormal)
