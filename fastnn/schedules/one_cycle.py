"""One rise and one long fall over the whole training, as PyTorch's ``OneCycleLR``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.optimizers.base import fraction, non_negative, positive
from fastnn.schedules.base import SCHEDULES, Floats, LearningRateSchedule, half_cosine, whole


@dataclass(frozen=True)
class OneCycle(LearningRateSchedule):
    """From ``max_learning_rate / div_factor`` up to ``max_learning_rate`` and down to nearly 0.

    Parameters
    ----------
    max_learning_rate : float
    total_steps : int
        Updates of the whole cycle, at least 2; later ones stay at its end.
    pct_start : float
        Share of the updates that belong to the rise.
    anneal_strategy : "cos" or "linear"
        The form of rise and fall.
    div_factor : float
        ``max_learning_rate`` over the first rate.
    final_div_factor : float
        The first rate over the last.

    References
    ----------
    L. N. Smith and N. Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates,
    2018, section 3. Arguments and defaults are PyTorch's; Keras has none.
    """

    name: ClassVar[str] = "one_cycle"

    max_learning_rate: float
    total_steps: int
    pct_start: float = 0.3
    anneal_strategy: str = "cos"
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        if self.anneal_strategy not in ("cos", "linear"):
            raise InvalidValueError(f"anneal_strategy must be 'cos' or 'linear', got {self.anneal_strategy!r}")
        if whole("total_steps", self.total_steps) < 2:
            raise InvalidValueError(f"total_steps must be at least 2, got {self.total_steps!r}")
        self._set(
            max_learning_rate=non_negative("max_learning_rate", self.max_learning_rate),
            total_steps=int(self.total_steps),
            pct_start=fraction("pct_start", self.pct_start),
            div_factor=positive("div_factor", self.div_factor),
            final_div_factor=positive("final_div_factor", self.final_div_factor),
        )

    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each step."""
        top = self.max_learning_rate
        first = top / self.div_factor
        last = first / self.final_div_factor
        end = float(self.total_steps - 1)
        peak = max(self.pct_start * self.total_steps - 1.0, 0.0)
        fall = self._between(top, last, np.clip((steps - peak) / (end - peak), 0.0, 1.0))
        if not peak:
            return fall
        return np.where(steps <= peak, self._between(first, top, np.minimum(steps / peak, 1.0)), fall)

    def _between(self, start: float, end: float, done: Floats) -> Floats:
        left = half_cosine(done) if self.anneal_strategy == "cos" else 1.0 - done
        return (start - end) * left + end


SCHEDULES.register(OneCycle.name, OneCycle)
