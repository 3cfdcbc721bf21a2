"""Binary cross-entropy of probabilities: the mean over outputs of -(y log(p) + (1 - y) log(1 - p)).

As in Keras, p is kept within [EPSILON, 1 - EPSILON], EPSILON = 1e-7 (rounded to the dtype), so the
derivative is 0 where p lies outside. Behind a ``sigmoid`` output nothing is clipped: the term is computed
from the logit and its derivative is a - y.
"""

from __future__ import annotations

from typing import Any

from fastnn.formulas import log
from fastnn.formulas.primitives import like, where
from fastnn.losses.base import LOSSES, Loss
from fastnn.losses.binary_crossentropy_from_logits import value as value_of_logit

EPSILON = 1e-7


def value(y: Any, p: Any) -> Any:
    """Return ``-(y * log(p) + (1 - y) * log(1 - p))``, ``p`` kept within ``[EPSILON, 1 - EPSILON]``."""
    one = like(p, 1.0)
    low = like(p, EPSILON)
    kept = where(p < low, low, where(p > one - low, one - low, p))
    return -(y * log(kept) + (one - y) * log(one - kept))


def derivative(y: Any, p: Any) -> Any:
    """Return ``(p - y) / (p * (1 - p))`` where ``p`` lies in ``[EPSILON, 1 - EPSILON]``, else 0."""
    one = like(p, 1.0)
    low = like(p, EPSILON)
    kept = where(p < low, low, where(p > one - low, one - low, p))
    return where((p < low) | (p > one - low), like(p, 0.0), (kept - y) / (kept * (one - kept)))


def derivative_sigmoid(y: Any, z: Any, a: Any) -> Any:
    """Return ``a - y`` for ``a = sigmoid(z)``."""
    return a - y


BINARY_CROSSENTROPY = LOSSES.register(
    "binary_crossentropy",
    Loss("binary_crossentropy", value, derivative, fused={"sigmoid": (value_of_logit, derivative_sigmoid)}),
)
