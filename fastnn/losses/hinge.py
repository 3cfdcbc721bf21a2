"""Hinge loss: the mean over outputs of max(0, 1 - y p), for targets in {-1, 1} or {0, 1}.

A target of exactly 0 counts as -1, element by element (Keras converts only when all targets are 0 or 1). The
derivative is 0 at the hinge, y p = 1. Source: Cortes and Vapnik, Support-vector networks, Machine Learning 20
(1995).
"""

from __future__ import annotations

from typing import Any

from fastnn.formulas.primitives import like, where
from fastnn.losses.base import LOSSES, Loss


def value(y: Any, p: Any) -> Any:
    """Return ``max(0, 1 - y * p)``, a target 0 read as -1."""
    sign = where(y == like(y, 0.0), like(y, -1.0), y)
    margin = like(p, 1.0) - sign * p
    return where(margin <= like(p, 0.0), like(p, 0.0), margin)


def derivative(y: Any, p: Any) -> Any:
    """Return ``-y`` where ``1 - y * p`` is positive, else 0."""
    sign = where(y == like(y, 0.0), like(y, -1.0), y)
    return where(like(p, 1.0) - sign * p > like(p, 0.0), -sign, like(p, 0.0))


HINGE = LOSSES.register("hinge", Loss("hinge", value, derivative))
