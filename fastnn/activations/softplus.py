"""Softplus: log(1 + exp(z)), a smooth relu whose derivative is the sigmoid.

Source: Dugas et al., Incorporating second-order functional knowledge for better option pricing, NeurIPS 2000.
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas import sigmoid, softplus


def forward(z: Any) -> Any:
    """Return ``log(1 + exp(z))``, without overflow."""
    return softplus(z)


def derivative(z: Any, a: Any) -> Any:
    """Return ``sigmoid(z)``."""
    return sigmoid(z)


SOFTPLUS = ACTIVATIONS.register("softplus", Activation("softplus", forward, derivative))
