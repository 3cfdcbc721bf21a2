"""Kullback-Leibler divergence: the sum over outputs of y log(y / p).

As in Keras, targets and predictions are kept within [EPSILON, 1], EPSILON = 1e-7, so the derivative is 0
where p lies outside. Source: Kullback and Leibler, On information and sufficiency, 1951.
"""

from __future__ import annotations

from typing import Any

from fastnn.formulas import log
from fastnn.formulas.primitives import like, where
from fastnn.losses.base import LOSSES, Loss

EPSILON = 1e-7


def value(y: Any, p: Any) -> Any:
    """Return ``y * log(y / p)``, both kept within ``[EPSILON, 1]``."""
    low = like(p, EPSILON)
    one = like(p, 1.0)
    target = where(y < low, low, where(y > one, one, y))
    kept = where(p < low, low, where(p > one, one, p))
    return target * log(target / kept)


def derivative(y: Any, p: Any) -> Any:
    """Return ``-y / p`` where ``p`` lies in ``[EPSILON, 1]``, else 0."""
    low = like(p, EPSILON)
    one = like(p, 1.0)
    target = where(y < low, low, where(y > one, one, y))
    kept = where(p < low, low, where(p > one, one, p))
    return where((p < low) | (p > one), like(p, 0.0), -target / kept)


KL_DIVERGENCE = LOSSES.register("kl_divergence", Loss("kl_divergence", value, derivative, mean=False))
