"""Constant rates between given steps."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.optimizers.base import non_negative, number
from fastnn.schedules.base import SCHEDULES, Floats, LearningRateSchedule


@dataclass(frozen=True)
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[0]`` up to and with step ``boundaries[0]``, then ``values[1]`` up to and with ``boundaries[1]``, ...

    Parameters
    ----------
    boundaries : sequence of int
        Rising.
    values : sequence of float
        One more than boundaries.
    """

    name: ClassVar[str] = "piecewise_constant_decay"

    boundaries: Sequence[int]
    values: Sequence[float]

    def __post_init__(self) -> None:
        for name in ("boundaries", "values"):
            given = getattr(self, name)
            if isinstance(given, str) or not isinstance(given, Sequence | np.ndarray):
                raise InvalidTypeError(f"{name} must be a sequence of numbers, got {given!r}")
        boundaries = tuple(number("boundaries", value) for value in self.boundaries)
        values = tuple(non_negative("values", value) for value in self.values)
        if len(values) != len(boundaries) + 1:
            raise InvalidValueError(
                f"values must be one more than boundaries, got {len(values)} for {len(boundaries)} boundaries"
            )
        if any(a >= b for a, b in itertools.pairwise(boundaries)):
            raise InvalidValueError(f"boundaries must rise, got {list(boundaries)}")
        self._set(boundaries=tuple(int(b) if b == int(b) else b for b in boundaries), values=values)

    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each step."""
        places = np.searchsorted(np.array(self.boundaries, np.float64), steps, side="left")
        return np.array(self.values, np.float64)[places]


SCHEDULES.register(PiecewiseConstantDecay.name, PiecewiseConstantDecay)
