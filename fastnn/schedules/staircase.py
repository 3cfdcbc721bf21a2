"""What decays over ``decay_steps`` have in common, and their ``staircase``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastnn.optimizers.base import non_negative
from fastnn.schedules.base import Floats, LearningRateSchedule, whole


@dataclass(frozen=True)
class StaircaseDecay(LearningRateSchedule):
    """A rate that falls with ``step / decay_steps``, which ``staircase`` rounds down."""

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

    def done(self, steps: Floats) -> Floats:
        """Return how many times ``decay_steps`` lie behind each step."""
        done = steps / self.decay_steps
        return np.floor(done) if self.staircase else done
