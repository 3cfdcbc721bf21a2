"""Cross-entropy of class probabilities: the sum over outputs of -y log(p), y one-hot or a distribution.

As in Keras, p is kept within [EPSILON, 1 - EPSILON], EPSILON = 1e-7, so the derivative is 0 where p lies
outside; unlike there, the predictions are not divided by their sum first. Behind a ``softmax`` output the
engine computes the loss of the whole sample from the logits, unclipped.
"""

from __future__ import annotations

from typing import Any

from fastnn.formulas import log
from fastnn.formulas.primitives import like, where
from fastnn.losses.base import LOSSES, Loss

EPSILON = 1e-7


def value(y: Any, p: Any) -> Any:
    """Return ``-y * log(p)``, ``p`` kept within ``[EPSILON, 1 - EPSILON]``; +0 where ``y`` is 0."""
    low = like(p, EPSILON)
    high = like(p, 1.0) - low
    kept = where(p < low, low, where(p > high, high, p))
    return -(y * log(kept))


def derivative(y: Any, p: Any) -> Any:
    """Return ``-y / p`` where ``p`` lies in ``[EPSILON, 1 - EPSILON]``, else 0."""
    low = like(p, EPSILON)
    high = like(p, 1.0) - low
    kept = where(p < low, low, where(p > high, high, p))
    return where((p < low) | (p > high), like(p, 0.0), -y / kept)


CATEGORICAL_CROSSENTROPY = LOSSES.register(
    "categorical_crossentropy",
    Loss(
        "categorical_crossentropy",
        value,
        derivative,
        mean=False,
        fused_sample_wise={"softmax": "softmax_crossentropy"},
    ),
)
