"""Gaussian error linear unit, exact: z * Phi(z), Phi the distribution function of a standard normal.

Source: Hendrycks and Gimpel, Gaussian error linear units, arXiv:1606.08415, section 2. This is the exact form
by erf (PyTorch's default, ``approximate=False`` in Keras), not the tanh approximation. Phi is computed as
0.5 * (1 + erf(z / sqrt 2)), right to an ulp of 1, so the tail below about -5 has few correct digits of a
value that is itself below 1e-6.
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas import erf, exp
from fastnn.formulas.primitives import like

SQRT_HALF = 0.70710678118654752440084436210485
INV_SQRT_TWO_PI = 0.39894228040143267793994605993438


def forward(z: Any) -> Any:
    """Return ``z * 0.5 * (1 + erf(z / sqrt(2)))``."""
    cdf = like(z, 0.5) * (like(z, 1.0) + erf(like(z, SQRT_HALF) * z))
    return z * cdf


def derivative(z: Any, a: Any) -> Any:
    """Return ``Phi(z) + z * phi(z)``, phi the normal density."""
    cdf = like(z, 0.5) * (like(z, 1.0) + erf(like(z, SQRT_HALF) * z))
    density = like(z, INV_SQRT_TWO_PI) * exp(like(z, -0.5) * z * z)
    return cdf + z * density


GELU = ACTIVATIONS.register("gelu", Activation("gelu", forward, derivative))
