"""exp and expm1: write x = n ln 2 + r with |r| <= ln(2)/2, so that exp(x) = 2**n exp(r).

Adding and taking away 1.5 * 2**52 rounds to the nearest integer and leaves it in the low bits of the sum,
from where a shift moves it into an exponent field: no conversion to an integer, which would be undefined
for NaN and infinities. n ln 2 is subtracted in two parts, of which the first leaves an exact h [1, chapter
6]: exp(r) - 1 = h + (r**2 P(r) - l) rounds once less than r + r**2 P(r). Polynomials are minimax (Remez),
even and odd powers apart, which halves the chain of operations. expm1 in float32 is evaluated in float64.

[1] W. J. Cody and W. Waite, Software Manual for the Elementary Functions, Prentice-Hall, 1980.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas.primitives import bits, float32_from_bits, float64_from_bits, to_float32, to_float64, where

ZERO = np.float64(0.0)
HALF = np.float64(0.5)
ONE = np.float64(1.0)
TWO = np.float64(2.0)
EXPONENT_SHIFT = np.int64(52)

# 1.5 * 2**52 plus the exponent bias: the low bits of x + ROUND_BIASED are the biased exponent of
# 2**round(x).
ROUND_BIASED = np.float64(1.5 * 2.0**52 + 1023)
# The same for 2**(round(x) - 1): exp reaches 2**1024 only as twice 2**1023.
ROUND_BIASED_HALF = np.float64(1.5 * 2.0**52 + 1022)
ROUND = np.float64(1.5 * 2.0**52)

LOG2_E = np.float64.fromhex("0x1.71547652b82fep+0")
# ln 2 in two parts; the first has 21 trailing zero bits, so n * LN2_HIGH is exact.
LN2_HIGH = np.float64.fromhex("0x1.62e42fee00000p-1")
LN2_LOW = np.float64.fromhex("0x1.a39ef35793c76p-33")

EXP_OVERFLOW = np.float64(709.79)
EXP_UNDERFLOW = np.float64(-745.2)
# Below, 2**n would be subnormal: the exponent is raised by 100 and the result scaled back, rounding once.
EXP_SMALL = np.float64(-706.0)
RAISE = np.float64(100.0)
LOWER = np.float64(2.0**-100)
LOWER_TWICE = np.float64(2.0**-99)

# (exp(r) - 1 - r) / r**2 on |r| <= ln(2)/2; error of exp(r) at most 2**-58.
E0 = np.float64.fromhex("0x1.000000000000cp-1")
E1 = np.float64.fromhex("0x1.5555555555561p-3")
E2 = np.float64.fromhex("0x1.555555554ffebp-5")
E3 = np.float64.fromhex("0x1.111111110d600p-7")
E4 = np.float64.fromhex("0x1.6c16c185b6da1p-10")
E5 = np.float64.fromhex("0x1.a01a01baf5629p-13")
E6 = np.float64.fromhex("0x1.a01996685fc7ap-16")
E7 = np.float64.fromhex("0x1.71dddfa1f20c9p-19")
E8 = np.float64.fromhex("0x1.28b0724dc32cep-22")
E9 = np.float64.fromhex("0x1.af85c8fe0dde1p-26")

# The same for float32.
ZERO_F32 = np.float32(0.0)
ONE_F32 = np.float32(1.0)
TWO_F32 = np.float32(2.0)
EXPONENT_SHIFT_F32 = np.int32(23)
ROUND_BIASED_F32 = np.float32(1.5 * 2.0**23 + 127)
ROUND_BIASED_HALF_F32 = np.float32(1.5 * 2.0**23 + 126)
LOG2_E_F32 = np.float32(LOG2_E)
LN2_HIGH_F32 = np.float32(float.fromhex("0x1.62e4p-1"))
LN2_LOW_F32 = np.float32(float.fromhex("0x1.7f7d1cp-20"))
EXP_OVERFLOW_F32 = np.float32(89.0)
EXP_UNDERFLOW_F32 = np.float32(-104.0)
EXP_SMALL_F32 = np.float32(-86.0)
RAISE_F32 = np.float32(64.0)
LOWER_F32 = np.float32(2.0**-64)
LOWER_TWICE_F32 = np.float32(2.0**-63)
# Error of exp(r) at most 2**-28.
F0 = np.float32(float.fromhex("0x1.000000p-1"))
F1 = np.float32(float.fromhex("0x1.555490p-3"))
F2 = np.float32(float.fromhex("0x1.5554c0p-5"))
F3 = np.float32(float.fromhex("0x1.123a3cp-7"))
F4 = np.float32(float.fromhex("0x1.6d7b50p-10"))

# (2**r - 1) / r on |r| <= 1/2; relative error at most 2**-26.5, error of 2**r at most 2**-28.
Q0 = np.float64.fromhex("0x1.62e4302f4c6fap-1")
Q1 = np.float64.fromhex("0x1.ebfbdec0c80a0p-3")
Q2 = np.float64.fromhex("0x1.c6af6d6e2cf5cp-5")
Q3 = np.float64.fromhex("0x1.3b2ba0a1eda61p-7")
Q4 = np.float64.fromhex("0x1.5f08782e45ff3p-10")
Q5 = np.float64.fromhex("0x1.430902ca73784p-13")


def exp_tail(r: Any) -> Any:
    """Return exp(r) - 1 - r for float64 |r| <= ln(2)/2."""
    z = r * r
    even = E0 + z * (E2 + z * (E4 + z * (E6 + z * E8)))
    odd = E1 + z * (E3 + z * (E5 + z * (E7 + z * E9)))
    return z * (even + r * odd)


def exp_tail_f32(r: Any) -> Any:
    """Return exp(r) - 1 - r for float32 |r| <= ln(2)/2."""
    z = r * r
    return z * ((F0 + z * (F2 + z * F4)) + r * (F1 + z * F3))


def exp_minus_1_less_x_reduced(r: Any, rest: Any) -> Any:
    """Return exp(r + rest) - 1 - r for float64 |r| <= ln(2)/2 and a rest below an ulp of r."""
    return exp_tail(r) + rest


def exp_minus_1_reduced(r: Any) -> Any:
    """Return exp(r) - 1 for float64 |r| <= ln(2)/2, as the sum r + r**2 P(r)."""
    return r + exp_tail(r)


def exp_minus_1_reduced_more(r: Any, rest: Any) -> Any:
    """Return exp(r + rest) - 1 for float64 |r| <= ln(2)/2 and a rest below an ulp of r."""
    return r + exp_minus_1_less_x_reduced(r, rest)


def exp2_minus_1_reduced(r: Any) -> Any:
    """Return 2**r - 1 for float64 |r| <= 1/2, good to 2**-26 only: the float32 formulas round it."""
    return r * (Q0 + r * (Q1 + r * (Q2 + r * (Q3 + r * (Q4 + r * Q5)))))


def exp_f64(x: Any) -> Any:
    """exp(x) for float64; see :func:`exp`."""
    c = where(x > EXP_OVERFLOW, EXP_OVERFLOW, x)
    c = where(c < EXP_UNDERFLOW, EXP_UNDERFLOW, c)
    small = c < EXP_SMALL
    t = c * LOG2_E + ROUND_BIASED_HALF
    n = t - ROUND_BIASED_HALF
    h = c - n * LN2_HIGH
    l = n * LN2_LOW
    scale = float64_from_bits(bits(t + where(small, RAISE, ZERO)) << EXPONENT_SHIFT)
    y = ONE + (h + (exp_tail(h - l) - l))
    return (y * scale) * where(small, LOWER_TWICE, TWO)


def exp_nonpositive_parts(x: Any) -> tuple[Any, Any, Any]:
    """Return high, low and factor with exp(x) = (high + low) factor for float64 x <= 0.

    low is below an ulp of high and makes up for its rounding. factor is 1 but where the result may be
    subnormal; there high is at most 2**-918, still nothing beside 1, and the caller multiplies by factor
    last.
    """
    c = where(x < EXP_UNDERFLOW, EXP_UNDERFLOW, x)
    small = c < EXP_SMALL
    t = c * LOG2_E + ROUND_BIASED
    n = t - ROUND_BIASED
    h = c - n * LN2_HIGH
    l = n * LN2_LOW
    r = h - l
    scale = float64_from_bits(bits(t + where(small, RAISE, ZERO)) << EXPONENT_SHIFT)
    p = exp_minus_1_reduced_more(r, (h - r) - l)
    y = ONE + p
    return y * scale, (p - (y - ONE)) * scale, where(small, LOWER, ONE)


def exp_short(x: Any) -> Any:
    """exp(x) for float64 |x| <= 700, good to 2**-28 only: the float32 formulas round it."""
    u = x * LOG2_E
    t = u + ROUND_BIASED
    r = u - (t - ROUND_BIASED)
    scale = float64_from_bits(bits(t) << EXPONENT_SHIFT)
    return scale + scale * exp2_minus_1_reduced(r)


def exp_f32(x: Any) -> Any:
    """exp(x) for float32; see :func:`exp`."""
    c = where(x > EXP_OVERFLOW_F32, EXP_OVERFLOW_F32, x)
    c = where(c < EXP_UNDERFLOW_F32, EXP_UNDERFLOW_F32, c)
    small = c < EXP_SMALL_F32
    t = c * LOG2_E_F32 + ROUND_BIASED_HALF_F32
    n = t - ROUND_BIASED_HALF_F32
    h = c - n * LN2_HIGH_F32
    l = n * LN2_LOW_F32
    scale = float32_from_bits(bits(t + where(small, RAISE_F32, ZERO_F32)) << EXPONENT_SHIFT_F32)
    y = ONE_F32 + (h + (exp_tail_f32(h - l) - l))
    return (y * scale) * where(small, LOWER_TWICE_F32, TWO_F32)


EXPM1_LARGE_NEGATIVE = np.float64(-40.0)
EXPM1_TINY = np.float64(2.0**-54)
EXPM1_OVERFLOW_F32 = np.float64(89.0)
EXPM1_UNDERFLOW_F32 = np.float64(-104.0)


def expm1_f64(x: Any) -> Any:
    """exp(x) - 1 for float64; see :func:`expm1`."""
    c = where(x > EXP_OVERFLOW, EXP_OVERFLOW, x)
    c = where(c < EXPM1_LARGE_NEGATIVE, EXPM1_LARGE_NEGATIVE, c)
    t = c * LOG2_E + ROUND_BIASED_HALF
    n = t - ROUND_BIASED_HALF
    h = c - n * LN2_HIGH
    l = n * LN2_LOW
    r = h - l
    scale = float64_from_bits(bits(t) << EXPONENT_SHIFT)
    y = TWO * (scale * exp_minus_1_reduced_more(r, (h - r) - l) + (scale - HALF))
    return where(abs(x) < EXPM1_TINY, x, y)


def expm1_f32(x: Any) -> Any:
    """exp(x) - 1 for float32; see :func:`expm1`."""
    c = to_float64(x)
    c = where(c > EXPM1_OVERFLOW_F32, EXPM1_OVERFLOW_F32, c)
    c = where(c < EXPM1_LARGE_NEGATIVE, EXPM1_LARGE_NEGATIVE, c)
    u = c * LOG2_E
    t = u + ROUND_BIASED
    r = u - (t - ROUND_BIASED)
    scale = float64_from_bits(bits(t) << EXPONENT_SHIFT)
    return where(x == ZERO_F32, x, to_float32(scale * exp2_minus_1_reduced(r) + (scale - ONE)))


def exp(x: Any) -> Any:
    """Return e**x.

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        Any value; exp(-inf) = 0, exp(inf) = inf, exp(0) = 1, NaN gives NaN.

    Notes
    -----
    Largest error: float32 0.96 ulp over all inputs, float64 1.0 ulp. Subnormal results are rounded once.
    """
    return exp_f32(x) if x.dtype == np.float32 else exp_f64(x)


def expm1(x: Any) -> Any:
    """Return e**x - 1, accurate where x is small.

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        Any value; expm1(-inf) = -1, expm1(-0) = -0, expm1(inf) = inf, NaN gives NaN.

    Notes
    -----
    Largest error: float32 0.75 ulp over all inputs, float64 1.8 ulp.
    """
    return expm1_f32(x) if x.dtype == np.float32 else expm1_f64(x)
