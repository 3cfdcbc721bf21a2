"""A straight rise before any other schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastnn.optimizers.base import non_negative
from fastnn.schedules.base import SCHEDULES, Floats, LearningRateSchedule, get, whole


@dataclass(frozen=True)
class LinearWarmup(LearningRateSchedule):
    """From ``initial_learning_rate`` in a straight line to ``schedule``'s first rate, then ``schedule``.

    Parameters
    ----------
    schedule : float, LearningRateSchedule or its config
        Begins when the rise ends; a number is a constant rate.
    warmup_steps : int
        Updates of the rise.
    initial_learning_rate : float
        The rate at step 0.

    References
    ----------
    P. Goyal et al., Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour, 2017, section 2.2.
    """

    name: ClassVar[str] = "linear_warmup"

    schedule: Any
    warmup_steps: int
    initial_learning_rate: float = 0.0

    def __post_init__(self) -> None:
        number = isinstance(self.schedule, int | float | np.integer | np.floating)
        self._set(
            schedule=non_negative("schedule", self.schedule) if number else get(self.schedule),
            warmup_steps=whole("warmup_steps", self.warmup_steps),
            initial_learning_rate=non_negative("initial_learning_rate", self.initial_learning_rate),
        )

    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each step."""
        done = steps / self.warmup_steps
        start = self.initial_learning_rate
        after = np.maximum(steps - self.warmup_steps, 0.0)
        if isinstance(self.schedule, float):
            top: float = self.schedule
            behind = np.full(steps.shape, top)
        else:
            top, behind = float(self.schedule.rates(np.zeros(1))[0]), self.schedule.rates(after)
        return np.where(steps < self.warmup_steps, (top - start) * done + start, behind)


SCHEDULES.register(LinearWarmup.name, LinearWarmup)
