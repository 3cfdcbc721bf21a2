"""Mean absolute error: the mean over outputs of abs(p - y), with derivative 0 where p = y."""

from __future__ import annotations

from typing import Any

from fastnn.formulas.primitives import like, where
from fastnn.losses.base import LOSSES, Loss


def value(y: Any, p: Any) -> Any:
    """Return ``abs(p - y)``."""
    return abs(p - y)


def derivative(y: Any, p: Any) -> Any:
    """Return the sign of ``p - y``; 0 at 0."""
    return where(p > y, like(p, 1.0), where(p < y, like(p, -1.0), like(p, 0.0)))


MEAN_ABSOLUTE_ERROR = LOSSES.register("mean_absolute_error", Loss("mean_absolute_error", value, derivative))
LOSSES.register("mae", MEAN_ABSOLUTE_ERROR)
