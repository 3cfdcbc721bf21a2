"""The rate falls as one over the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastnn.schedules.base import SCHEDULES, Floats
from fastnn.schedules.staircase import StaircaseDecay


@dataclass(frozen=True)
class InverseTimeDecay(StaircaseDecay):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
    decay_rate : float
        At least 0.
    staircase : bool
        Whether ``step / decay_steps`` is rounded down.
    """

    name: ClassVar[str] = "inverse_time_decay"

    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each step."""
        return self.initial_learning_rate / (1.0 + self.decay_rate * self.done(steps))


SCHEDULES.register(InverseTimeDecay.name, InverseTimeDecay)
