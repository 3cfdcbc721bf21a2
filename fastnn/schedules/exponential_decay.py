"""The rate falls by a constant factor over constant time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastnn.schedules.base import SCHEDULES, Floats, power
from fastnn.schedules.staircase import StaircaseDecay


@dataclass(frozen=True)
class ExponentialDecay(StaircaseDecay):
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

    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each step."""
        return self.initial_learning_rate * power(self.decay_rate, self.done(steps))


SCHEDULES.register(ExponentialDecay.name, ExponentialDecay)
