"""Rectified linear unit: max(0, z), with derivative 0 at 0.

Source: Nair and Hinton, Rectified linear units improve restricted Boltzmann machines, ICML 2010, section 2.
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas.primitives import like, where


def forward(z: Any) -> Any:
    """Return ``z`` where it is positive, else +0; NaN stays NaN."""
    return where(z <= like(z, 0.0), like(z, 0.0), z)


def derivative(z: Any, a: Any) -> Any:
    """Return 1 where ``z`` is positive, else 0."""
    return where(z > like(z, 0.0), like(z, 1.0), like(z, 0.0))


RELU = ACTIVATIONS.register("relu", Activation("relu", forward, derivative))
