"""Exponential linear unit: z where positive, else alpha * (exp(z) - 1).

Source: Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by exponential linear
units, ICLR 2016, equation 15. The derivative reuses the output, alpha * exp(z) = a + alpha, so it is right to
an ulp of alpha, not of itself, where z is very negative (as in Keras and PyTorch).
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas import expm1
from fastnn.formulas.primitives import like, where


def forward(z: Any, alpha: Any) -> Any:
    """Return ``z`` where it is positive, else ``alpha * (exp(z) - 1)``."""
    return where(z > like(z, 0.0), z, alpha * expm1(z))


def derivative(z: Any, a: Any, alpha: Any) -> Any:
    """Return 1 where ``z`` is positive, else ``alpha * exp(z)``."""
    return where(z > like(z, 0.0), like(z, 1.0), a + alpha)


ELU = ACTIVATIONS.register("elu", Activation("elu", forward, derivative, alpha=1.0))
