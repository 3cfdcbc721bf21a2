"""Falls along half a cosine wave, one after the other, each perhaps longer and lower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.optimizers.base import non_negative, number
from fastnn.schedules.base import SCHEDULES, Floats, LearningRateSchedule, half_cosine, power, whole


@dataclass(frozen=True)
class CosineDecayRestarts(LearningRateSchedule):
    """``CosineDecay`` that starts again: fall i takes ``first_decay_steps * t_mul**i`` updates from ``m_mul**i``.

    Parameters
    ----------
    initial_learning_rate : float
    first_decay_steps : int
    t_mul : float
        Each fall's length over that of the one before, at least 1.
    m_mul : float
        Each fall's start over that of the one before, at least 0.
    alpha : float
        Where falls end, as a share of ``initial_learning_rate``.

    Notes
    -----
    Keras finds a step's fall by a logarithm, which rounding can put one off at a restart; here the starts are
    added up in float64, exactly for whole ``t_mul``.

    References
    ----------
    I. Loshchilov and F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017, section 3.
    """

    name: ClassVar[str] = "cosine_decay_restarts"

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0

    def __post_init__(self) -> None:
        if number("t_mul", self.t_mul) < 1:
            raise InvalidValueError(f"t_mul must be at least 1, got {self.t_mul!r}")
        self._set(
            initial_learning_rate=non_negative("initial_learning_rate", self.initial_learning_rate),
            first_decay_steps=whole("first_decay_steps", self.first_decay_steps),
            t_mul=float(self.t_mul),
            m_mul=non_negative("m_mul", self.m_mul),
            alpha=non_negative("alpha", self.alpha),
        )

    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each step."""
        fall, done = self._falls(steps)
        wave = power(self.m_mul, fall) * half_cosine(done)
        return self.initial_learning_rate * ((1.0 - self.alpha) * wave + self.alpha)

    def _falls(self, steps: Floats) -> tuple[Floats, Floats]:
        """Return each step's fall and the share of it that is done."""
        first = float(self.first_decay_steps)
        if self.t_mul == 1:
            fall = np.floor(steps / first)
            return fall, (steps - fall * first) / first
        last = float(steps.max()) if steps.size else 0.0
        starts, lengths = [0.0], [first]
        while starts[-1] + lengths[-1] <= last:
            starts.append(starts[-1] + lengths[-1])
            lengths.append(lengths[-1] * self.t_mul)
        number = np.searchsorted(np.array(starts), steps, side="right") - 1
        return number.astype(np.float64), (steps - np.array(starts)[number]) / np.array(lengths)[number]


SCHEDULES.register(CosineDecayRestarts.name, CosineDecayRestarts)
