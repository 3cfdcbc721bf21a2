"""What a backend module must offer."""

from __future__ import annotations

from typing import Any, Protocol

from fastnn.optimizers import Optimizer
from fastnn.plan.executor import Executor, State
from fastnn.plan.plan import Plan


class Backend(Protocol):
    """A module that computes; ``numpy_backend`` and ``numba_backend`` satisfy it."""

    def executor(self, plan: Plan, dtype: Any, state: State, optimizer: Optimizer | None = None) -> Executor:
        """Return what runs the programs of a plan."""
        ...
