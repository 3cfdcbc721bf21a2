"""The optimizer's scalars of the steps to come, computed for many at once.

Bias corrections and the like are powers in defined arithmetic: some hundred operations of NumPy, whether for one step
or for a thousand. Small networks make few steps an epoch, so scalars are kept in blocks that double in length.
Elementwise formulas give each step the same bits in any block.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.optimizers import Optimizer

Array = np.ndarray[Any, Any]

MOST_STEPS = 4096
"""Longest block: 160 KB of Adam's scalars in float64."""


class StepScalars:
    """Scalars of an optimizer by step.

    Parameters
    ----------
    optimizer : Optimizer
        Its settings may change between calls, as callbacks change the rate.
    dtype : numpy dtype
        Of the network.
    """

    def __init__(self, optimizer: Optimizer, dtype: Any) -> None:
        self._optimizer, self._dtype = optimizer, dtype
        self._settings: dict[str, Any] = {}
        self._first, self._table = 0, np.empty((0, 0), dtype)

    def rows(self, first: int, steps: int) -> Array:
        """Return the scalars of steps ``first`` (1-based) and on, (steps, K), contiguous."""
        start = first - self._first
        if start < 0 or start + steps > len(self._table) or self._settings != vars(self._optimizer):
            # a schedule is asked for the steps that are made, and no others
            ahead = 0 if callable(self._optimizer.learning_rate) else min(2 * len(self._table), MOST_STEPS)
            self._table = self._computed(first, max(steps, ahead))
            self._first, self._settings, start = first, dict(vars(self._optimizer)), 0
        return self._table[start : start + steps]

    def _computed(self, first: int, steps: int) -> Array:
        numbers = np.arange(first, first + steps)
        rates = self._optimizer.learning_rates(numbers)
        return np.ascontiguousarray(self._optimizer.scalars(numbers, rates), self._dtype)
