"""The rate falls to its end as a power of the time left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastnn.optimizers.base import non_negative, positive
from fastnn.schedules.base import SCHEDULES, Floats, LearningRateSchedule, power, whole


@dataclass(frozen=True)
class PolynomialDecay(LearningRateSchedule):
    """``(initial_learning_rate - end_learning_rate) * (1 - step / decay_steps) ** power + end_learning_rate``.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
        Updates until the end; later ones stay there.
    end_learning_rate : float
    power : float
        Above 0; 1 is a straight line.
    cycle : bool
        Instead of staying, start again over the next multiple of ``decay_steps``: after ``decay_steps`` updates the
        time is counted as a part of ``2 decay_steps``, after twice as many of ``3 decay_steps``, and so on.
    """

    name: ClassVar[str] = "polynomial_decay"

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False

    def __post_init__(self) -> None:
        self._set(
            initial_learning_rate=non_negative("initial_learning_rate", self.initial_learning_rate),
            decay_steps=whole("decay_steps", self.decay_steps),
            end_learning_rate=non_negative("end_learning_rate", self.end_learning_rate),
            power=positive("power", self.power),
            cycle=bool(self.cycle),
        )

    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each step."""
        if self.cycle:
            done = steps / (self.decay_steps * np.maximum(np.ceil(steps / self.decay_steps), 1.0))
        else:
            done = np.minimum(steps, self.decay_steps) / self.decay_steps
        left = 1.0 - done
        fall = left if self.power == 1 else power(left, self.power)
        return (self.initial_learning_rate - self.end_learning_rate) * fall + self.end_learning_rate


SCHEDULES.register(PolynomialDecay.name, PolynomialDecay)
