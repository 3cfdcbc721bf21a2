"""Huber loss: half the squared error up to delta, beyond it the tangent line; the mean over outputs.

Source: Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35 (1964), p. 73.
"""

from __future__ import annotations

from typing import Any

from fastnn.formulas.primitives import like, where
from fastnn.losses.base import LOSSES, Loss


def value(y: Any, p: Any, delta: Any) -> Any:
    """Return ``e**2 / 2`` where ``e = abs(p - y) <= delta``, else ``delta * (e - delta / 2)``."""
    error = abs(p - y)
    half = like(p, 0.5)
    return where(error <= delta, half * error * error, delta * (error - half * delta))


def derivative(y: Any, p: Any, delta: Any) -> Any:
    """Return ``p - y`` kept within ``-delta`` and ``delta``."""
    error = p - y
    return where(error > delta, delta, where(error < -delta, -delta, error))


HUBER = LOSSES.register("huber", Loss("huber", value, derivative, delta=1.0))
