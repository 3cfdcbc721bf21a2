"""tanh: 1 - 2 / (exp(2x) + 1) for large x and x + x**3 P(x**2) / Q(x**2) for small, one division for both.

float32 is evaluated in float64, where m / (m + 2) with m = exp(2x) - 1 is exact enough for both: 2x = n ln
2 + r gives m = 2**n q + (2**n - 1) with q = exp(r) - 1, which for n = 0 is q itself. P / Q is Cephes's [1].

[1] S. L. Moshier, Cephes Mathematical Library, tanh.c, 1984-2000.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas.exponential import (
    EXPONENT_SHIFT,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    ONE,
    ROUND_BIASED,
    TWO,
    exp2_minus_1_reduced,
    exp_minus_1_reduced,
)
from fastnn.formulas.primitives import bits, float64_from_bits, to_float32, to_float64, where

MINUS_TWO = np.float64(-2.0)
SIGN_BIT = np.int64(-(2**63))
# tanh rounds to 1 from 19.1 (float64) and 9.02 (float32) on.
TANH_MIDDLE = np.float64(0.625)
TANH_LARGE = np.float64(20.0)
TANH_LARGE_F32 = np.float64(10.0)
# (tanh(x) / x - 1) / x**2 = P(x**2) / Q(x**2) on |x| <= 0.625, from Cephes.
P0 = np.float64(-1.61468768441708447952e3)
P1 = np.float64(-9.92877231001918586564e1)
P2 = np.float64(-9.64399179425052238628e-1)
Q0 = np.float64(4.84406305325125486048e3)
Q1 = np.float64(2.23548839060100448583e3)
Q2 = np.float64(1.12811678491632931402e2)
TWO_LOG2_E = np.float64(2.0) * LOG2_E


def tanh_f64(x: Any) -> Any:
    """tanh(x) for float64; see :func:`tanh`."""
    a = abs(x)
    c = TWO * where(a > TANH_LARGE, TANH_LARGE, a)
    t = c * LOG2_E + ROUND_BIASED
    n = t - ROUND_BIASED
    r = (c - n * LN2_HIGH) - n * LN2_LOW
    scale = float64_from_bits(bits(t) << EXPONENT_SHIFT)
    e = scale + scale * exp_minus_1_reduced(r)
    z = a * a
    large = a >= TANH_MIDDLE
    numerator = where(large, MINUS_TWO, a * (z * (P0 + z * (P1 + z * P2))))
    denominator = where(large, e + ONE, Q0 + z * (Q1 + z * (Q2 + z)))
    y = where(large, ONE, a) + numerator / denominator
    return float64_from_bits(bits(y) | (bits(x) & SIGN_BIT))


def tanh_f32(x: Any) -> Any:
    """tanh(x) for float32; see :func:`tanh`."""
    a = abs(to_float64(x))
    u = where(a > TANH_LARGE_F32, TANH_LARGE_F32, a) * TWO_LOG2_E
    t = u + ROUND_BIASED
    r = u - (t - ROUND_BIASED)
    scale = float64_from_bits(bits(t) << EXPONENT_SHIFT)
    m = scale * exp2_minus_1_reduced(r) + (scale - ONE)
    y = m / (TWO + m)
    return to_float32(float64_from_bits(bits(y) | (bits(to_float64(x)) & SIGN_BIT)))


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of x.

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        Any value; tanh(-0) = -0, tanh(+-inf) = +-1, NaN gives NaN.

    Notes
    -----
    Odd, bit for bit. Largest error: float32 0.75 ulp over all inputs, float64 1.4 ulp.
    """
    return tanh_f32(x) if x.dtype == np.float32 else tanh_f64(x)
