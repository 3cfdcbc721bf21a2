"""Swish, also called SiLU: z * sigmoid(z).

Source: Ramachandran, Zoph and Le, Searching for activation functions, arXiv:1710.05941, section 4, with
beta = 1.
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas import sigmoid
from fastnn.formulas.primitives import like


def forward(z: Any) -> Any:
    """Return ``z * sigmoid(z)``."""
    return z * sigmoid(z)


def derivative(z: Any, a: Any) -> Any:
    """Return ``s + a * (1 - s)`` with ``s = sigmoid(z)``."""
    s = sigmoid(z)
    return s + a * (like(z, 1.0) - s)


SWISH = ACTIVATIONS.register("swish", Activation("swish", forward, derivative))
ACTIVATIONS.register("silu", SWISH)
