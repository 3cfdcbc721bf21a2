"""The rate falls along half a cosine wave, after an optional straight rise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.optimizers.base import non_negative
from fastnn.schedules.base import SCHEDULES, Floats, LearningRateSchedule, half_cosine, whole


@dataclass(frozen=True)
class CosineDecay(LearningRateSchedule):
    """``start * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)``.

    Parameters
    ----------
    initial_learning_rate : float
        Where the fall starts or, with ``warmup_target``, the rise.
    decay_steps : int
        Updates of the fall; later ones stay at its end.
    alpha : float
        The end, as a share of the rate at which the fall starts.
    warmup_target : float, optional
        Where the rise ends and the fall starts.
    warmup_steps : int
        Updates of the rise, which come before the ``decay_steps``.

    References
    ----------
    I. Loshchilov and F. Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, ICLR 2017, section 3.
    """

    name: ClassVar[str] = "cosine_decay"

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        target = self.warmup_target
        steps = (
            0 if type(self.warmup_steps) is int and self.warmup_steps == 0 else whole("warmup_steps", self.warmup_steps)
        )
        if target is None and steps:
            raise InvalidValueError(f"warmup_steps={steps} needs a warmup_target: the rate at which the rise ends")
        self._set(
            initial_learning_rate=non_negative("initial_learning_rate", self.initial_learning_rate),
            decay_steps=whole("decay_steps", self.decay_steps),
            alpha=non_negative("alpha", self.alpha),
            warmup_target=None if target is None else non_negative("warmup_target", target),
            warmup_steps=steps,
        )

    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each step."""
        rise = self.warmup_steps
        top = self.initial_learning_rate if self.warmup_target is None else self.warmup_target
        done = np.clip((steps - rise) / self.decay_steps, 0.0, 1.0)
        fallen = top * ((1.0 - self.alpha) * half_cosine(done) + self.alpha)
        if not rise:
            return fallen
        risen = (top - self.initial_learning_rate) * (steps / rise) + self.initial_learning_rate
        return np.where(steps < rise, risen, fallen)


SCHEDULES.register(CosineDecay.name, CosineDecay)
