"""Uniform numbers: minval + (maxval - minval) * u, u in [0, 1), each operation rounded once in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import InvalidValueError
from fastnn.initializers.base import Draw, Initializer, finite, register


@dataclass(frozen=True)
class RandomUniform(Initializer):
    """Uniform numbers between two bounds; ``maxval`` itself can come out by rounding.

    Parameters
    ----------
    minval, maxval : float, default -0.05 and 0.05
        ``minval`` at most ``maxval``.
    """

    name: ClassVar[str] = "random_uniform"

    minval: float = -0.05
    maxval: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "minval", finite("minval", self.minval))
        object.__setattr__(self, "maxval", finite("maxval", self.maxval))
        if self.minval > self.maxval:
            raise InvalidValueError(f"minval must be at most maxval, got {self.minval!r} and {self.maxval!r}")

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return self.minval + (self.maxval - self.minval) * draw("uniform", math.prod(shape))


register(RandomUniform)
