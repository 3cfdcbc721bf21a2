"""Logarithm of the hyperbolic cosine of the error, the mean over outputs: a smooth absolute error.

With e = abs(p - y), log(cosh(e)) = e + log1p((exp(-2 e) - 1) / 2): no overflow at large errors, and at
small ones less is lost than by e + log1p(exp(-2 e)) - log(2), which Keras and TensorFlow use.
"""

from __future__ import annotations

from typing import Any

from fastnn.formulas import expm1, log1p, tanh
from fastnn.formulas.primitives import like
from fastnn.losses.base import LOSSES, Loss


def value(y: Any, p: Any) -> Any:
    """Return ``log(cosh(p - y))``."""
    error = abs(p - y)
    return error + log1p(like(p, 0.5) * expm1(like(p, -2.0) * error))


def derivative(y: Any, p: Any) -> Any:
    """Return ``tanh(p - y)``."""
    return tanh(p - y)


LOG_COSH = LOSSES.register("log_cosh", Loss("log_cosh", value, derivative))
