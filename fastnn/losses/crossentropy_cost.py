"""The tutorial's cost: the sum over outputs of -(y log(p) + (1 - y) log(1 - p)), p unclipped.

0 log(0) counts as 0, so the cost of p in [0, 1] is never NaN; it is infinite where p is 0 or 1 and y
disagrees. Behind a ``sigmoid`` output the value keeps these bits (it is that of p = sigmoid(z)) and the
derivative is a - y, as the tutorial's backward pass has it.
"""

from __future__ import annotations

from typing import Any

from fastnn.formulas import log, sigmoid
from fastnn.formulas.primitives import like, where
from fastnn.losses.base import LOSSES, Loss


def value(y: Any, p: Any) -> Any:
    """Return ``-(y * log(p) + (1 - y) * log(1 - p))`` with ``0 * log(0) = 0``."""
    zero = like(p, 0.0)
    one = like(p, 1.0)
    present = where(y == zero, zero, y * log(p))
    absent = where(y == one, zero, (one - y) * log(one - p))
    return -(present + absent)


def derivative(y: Any, p: Any) -> Any:
    """Return ``(1 - y) / (1 - p) - y / p``, a term with numerator 0 counting as 0."""
    zero = like(p, 0.0)
    one = like(p, 1.0)
    present = where(y == zero, zero, y / p)
    absent = where(y == one, zero, (one - y) / (one - p))
    return absent - present


def value_sigmoid(y: Any, z: Any) -> Any:
    """Return ``value(y, sigmoid(z))``, written out: a formula stands by itself."""
    zero = like(z, 0.0)
    one = like(z, 1.0)
    p = sigmoid(z)
    present = where(y == zero, zero, y * log(p))
    absent = where(y == one, zero, (one - y) * log(one - p))
    return -(present + absent)


def derivative_sigmoid(y: Any, z: Any, a: Any) -> Any:
    """Return ``a - y`` for ``a = sigmoid(z)``."""
    return a - y


CROSSENTROPY_COST = LOSSES.register(
    "crossentropy_cost",
    Loss(
        "crossentropy_cost",
        value,
        derivative,
        mean=False,
        fused={"sigmoid": (value_sigmoid, derivative_sigmoid)},
    ),
)
