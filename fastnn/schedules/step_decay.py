"""The rate drops by a factor every so many steps, as PyTorch's ``StepLR``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastnn.optimizers.base import non_negative
from fastnn.schedules.base import SCHEDULES, Floats, LearningRateSchedule, power, whole


@dataclass(frozen=True)
class StepDecay(LearningRateSchedule):
    r"""``initial_learning_rate * gamma ** floor(step / step_size)``.

    Parameters
    ----------
    initial_learning_rate : float
    step_size : int
        Updates between drops.
    gamma : float
        What the rate is multiplied by at each, at least 0.
    """

    name: ClassVar[str] = "step_decay"

    initial_learning_rate: float
    step_size: int
    gamma: float = 0.1

    def __post_init__(self) -> None:
        self._set(
            initial_learning_rate=non_negative("initial_learning_rate", self.initial_learning_rate),
            step_size=whole("step_size", self.step_size),
            gamma=non_negative("gamma", self.gamma),
        )

    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each step."""
        return self.initial_learning_rate * power(self.gamma, np.floor(steps / self.step_size))


SCHEDULES.register(StepDecay.name, StepDecay)
