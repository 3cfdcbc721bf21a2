"""sin and cos: write x = (4 k + q + f) pi / 2 with q in 0..3 and |f| <= 1/2, exactly enough for any x.

x times 2 / pi is needed modulo 4 only, so of the 1200 bits of 2 / pi those are looked up that matter at the
exponent of x [1], as 26-bit pieces whose products with the halves of x are exact. One text then serves
1e-300 and 1e300. float32 is evaluated in float64 with fewer pieces. On [-pi/4, pi/4] the polynomials are
minimax (Remez), in FDLIBM's form.

[1] M. H. Payne and R. N. Hanek, Radian reduction for trigonometric functions, ACM SIGNUM Newsletter 18(1),
1983.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas.exponential import EXPONENT_SHIFT, HALF, ONE, ROUND
from fastnn.formulas.logarithm import MANTISSA_MASK, NOT_A_NUMBER
from fastnn.formulas.primitives import bits, float64_from_bits, lookup, to_float32, to_float64, where

# The first 1280 bits of 2 / pi after the binary point.
TWO_OVER_PI = int(
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561"
    "b7246e3a424dd2e006492eea09d1921cfe1deb1cb129a73ee88235f52ebb4484"
    "e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980f"
    "ef2f118b5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d7527bac7ebe5f17b"
    "3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b6babf0cfbc209af4361d",
    16,
)
# Entry e + 26 i, times 2**(28 - 26 i), is piece i of 2**e 2 / pi: its bits of weights 2**(53 - 26 i) and 25
# below.
PIECES = np.array([(TWO_OVER_PI >> (1308 - o)) & 0x3FFFFFF for o in range(1024 + 26 * 6 + 1)], np.float64)

STEP_1, STEP_2, STEP_3, STEP_4, STEP_5, STEP_6 = (np.int64(26 * i) for i in range(1, 7))
WEIGHT_0, WEIGHT_1, WEIGHT_2, WEIGHT_3, WEIGHT_4, WEIGHT_5, WEIGHT_6 = (
    np.float64(2.0 ** (28 - 26 * i)) for i in range(7)
)

EXPONENT_BIAS = np.int64(1023)
ONE_BITS = np.int64(0x3FF0000000000000)
SIGN_AND_MANTISSA = np.int64(-(2**63)) | MANTISSA_MASK
UPPER_26 = np.int64(-(2**27))
INT_0 = np.int64(0)
INT_1 = np.int64(1)
INT_2 = np.int64(2)
TO_SIGN = np.int64(62)
LARGEST = np.float64(np.finfo(np.float64).max)
TINY = np.float64(2.0**-27)

PI_HALF = np.float64.fromhex("0x1.921fb54442d18p+0")
PI_HALF_UPPER = np.float64.fromhex("0x1.921fb50000000p+0")
PI_HALF_LOWER = np.float64.fromhex("0x1.110b4611a6263p-26")

# (sin(x) / x - 1) / x**2 in x**2; error of sin(x) / x at most 2**-58.
S0 = np.float64.fromhex("-0x1.5555555555549p-3")
S1 = np.float64.fromhex("0x1.111111110f87ap-7")
S2 = np.float64.fromhex("-0x1.a01a019c119c9p-13")
S3 = np.float64.fromhex("0x1.71de3577b8ccep-19")
S4 = np.float64.fromhex("-0x1.ae5e663bf6c80p-26")
S5 = np.float64.fromhex("0x1.5d93015450891p-33")
# (cos(x) - 1 + x**2 / 2) / x**4 in x**2; error of cos(x) at most 2**-64.
C0 = np.float64.fromhex("0x1.555555555554cp-5")
C1 = np.float64.fromhex("-0x1.6c16c16c1517ep-10")
C2 = np.float64.fromhex("0x1.a01a019cb1bf6p-16")
C3 = np.float64.fromhex("-0x1.27e4f809f1a31p-22")
C4 = np.float64.fromhex("0x1.1ee9ebe9c734cp-29")
C5 = np.float64.fromhex("-0x1.8fae9cc055292p-37")
# The same for float32; errors at most 2**-28 and 2**-33.
U0 = np.float64.fromhex("-0x1.55554596f9e17p-3")
U1 = np.float64.fromhex("0x1.11075f586f8fep-7")
U2 = np.float64.fromhex("-0x1.994e5c1061411p-13")
V0 = np.float64.fromhex("0x1.55554ab260f5cp-5")
V1 = np.float64.fromhex("-0x1.6c0c8aadfe52ap-10")
V2 = np.float64.fromhex("0x1.9a020a411534ep-16")


def round_to_integer(x: Any) -> Any:
    """Return the float64 integer nearest to |x| < 2**51."""
    return (x + ROUND) - ROUND


def two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Return a + b rounded, and what the rounding lost (Knuth)."""
    s = a + b
    v = s - a
    return s, (a - (s - v)) + (b - v)


def split_exponent(x: Any) -> tuple[Any, Any]:
    """Return m and the integer e >= 0 of x = 2**e m, where 1 <= |m| < 2 unless e = 0."""
    big = abs(x) >= ONE
    m = float64_from_bits((bits(x) & SIGN_AND_MANTISSA) | ONE_BITS)
    e = (bits(abs(x)) >> EXPONENT_SHIFT) - EXPONENT_BIAS
    return where(big, m, x), where(big, e, INT_0)


