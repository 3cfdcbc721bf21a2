"""softplus(x) = log(1 + exp(x)) and log_sigmoid(x) = -softplus(-x), as max(x, 0) + log(1 + exp(-|x|)).

Nothing overflows, and exp(-|x|) is handed to the logarithm together with what its rounding lost. The
logarithm's argument lies in [1, 2]: one halving above sqrt(2) brings it into the range of ``logarithm``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas.exponential import HALF, ONE, ZERO, exp_nonpositive_parts, exp_short
from fastnn.formulas.logarithm import log_assembled, log_assembled_short
from fastnn.formulas.primitives import to_float32, to_float64, where

SQRT_2 = np.sqrt(np.float64(2.0))
# 1 / u on [1, 2], good to a tenth: for the correction, which is below an ulp.
RECIPROCAL_0 = np.float64(1.4571)
RECIPROCAL_1 = np.float64(0.5)
SOFTPLUS_SMALL_F32 = np.float64(-104.0)


def log1p_exp_nonpositive_f64(x: Any) -> Any:
    """Return log(1 + exp(x)) for float64 x <= 0."""
    high, low, factor = exp_nonpositive_parts(x)
    u = ONE + high
    halve = u > SQRT_2
    f = where(halve, HALF * u - ONE, high)
    lost = where(halve, high - (u - ONE), ZERO) + low
    return log_assembled(where(halve, ONE, ZERO), f, lost * (RECIPROCAL_0 - RECIPROCAL_1 * u)) * factor


def softplus_f64(x: Any) -> Any:
    """log(1 + exp(x)) for float64; see :func:`softplus`."""
    return where(x > ZERO, x, ZERO) + log1p_exp_nonpositive_f64(-abs(x))


def softplus_f32(x: Any) -> Any:
    """log(1 + exp(x)) for float32; see :func:`softplus`."""
    c = to_float64(x)
    a = -abs(c)
    a = where(a < SOFTPLUS_SMALL_F32, SOFTPLUS_SMALL_F32, a)
    e = exp_short(a)
    u = ONE + e
    halve = u > SQRT_2
    y = log_assembled_short(where(halve, ONE, ZERO), where(halve, HALF * u - ONE, e))
    return to_float32(where(c > ZERO, c, ZERO) + y)


def log_sigmoid_f64(x: Any) -> Any:
    """log(sigmoid(x)) for float64; see :func:`log_sigmoid`."""
    return -softplus_f64(-x)


def log_sigmoid_f32(x: Any) -> Any:
    """log(sigmoid(x)) for float32; see :func:`log_sigmoid`."""
    return -softplus_f32(-x)


def softplus(x: Any) -> Any:
    """Return log(1 + exp(x)).

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        Any value; softplus(-inf) = 0, softplus(inf) = inf, NaN gives NaN.

    Notes
    -----
    Largest error: float32 0.56 ulp over all inputs, float64 1.4 ulp.
    """
    return softplus_f32(x) if x.dtype == np.float32 else softplus_f64(x)


def log_sigmoid(x: Any) -> Any:
    """Return log(sigmoid(x)) = -softplus(-x), which is finite wherever x is.

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        Any value; log_sigmoid(-inf) = -inf, log_sigmoid(inf) = -0, NaN gives NaN.

    Notes
    -----
    Largest error: float32 0.56 ulp over all inputs, float64 1.4 ulp.
    """
    return log_sigmoid_f32(x) if x.dtype == np.float32 else log_sigmoid_f64(x)
