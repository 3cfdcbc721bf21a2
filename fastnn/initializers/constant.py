"""All elements alike: 0, 1, or a given number. Biases usually start from zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.initializers.base import Draw, Initializer, finite, register


@dataclass(frozen=True)
class Constant(Initializer):
    """Every element is ``value``.

    Parameters
    ----------
    value : float, default 0
    """

    name: ClassVar[str] = "constant"

    value: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", finite("value", self.value))

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return np.full(shape, self.value)


class Zeros(Initializer):
    """Every element is 0."""

    name: ClassVar[str] = "zeros"

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return np.zeros(shape)


class Ones(Initializer):
    """Every element is 1."""

    name: ClassVar[str] = "ones"

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        return np.ones(shape)


register(Constant)
register(Zeros)
register(Ones)