def quadrants_f64(x: Any) -> tuple[Any, Any, Any]:
    """Return q modulo 4, an integer, and the angle f pi / 2 as a rounded float64 and the rest."""
    m, e = split_exponent(x)
    h = float64_from_bits(bits(m) & UPPER_26)
    l = m - h
    t1 = lookup(PIECES, e + STEP_1) * WEIGHT_1
    t2 = lookup(PIECES, e + STEP_2) * WEIGHT_2
    t3 = lookup(PIECES, e + STEP_3) * WEIGHT_3
    t4 = lookup(PIECES, e + STEP_4) * WEIGHT_4
    t5 = lookup(PIECES, e + STEP_5) * WEIGHT_5
    t6 = lookup(PIECES, e + STEP_6) * WEIGHT_6
    # Products of weight above 2**-51, less their integers; h times piece 0 is a multiple of 8. All exact.
    a = l * (lookup(PIECES, e) * WEIGHT_0)
    b = h * t1
    c = l * t1
    d = h * t2
    na = round_to_integer(a)
    nb = round_to_integer(b)
    nc = round_to_integer(c)
    nd = round_to_integer(d)
    f = ((a - na) + (b - nb)) + ((c - nc) + (d - nd))
    nf = round_to_integer(f)
    q = bits(((na + nb) + (nc + nd) + nf) + ROUND)
    # The rest, largest first, with what each sum lost: f may cancel down to 2**-61.
    f, f1 = two_sum(f - nf, l * t2)
    f, f2 = two_sum(f, h * t3)
    f, f3 = two_sum(f, l * t3)
    f, f4 = two_sum(f, h * t4)
    f, f5 = two_sum(f, ((f1 + f2) + (f3 + f4)) + ((l * t4 + h * t5) + (l * t5 + h * t6)))
    g = float64_from_bits(bits(f) & UPPER_26)
    r = f * PI_HALF
    rest = ((g * PI_HALF_UPPER - r) + (f - g) * PI_HALF_UPPER) + f * PI_HALF_LOWER
    return q, r, rest + f5 * PI_HALF


def quadrants_short(x: Any) -> tuple[Any, Any]:
    """Return q modulo 4 and the angle f pi / 2 for a float64 that is a float32, good to 2**-40."""
    m, e = split_exponent(x)
    a = m * (lookup(PIECES, e + STEP_1) * WEIGHT_1)
    b = m * (lookup(PIECES, e + STEP_2) * WEIGHT_2)
    rest = m * (lookup(PIECES, e + STEP_3) * WEIGHT_3) + m * (lookup(PIECES, e + STEP_4) * WEIGHT_4)
    na = round_to_integer(a)
    nb = round_to_integer(b)
    f = (a - na) + (b - nb)
    nf = round_to_integer(f)
    return bits(((na + nb) + nf) + ROUND), ((f - nf) + rest) * PI_HALF


def sin_or_cos_f64(q: Any, r: Any, rest: Any) -> Any:
    """Return sin(q pi / 2 + r + rest) for |r| <= pi / 4."""
    z = r * r
    s = S1 + z * (S2 + z * (S3 + z * (S4 + z * S5)))
    v = z * r
    sine = r - ((z * (HALF * rest - v * s) - rest) - v * S0)
    c = z * (C0 + z * (C1 + z * (C2 + z * (C3 + z * (C4 + z * C5)))))
    h = HALF * z
    w = ONE - h
    cosine = w + (((ONE - w) - h) + (z * c - r * rest))
    y = where((q & INT_1) == INT_0, sine, cosine)
    return float64_from_bits(bits(y) ^ ((q & INT_2) << TO_SIGN))


def sin_or_cos_short(q: Any, r: Any) -> Any:
    """Return sin(q pi / 2 + r) for |r| <= pi / 4, good to 2**-28: the float32 formulas round it."""
    z = r * r
    sine = r * (ONE + z * (U0 + z * (U1 + z * U2)))
    cosine = ONE - z * (HALF - z * (V0 + z * (V1 + z * V2)))
    y = where((q & INT_1) == INT_0, sine, cosine)
    return float64_from_bits(bits(y) ^ ((q & INT_2) << TO_SIGN))


def sin_f64(x: Any) -> Any:
    """sin(x) for float64; see :func:`sin`."""
    q, r, rest = quadrants_f64(x)
    y = where(abs(x) < TINY, x, sin_or_cos_f64(q, r, rest))
    return where(abs(x) <= LARGEST, y, NOT_A_NUMBER)


def cos_f64(x: Any) -> Any:
    """cos(x) for float64; see :func:`cos`."""
    q, r, rest = quadrants_f64(x)
    return where(abs(x) <= LARGEST, sin_or_cos_f64(q + INT_1, r, rest), NOT_A_NUMBER)


def sin_f32(x: Any) -> Any:
    """sin(x) for float32; see :func:`sin`."""
    c = to_float64(x)
    q, r = quadrants_short(c)
    y = where(abs(c) < TINY, c, sin_or_cos_short(q, r))
    return to_float32(where(abs(c) <= LARGEST, y, NOT_A_NUMBER))


def cos_f32(x: Any) -> Any:
    """cos(x) for float32; see :func:`cos`."""
    c = to_float64(x)
    q, r = quadrants_short(c)
    return to_float32(where(abs(c) <= LARGEST, sin_or_cos_short(q + INT_1, r), NOT_A_NUMBER))


def sin(x: Any) -> Any:
    """Return the sine of x.

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        Angle in radians, of any size; sin(-0) = -0, infinities and NaN give NaN.

    Notes
    -----
    Odd, bit for bit. Largest error: float32 0.57 ulp over all inputs, float64 0.85 ulp.
    """
    return sin_f32(x) if x.dtype == np.float32 else sin_f64(x)


def cos(x: Any) -> Any:
    """Return the cosine of x.

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        Angle in radians, of any size; cos(+-0) = 1, infinities and NaN give NaN.

    Notes
    -----
    Even, bit for bit. Largest error: float32 0.57 ulp over all inputs, float64 0.85 ulp.
    """
    return cos_f32(x) if x.dtype == np.float32 else cos_f64(x)
