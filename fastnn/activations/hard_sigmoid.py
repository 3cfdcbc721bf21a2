"""Hard sigmoid: relu6(z + 3) / 6, the piecewise linear look-alike of the sigmoid.

Source: Howard et al., Searching for MobileNetV3, ICCV 2019, section 5.2. Keras 3 and PyTorch have the same;
Keras 2 had clip(0.2 z + 0.5, 0, 1).
"""

from __future__ import annotations

from typing import Any

from fastnn.activations import ACTIVATIONS, Activation
from fastnn.formulas.primitives import like, where


def forward(z: Any) -> Any:
    """Return ``min(max(z + 3, 0), 6) / 6``."""
    shifted = z + like(z, 3.0)
    raised = where(shifted <= like(z, 0.0), like(z, 0.0), shifted)
    return where(raised >= like(z, 6.0), like(z, 6.0), raised) / like(z, 6.0)


def derivative(z: Any, a: Any) -> Any:
    """Return 1/6 strictly between -3 and 3, else 0."""
    inside = (z > like(z, -3.0)) & (z < like(z, 3.0))
    return where(inside, like(z, 1.0) / like(z, 6.0), like(z, 0.0))


HARD_SIGMOID = ACTIVATIONS.register("hard_sigmoid", Activation("hard_sigmoid", forward, derivative))
