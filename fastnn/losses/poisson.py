"""Poisson loss: the mean over outputs of p - y log(p), for counts y and predicted rates p.

As in Keras, EPSILON = 1e-7 is added to p inside the logarithm, so a rate of 0 costs much and not
infinitely. Behind an ``exponential`` output the term is exp(z) - y z, without logarithm and without
EPSILON.
"""

from __future__ import annotations

from typing import Any

from fastnn.formulas import exp, log
from fastnn.formulas.primitives import like
from fastnn.losses.base import LOSSES, Loss

EPSILON = 1e-7


def value(y: Any, p: Any) -> Any:
    """Return ``p - y * log(p + EPSILON)``."""
    return p - y * log(p + like(p, EPSILON))


def derivative(y: Any, p: Any) -> Any:
    """Return ``1 - y / (p + EPSILON)``."""
    return like(p, 1.0) - y / (p + like(p, EPSILON))


def value_exponential(y: Any, z: Any) -> Any:
    """Return ``exp(z) - y * z``."""
    return exp(z) - y * z


def derivative_exponential(y: Any, z: Any, a: Any) -> Any:
    """Return ``a - y`` for ``a = exp(z)``."""
    return a - y


POISSON = LOSSES.register(
    "poisson",
    Loss("poisson", value, derivative, fused={"exponential": (value_exponential, derivative_exponential)}),
)
