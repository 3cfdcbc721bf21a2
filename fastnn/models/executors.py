"""A model's executors by use, and those of before it was compiled anew.

To lower a plan takes as long as 30 steps of a small network. Who compiles again with the same loss and an optimizer of
the same rule, to start a training afresh or for a warm start, gets the executors that are there: they work on the same
vectors, of which the optimizer's state starts anew.
"""

from __future__ import annotations

from typing import Any

from fastnn.optimizers import Optimizer
from fastnn.plan import Plan
from fastnn.plan.executor import Executor, State
from fastnn.training.loop import Pace

Key = tuple[str, str, bool]
"""Name of the backend, use, whether states are handed in."""


class Executors(dict[Key, Executor]):
    """Executors that are in use."""

    def __init__(self) -> None:
        super().__init__()
        self._settings: dict[Key, Any] = {}
        self._before: dict[Key, tuple[Executor, Any]] = {}
        self._pace: tuple[int, Pace] = 0, Pace(1)

    def pace(self, batch: int) -> Pace:
        """Return how many steps of ``batch`` samples a piece of a training takes: what the last one learned."""
        if self._pace[0] != batch:
            self._pace = batch, Pace(1)
        return self._pace[1]

    def clear(self) -> None:
        """Forget all, also those of before."""
        super().clear()
        self._settings.clear()
        self._before.clear()
        self._pace = 0, Pace(1)

    def retire(self) -> None:
        """Let those in use be those of before."""
        self._before = {key: (executor, self._settings[key]) for key, executor in self.items()}
        super().clear()
        self._settings.clear()

    def keep(self, key: Key, executor: Executor, optimizer: Optimizer | None) -> Executor:
        """Use an executor from now on, and return it."""
        self._settings[key] = _settings(optimizer)
        self[key] = executor
        return executor

    def of_before(self, key: Key, plan: Plan, state: State, optimizer: Optimizer | None) -> Executor | None:
        """Return the executor of before if it computes the same on the same vectors; without slots, on any.

        It is the new optimizer's from then on.
        """
        executor, settings = self._before.pop(key, (None, None))
        if executor is None or settings != _settings(optimizer) or not _same(executor.plan, plan):
            return None
        other = executor.state
        if other.parameters is not state.parameters or other.statistics is not state.statistics:
            return None
        if other.carried is not state.carried or (state.slots is not None and other.slots is not state.slots):
            return None
        executor.optimizer = optimizer
        return executor


def _settings(optimizer: Optimizer | None) -> Any:
    """Return what a program knows of an optimizer; all else are numbers that each step is given."""
    if optimizer is None:
        return None
    return optimizer.rule, optimizer.clipvalue, optimizer.clipnorm, optimizer.global_clipnorm


def _same(one: Plan, other: Plan) -> bool:
    try:
        return one == other
    except ValueError:  # arrays among the settings of an op
        return False


__all__ = ["Executors"]
