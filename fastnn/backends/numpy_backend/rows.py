"""Single samples: the reference has no way of its own for them, a row goes through like any batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.plan.executor import State
from fastnn.plan.plan import Plan


def row_function(plan: Plan, dtype: np.dtype[Any], state: State, *, frozen: bool) -> None:
    """Return None: see ``protocol.Backend``."""
