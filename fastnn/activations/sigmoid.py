"""Logistic sigmoid: 1 / (1 + exp(-z)), the tutorial's activation.

The formula itself, stable at both ends, is ``fastnn.formulas.sigmoid``.
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas import sigmoid
from fastnn.formulas.primitives import like


def forward(z: Any) -> Any:
    """Return ``1 / (1 + exp(-z))``."""
    return sigmoid(z)


def derivative(z: Any, a: Any) -> Any:
    """Return ``a * (1 - a)``."""
    return a * (like(a, 1.0) - a)


SIGMOID = ACTIVATIONS.register("sigmoid", Activation("sigmoid", forward, derivative))
