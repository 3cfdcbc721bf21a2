"""Softsign: z / (1 + abs(z)), a sigmoid shape with polynomial tails.

Source: Bergstra, Desjardins, Lamblin and Bengio, Quadratic polynomials learn better image features, 2009.
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas.primitives import like


def forward(z: Any) -> Any:
    """Return ``z / (1 + abs(z))``."""
    return z / (like(z, 1.0) + abs(z))


def derivative(z: Any, a: Any) -> Any:
    """Return ``1 / (1 + abs(z))**2``."""
    width = like(z, 1.0) + abs(z)
    return like(z, 1.0) / (width * width)


SOFTSIGN = ACTIVATIONS.register("softsign", Activation("softsign", forward, derivative))
