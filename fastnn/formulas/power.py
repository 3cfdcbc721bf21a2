"""pow(x, y) = exp(y log(x)), with the logarithm and the product carried as sums of two float64.

A relative error in y log(x) grows up to 745 times on its way through exp, so both have about 65 bits:
log(m) = 2 s + 2/3 s**3 + s**5 K(s**2) with s = (m - 1) / (m + 1) (see ``logarithm``), the first two terms
doubled by exact products of split halves [1]. float32 is evaluated in float64, whose plain logarithm is
exact enough.

[1] T. J. Dekker, A floating-point technique for extending the available precision, Numerische Mathematik
18, 1971.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas.exponential import (
    EXP_SMALL,
    EXPM1_OVERFLOW_F32,
    EXPM1_UNDERFLOW_F32,
    EXPONENT_SHIFT,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    LOWER_TWICE,
    ONE,
    RAISE,
    ROUND_BIASED_HALF,
    TWO,
    ZERO,
    exp_minus_1_less_x_reduced,
    exp_short,
)
from fastnn.formulas.logarithm import (
    INFINITY,
    MINUS_54,
    NOT_A_NUMBER,
    SMALLEST_NORMAL,
    TWO_54,
    exponent_of,
    log_assembled,
    mantissa_of,
)
from fastnn.formulas.primitives import bits, float64_from_bits, to_float32, to_float64, where
from fastnn.formulas.trigonometric import INT_0, INT_1, UPPER_26, two_sum

# 2 / 3 in two parts.
TWO_THIRDS = np.float64.fromhex("0x1.5555555555555p-1")
TWO_THIRDS_LOW = np.float64.fromhex("0x1.5555555555555p-55")

# (2 atanh(s) - 2 s - 2/3 s**3) / s**5 in s**2 on |s| <= 0.1717; error of log at most 2**-66 relative.
K0 = np.float64.fromhex("0x1.9999999999b36p-2")
K1 = np.float64.fromhex("0x1.2492492457232p-2")
K2 = np.float64.fromhex("0x1.c71c722e6b2d1p-3")
K3 = np.float64.fromhex("0x1.745ce98681ec3p-3")
K4 = np.float64.fromhex("0x1.3b1efd5f0e15bp-3")
K5 = np.float64.fromhex("0x1.0f7e48a1148dfp-3")
K6 = np.float64.fromhex("0x1.0e523f2e35a8dp-3")

# Beyond, x**y overflows or vanishes for every x != 1.
Y_LARGE = np.float64(2.0**65)
Y_LARGE_NEGATIVE = np.float64(-(2.0**65))
POWER_OVERFLOW = np.float64(709.9)
POWER_UNDERFLOW = np.float64(-746.0)
TWO_52 = np.float64(2.0**52)
TWO_53 = np.float64(2.0**53)


def two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a b rounded, and what the rounding lost (Dekker)."""
    p = a * b
    a1 = float64_from_bits(bits(a) & UPPER_26)
    b1 = float64_from_bits(bits(b) & UPPER_26)
    a2 = a - a1
    b2 = b - b1
    return p, (((a1 * b1 - p) + a1 * b2) + a2 * b1) + a2 * b2


def log_doubled(x: Any) -> tuple[Any, Any]:
    """Return log(x) as a rounded float64 and the rest, for 0 < x < inf."""
    small = x < SMALLEST_NORMAL
    c = where(small, x * TWO_54, x)
    k = exponent_of(c) + where(small, MINUS_54, ZERO)
    f = mantissa_of(c) - ONE
    d = TWO + f
    s = f / d
    p, p_low = two_product(s, d)
    s_low = (((f - p) - p_low) - s * (f - (d - TWO))) / d
    z, z_low = two_product(s, s)
    z_low = z_low + TWO * s * s_low
    c, c_low = two_product(s, z)
    c_low = c_low + (s * z_low + s_low * z)
    t, t_low = two_product(TWO_THIRDS, c)
    t_low = t_low + (TWO_THIRDS * c_low + TWO_THIRDS_LOW * c)
    tail = (c * z) * (K0 + z * (K1 + z * (K2 + z * (K3 + z * (K4 + z * (K5 + z * K6))))))
    m, m_low = two_sum(TWO * s, t)
    h, h_low = two_sum(k * LN2_HIGH, m)
    low = (h_low + (m_low + k * LN2_LOW)) + (tail + (t_low + TWO * s_low))
    high = h + low
    return high, low - (high - h)


