"""Mish: z * tanh(softplus(z)).

Source: Misra, Mish: a self regularized non-monotonic activation function, arXiv:1908.08681, equation 1. With
e = exp(z), tanh(log(1 + e)) = n / (n + 2) for n = e * (e + 2): one exponential, no cancellation. Beyond
z = 20 the quotient is 1 to the last bit of float64, so z is capped there before the exponential.
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas import exp
from fastnn.formulas.primitives import like, where


def forward(z: Any) -> Any:
    """Return ``z * n / (n + 2)``."""
    e = exp(where(z > like(z, 20.0), like(z, 20.0), z))
    n = e * (e + like(z, 2.0))
    return z * (n / (n + like(z, 2.0)))


def derivative(z: Any, a: Any) -> Any:
    """Return ``t + z * sigmoid(z) * (1 - t**2)`` with ``t = n / (n + 2)``, over one common denominator."""
    capped = where(z > like(z, 20.0), like(z, 20.0), z)
    e = exp(capped)
    n = e * (e + like(z, 2.0))
    width = n + like(z, 2.0)
    slope = (n * width + capped * (like(z, 4.0) * e * (e + like(z, 1.0)))) / (width * width)
    return where(z > like(z, 20.0), like(z, 1.0), slope)


MISH = ACTIVATIONS.register("mish", Activation("mish", forward, derivative))
