"""The optimizer's scalars of the steps to come, computed for many at once.

Bias corrections and the like are powers in defined arithmetic: some hundred operations of NumPy, whether for one step
or for a thousand (Adam: 110 us for one, 330 for a thousand). Small networks make few steps an epoch, so scalars are
kept in blocks: the first for as many steps as a training will make, up to a limit, others double in length. Elementwise
formulas give each step the same bits in any block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.optimizers import Optimizer
from fastnn.schedules.base import LearningRateSchedule

Array = np.ndarray[Any, Any]

FIRST_STEPS = 1024
"""Longest first block: a training that stops early has paid for little that it did not need."""

MOST_STEPS = 4096
"""Longest block: 160 KB of Adam's scalars in float64."""

_GREAT = 1e30
"""Rates from here on are looked at one by one: they may leave float32, or all numbers."""


class StepScalars:
    """Scalars of an optimizer by step.

    Parameters
    ----------
    optimizer : Optimizer
        Its settings may change between calls, as callbacks change the rate.
    dtype : numpy dtype
        Of the network.
    expected : int
        How many steps will be asked for, as far as is known.
    """

    def __init__(self, optimizer: Optimizer, dtype: Any, expected: int = 0) -> None:
        self._optimizer, self._dtype = optimizer, dtype
        self._expected, self._end = expected, 0
        self._settings: dict[str, Any] = {}
        self._first, self._table = 0, np.empty((0, 0), dtype)

    def rows(self, first: int, steps: int) -> Array:
        """Return the scalars of steps ``first`` (1-based) and on, (steps, K), contiguous."""
        start = first - self._first
        if start < 0 or start + steps > len(self._table) or self._settings != vars(self._optimizer):
            rate = self._optimizer.learning_rate
            # a user's function is asked for the steps that are made, and no others
            known = isinstance(rate, LearningRateSchedule) or not callable(rate)
            ahead = self._ahead(first) if known else 0
            self._table = self._computed(first, steps, ahead)
            self._first, self._settings, start = first, dict(vars(self._optimizer)), 0
        return self._table[start : start + steps]

    def _ahead(self, first: int) -> int:
        """Return for how many steps, from ``first`` on, it pays to compute scalars now."""
        if not len(self._table):
            self._end = first + self._expected
            return min(self._expected, FIRST_STEPS)
        if self._settings != vars(self._optimizer):
            return 0  # what changes the rate may do so every epoch
        rest = self._end - first
        return min(2 * len(self._table), MOST_STEPS, rest if rest > 0 else MOST_STEPS)

    def _computed(self, first: int, steps: int, ahead: int) -> Array:
        """Return the scalars of ``steps`` steps, and as many as ``ahead`` where it is greater."""
        numbers = np.arange(first, first + max(steps, ahead))
        schedule = self._optimizer.learning_rate
        if isinstance(schedule, LearningRateSchedule):
            rates = schedule(numbers - 1)  # all at once: 2 us less a step than one by one
            if not ((rates >= 0) & (rates < _GREAT)).all():
                numbers = numbers[:steps]  # a step that is never made is no error
                rates = self._optimizer.learning_rates(numbers)
        else:
            rates = self._optimizer.learning_rates(numbers)
        return np.ascontiguousarray(self._optimizer.scalars(numbers, rates), self._dtype)