def exp_doubled(high: Any, low: Any) -> Any:
    """Return exp(high + low) for a low below an ulp of high."""
    c = where(high > POWER_OVERFLOW, POWER_OVERFLOW, high)
    c = where(c < POWER_UNDERFLOW, POWER_UNDERFLOW, c)
    small = c < EXP_SMALL
    t = c * LOG2_E + ROUND_BIASED_HALF
    n = t - ROUND_BIASED_HALF
    h = c - n * LN2_HIGH
    l = n * LN2_LOW - where(c == high, low, ZERO)
    r = h - l
    scale = float64_from_bits(bits(t + where(small, RAISE, ZERO)) << EXPONENT_SHIFT)
    y, y_low = two_sum(ONE, r)
    y = y + (y_low + exp_minus_1_less_x_reduced(r, (h - r) - l))
    return (y * scale) * where(small, LOWER_TWICE, TWO)


def power_edges(x: Any, y: Any, positive: Any) -> Any:
    """Return x**y given ``positive`` = |x|**y for 0 < |x| < inf: zeros, infinities, NaN and signs."""
    a = abs(x)
    b = abs(y)
    # The bits of b + 2**52 end in the units of b; at 2**52 <= b < 2**53 those of b do.
    unit = where(b < TWO_52, bits(b + TWO_52), bits(b)) & INT_1
    rounded = where(b < TWO_52, (b + TWO_52) - TWO_52, b)
    odd = (b < TWO_53) & (unit != INT_0) & (rounded == b)
    r = where(a == ZERO, where(y < ZERO, INFINITY, ZERO), positive)
    r = where(a == INFINITY, where(y < ZERO, ZERO, INFINITY), r)
    negative = bits(x) < INT_0
    r = where(negative & odd, -r, r)
    r = where((x < ZERO) & (a < INFINITY) & (rounded != b), NOT_A_NUMBER, r)
    r = where((x != x) | (y != y), NOT_A_NUMBER, r)
    return where((y == ZERO) | (x == ONE), ONE, r)


def pow_f64(x: Any, y: Any) -> Any:
    """x**y for float64; see :func:`pow`."""
    e = where(y > Y_LARGE, Y_LARGE, y)
    e = where(e < Y_LARGE_NEGATIVE, Y_LARGE_NEGATIVE, e)
    h, l = log_doubled(abs(x))
    p, p_low = two_product(e, h)
    return power_edges(x, y, exp_doubled(p, p_low + e * l))


def pow_f32(x: Any, y: Any) -> Any:
    """x**y for float32; see :func:`pow`."""
    b = to_float64(x)
    e = to_float64(y)
    e = where(e > Y_LARGE, Y_LARGE, e)
    e = where(e < Y_LARGE_NEGATIVE, Y_LARGE_NEGATIVE, e)
    p = e * log_assembled(exponent_of(abs(b)), mantissa_of(abs(b)) - ONE, ZERO)
    p = where(p > EXPM1_OVERFLOW_F32, EXPM1_OVERFLOW_F32, p)
    p = where(p < EXPM1_UNDERFLOW_F32, EXPM1_UNDERFLOW_F32, p)
    return to_float32(power_edges(b, to_float64(y), exp_short(p)))


def pow(x: Any, y: Any) -> Any:
    """Return x to the power y, with the special cases of IEEE-754 (and C's ``pow``).

    Parameters
    ----------
    x, y : arrays or NumPy scalars, both float32 or both float64
        x**0 = 1 and 1**y = 1 even for NaN; a negative x takes whole y only, else the result is NaN.

    Notes
    -----
    Largest error: float32 0.56 ulp over samples, float64 0.95 ulp.
    """
    return pow_f32(x, y) if x.dtype == np.float32 else pow_f64(x, y)
