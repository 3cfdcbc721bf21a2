"""tanh: 1 - 2 / (exp(2x) + 1) for large x and x + x**3 P(x**2) / Q(x**2) for small, one division for both.

P / Q is Cephes's [1]. float32 takes m / (m + 2) with m = exp(2x) - 1 for both: 2x = n ln 2 + r gives m =
(2**n - 1) + 2**n (exp(r) - 1), kept as a sum of two, and divides as ``logistic`` does.

[1] S. L. Moshier, Cephes Mathematical Library, tanh.c, 1984-2000.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas.exponential import (
    EXPONENT_SHIFT,
    EXPONENT_SHIFT_F32,
    LN2_HIGH,
    LN2_HIGH_F32,
    LN2_LOW,
    LN2_LOW_F32,
    LOG2_E,
    LOG2_E_F32,
    ONE,
    ONE_F32,
    ROUND_BIASED,
    ROUND_BIASED_F32,
    TWO,
    TWO_F32,
    exp_minus_1_reduced,
)
from fastnn.formulas.logistic import UPPER_12
from fastnn.formulas.primitives import bits, float32_from_bits, float64_from_bits, where

MINUS_TWO = np.float64(-2.0)
SIGN_BIT = np.int64(-(2**63))
SIGN_BIT_F32 = np.int32(-(2**31))
# tanh rounds to 1 from 19.1 (float64) and 9.02 (float32) on.
TANH_MIDDLE = np.float64(0.625)
TANH_LARGE = np.float64(20.0)
TANH_LARGE_F32 = np.float32(10.0)
# (tanh(x) / x - 1) / x**2 = P(x**2) / Q(x**2) on |x| <= 0.625, from Cephes.
P0 = np.float64(-1.61468768441708447952e3)
P1 = np.float64(-9.92877231001918586564e1)
P2 = np.float64(-9.64399179425052238628e-1)
Q0 = np.float64(4.84406305325125486048e3)
Q1 = np.float64(2.23548839060100448583e3)
Q2 = np.float64(1.12811678491632931402e2)
TWO_LOG2_E_F32 = np.float32(2.0) * LOG2_E_F32

# (exp(r) - 1 - r) / r**2 on |r| <= ln(2)/2; error of exp(r) at most 2**-31: m may be small.
M0 = np.float32(0.5)
M1 = np.float32(float.fromhex("0x1.555556p-3"))
M2 = np.float32(float.fromhex("0x1.5554e6p-5"))
M3 = np.float32(float.fromhex("0x1.111094p-7"))
M4 = np.float32(float.fromhex("0x1.6d4f2ap-10"))
M5 = np.float32(float.fromhex("0x1.a19c76p-13"))


def exp_tail_more_f32(r: Any) -> Any:
    """Return exp(r) - 1 - r for float32 |r| <= ln(2)/2, more exactly than ``exp_tail_f32``."""
    z = r * r
    return z * ((M0 + z * (M2 + z * M4)) + r * (M1 + z * (M3 + z * M5)))


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
    a = abs(x)
    a = where(a > TANH_LARGE_F32, TANH_LARGE_F32, a)
    t = a * TWO_LOG2_E_F32 + ROUND_BIASED_F32
    n = t - ROUND_BIASED_F32
    h = (a + a) - n * LN2_HIGH_F32
    l = n * LN2_LOW_F32
    scale = float32_from_bits(bits(t) << EXPONENT_SHIFT_F32)
    m = (scale - ONE_F32) + scale * h
    rest = scale * (exp_tail_more_f32(h - l) - l)
    numerator = m + rest
    d = numerator + TWO_F32
    inverse = ONE_F32 / d
    upper = float32_from_bits(bits(d) & UPPER_12)
    lower = (m - (upper - TWO_F32)) + rest
    q = float32_from_bits(bits(numerator * inverse) & UPPER_12)
    remainder = ((m - q * upper) + rest) - q * lower
    y = q + remainder * inverse
    return float32_from_bits(bits(y) | (bits(x) & SIGN_BIT_F32))


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of x.

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        Any value; tanh(-0) = -0, tanh(+-inf) = +-1, NaN gives NaN.

    Notes
    -----
    Odd, bit for bit. Largest error: float32 1.0 ulp over all inputs, float64 1.4 ulp.
    """
    return tanh_f32(x) if x.dtype == np.float32 else tanh_f64(x)
