"""Binary cross-entropy of logits: the mean over outputs of max(z, 0) - z y + log1p(exp(-abs(z))).

The same as cross-entropy of sigmoid(z), without clipping, overflow or cancellation for y in {0, 1}.
"""

from __future__ import annotations

from typing import Any

from fastnn.formulas import exp, log1p, sigmoid
from fastnn.formulas.primitives import like, where
from fastnn.losses.base import LOSSES, Loss


def value(y: Any, z: Any) -> Any:
    """Return ``max(z, 0) - z * y + log1p(exp(-abs(z)))``."""
    positive = where(z <= like(z, 0.0), like(z, 0.0), z)
    return positive - z * y + log1p(exp(-abs(z)))


def derivative(y: Any, z: Any) -> Any:
    """Return ``sigmoid(z) - y``."""
    return sigmoid(z) - y


BINARY_CROSSENTROPY_FROM_LOGITS = LOSSES.register(
    "binary_crossentropy_from_logits",
    Loss("binary_crossentropy_from_logits", value, derivative, from_logits=True),
)
