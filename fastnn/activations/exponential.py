"""The exponential, for outputs that are rates (with the Poisson loss)."""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas import exp


def forward(z: Any) -> Any:
    """Return ``exp(z)``."""
    return exp(z)


def derivative(z: Any, a: Any) -> Any:
    """Return ``a``, which is ``exp(z)``."""
    return a


EXPONENTIAL = ACTIVATIONS.register("exponential", Activation("exponential", forward, derivative))
