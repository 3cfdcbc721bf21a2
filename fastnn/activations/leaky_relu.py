"""Leaky rectified linear unit: z where positive, else alpha * z; derivative alpha at 0.

Source: Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models, ICML 2013,
section 2. The slope defaults to 0.2 as in Keras 3 (``negative_slope``); PyTorch has 0.01.
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas.primitives import like, where


def forward(z: Any, alpha: Any) -> Any:
    """Return ``z`` where it is positive, else ``alpha * z``."""
    return where(z > like(z, 0.0), z, alpha * z)


def derivative(z: Any, a: Any, alpha: Any) -> Any:
    """Return 1 where ``z`` is positive, else ``alpha``."""
    return where(z > like(z, 0.0), like(z, 1.0), alpha)


LEAKY_RELU = ACTIVATIONS.register("leaky_relu", Activation("leaky_relu", forward, derivative, alpha=0.2))
