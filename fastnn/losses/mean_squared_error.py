"""Mean squared error: the mean over outputs of (p - y)**2."""

from __future__ import annotations

from typing import Any

from fastnn.formulas.primitives import like
from fastnn.losses.base import LOSSES, Loss


def value(y: Any, p: Any) -> Any:
    """Return ``(p - y)**2``."""
    return (p - y) * (p - y)


def derivative(y: Any, p: Any) -> Any:
    """Return ``2 * (p - y)``."""
    return like(p, 2.0) * (p - y)


MEAN_SQUARED_ERROR = LOSSES.register("mean_squared_error", Loss("mean_squared_error", value, derivative))
LOSSES.register("mse", MEAN_SQUARED_ERROR)
