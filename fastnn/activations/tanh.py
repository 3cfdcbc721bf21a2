"""Hyperbolic tangent, from ``fastnn.formulas.tanh``."""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas import tanh
from fastnn.formulas.primitives import like


def forward(z: Any) -> Any:
    """Return ``tanh(z)``."""
    return tanh(z)


def derivative(z: Any, a: Any) -> Any:
    """Return ``1 - a**2``."""
    return like(a, 1.0) - a * a


TANH = ACTIVATIONS.register("tanh", Activation("tanh", forward, derivative))
