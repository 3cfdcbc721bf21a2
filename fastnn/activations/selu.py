"""Scaled exponential linear unit: an ELU whose two constants keep mean 0 and variance 1 through layers.

Source: Klambauer, Unterthiner, Mayr and Hochreiter, Self-normalizing neural networks, NeurIPS 2017,
equation 2 and its constants. Use with LeCun-normal weights.
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas import expm1
from fastnn.formulas.primitives import like, where

ALPHA = 1.6732632423543772848170429916717
SCALE = 1.0507009873554804934193349852946
SCALE_ALPHA = 1.7580993408473768599402175208123


def forward(z: Any) -> Any:
    """Return ``SCALE * z`` where ``z`` is positive, else ``SCALE * ALPHA * (exp(z) - 1)``."""
    return where(z > like(z, 0.0), like(z, SCALE) * z, like(z, SCALE_ALPHA) * expm1(z))


def derivative(z: Any, a: Any) -> Any:
    """Return ``SCALE`` where ``z`` is positive, else ``SCALE * ALPHA * exp(z) = a + SCALE * ALPHA``."""
    return where(z > like(z, 0.0), like(z, SCALE), a + like(z, SCALE_ALPHA))


SELU = ACTIVATIONS.register("selu", Activation("selu", forward, derivative))
