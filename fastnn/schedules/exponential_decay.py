"""The rate falls by a constant factor over constant time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastnn.optimizers.base import non_negative
from fastnn.schedules.base import SCHEDULES, Floats, LearningRateSchedule, power, whole


@dataclass(frozen=True)
class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    decay_rate : float
        At least 0.
    staircase : bool
        Whether ``step / decay_steps`` is rounded down, so that the rate falls all at once every ``decay_steps``.
    """

    name: ClassVar[str] = "exponential_decay"

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False

    def __post_init__(self) -> None:
        self._set(
            initial_learning_rate=non_negative("initial_learning_rate", self.initial_learning_rate),
            decay_steps=whole("decay_steps", self.decay_steps),
            decay_rate=non_negative("decay_rate", self.decay_rate),
            staircase=bool(self.staircase),
        )

    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each step."""
        done = steps / self.decay_steps
        return self.initial_learning_rate * power(self.decay_rate, np.floor(done) if self.staircase else done)


SCHEDULES.register(ExponentialDecay.name, ExponentialDecay)
