"""log and log1p: write x = 2**k m with sqrt(1/2) <= m < sqrt(2), so that log(x) = k ln 2 + log(m).

With f = m - 1, s = f / (2 + f) and z = s**2, log(m) = 2 atanh(s) = f - (f**2/2 - s (f**2/2 + R(z))), which
loses nothing to rounding where f is small [1]. log1p carries what 1 + x rounds away along as a correction.
float32 is evaluated in float64, where the plain 2 s + s R(z) is exact enough.

[1] FDLIBM, e_log.c and s_log1p.c, Sun Microsystems, 1993. The coefficients here are minimax (Remez) anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas.exponential import EXPONENT_SHIFT, LN2_HIGH, LN2_LOW, ONE, TWO, ZERO
from fastnn.formulas.primitives import bits, float64_from_bits, to_float32, to_float64, where

HALF = np.float64(0.5)
INFINITY = np.float64(np.inf)
MINUS_INFINITY = np.float64(-np.inf)
NOT_A_NUMBER = np.float64(np.nan)
LN2 = np.float64.fromhex("0x1.62e42fefa39efp-1")

SMALLEST_NORMAL = np.float64(2.0**-1022)
TWO_54 = np.float64(2.0**54)
MINUS_54 = np.float64(-54.0)

# Bits of sqrt(1/2), and those plus 1023 exponents: what k is counted from, kept positive for the shift.
SQRT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)
UNBIAS_BITS = np.int64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
MANTISSA_MASK = np.int64(0x000FFFFFFFFFFFFF)
# The bits of 2**52: or-ed to an integer below 2**52 they make the float64 2**52 + integer.
TWO_52_BITS = np.int64(0x4330000000000000)
TWO_52_BIASED = np.float64(2.0**52 + 1023)

# R(z) = z (G0 + z (G1 + ...)) on |s| <= 0.1717; error at most 2**-58.
G0 = np.float64.fromhex("0x1.5555555555593p-1")
G1 = np.float64.fromhex("0x1.999999997f8a7p-2")
G2 = np.float64.fromhex("0x1.249249423e49bp-2")
G3 = np.float64.fromhex("0x1.c71c51c677e19p-3")
G4 = np.float64.fromhex("0x1.74664d7408618p-3")
G5 = np.float64.fromhex("0x1.39a02f29209a0p-3")
G6 = np.float64.fromhex("0x1.2f15b90074a81p-3")

# The same, error at most 2**-29.
H0 = np.float64.fromhex("0x1.55557a5f7615fp-1")
H1 = np.float64.fromhex("0x1.995e7c37c3b16p-2")
H2 = np.float64.fromhex("0x1.31e9ffdacb8dcp-2")


def exponent_of(x: Any) -> Any:
    """Return k, a float64, of x = 2**k m for a positive normal float64."""
    biased = (bits(x) + UNBIAS_BITS) >> EXPONENT_SHIFT
    return float64_from_bits(biased | TWO_52_BITS) - TWO_52_BIASED


def mantissa_of(x: Any) -> Any:
    """Return m in [sqrt(1/2), sqrt(2)) of x = 2**k m for a positive normal float64."""
    return float64_from_bits(((bits(x) + UNBIAS_BITS) & MANTISSA_MASK) + SQRT_HALF_BITS)


def log_assembled(k: Any, f: Any, correction: Any) -> Any:
    """Return k ln 2 + log(1 + f) + correction for float64 sqrt(1/2) - 1 <= f < sqrt(2) - 1."""
    s = f / (TWO + f)
    z = s * s
    g = z * (G0 + z * (G1 + z * (G2 + z * (G3 + z * (G4 + z * (G5 + z * G6))))))
    h = HALF * f * f
    return k * LN2_HIGH - ((h - (s * (h + g) + (k * LN2_LOW + correction))) - f)


def log_assembled_short(k: Any, f: Any) -> Any:
    """Return k ln 2 + log(1 + f), good to 2**-30 only: the float32 formulas round it."""
    s = f / (TWO + f)
    z = s * s
    return k * LN2 + (TWO * s + s * (z * (H0 + z * (H1 + z * H2))))


def log_edges(x: Any, y: Any) -> Any:
    """Return y for 0 < x < inf, else what log(x) is: inf, -inf at 0, NaN for negative numbers and NaN."""
    y = where(x == INFINITY, x, y)
    return where(x > ZERO, y, where(x == ZERO, MINUS_INFINITY, NOT_A_NUMBER))


def log_f64(x: Any) -> Any:
    """log(x) for float64; see :func:`log`."""
    small = x < SMALLEST_NORMAL
    c = where(small, x * TWO_54, x)
    k = exponent_of(c) + where(small, MINUS_54, ZERO)
    return log_edges(x, log_assembled(k, mantissa_of(c) - ONE, ZERO))


def log_f32(x: Any) -> Any:
    """log(x) for float32; see :func:`log`."""
    c = to_float64(x)
    return to_float32(log_edges(c, log_assembled_short(exponent_of(c), mantissa_of(c) - ONE)))


def log1p_f64(x: Any) -> Any:
    """log(1 + x) for float64; see :func:`log1p`."""
    u = ONE + x
    lost = where(x >= ONE, ONE - (u - x), x - (u - ONE))
    k = exponent_of(u)
    near = k == ZERO
    f = where(near, x, mantissa_of(u) - ONE)
    y = log_assembled(k, f, where(near, ZERO, lost / u))
    return where(x == ZERO, x, log_edges(u, y))


def log1p_short(x: Any) -> Any:
    """log(1 + x) for float64 -1 < x < 2**128, good to 2**-30 only: the float32 formulas round it."""
    u = ONE + x
    k = exponent_of(u)
    return log_assembled_short(k, where(k == ZERO, x, mantissa_of(u) - ONE))


def log1p_f32(x: Any) -> Any:
    """log(1 + x) for float32; see :func:`log1p`."""
    c = to_float64(x)
    return where(x == ZERO_F32, x, to_float32(log_edges(ONE + c, log1p_short(c))))


ZERO_F32 = np.float32(0.0)


def log(x: Any) -> Any:
    """Return the natural logarithm of x.

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        log(+-0) = -inf, log(1) = +0, log(inf) = inf; negative numbers and NaN give NaN.

    Notes
    -----
    Largest error: float32 0.52 ulp over all inputs, float64 0.9 ulp.
    """
    return log_f32(x) if x.dtype == np.float32 else log_f64(x)


def log1p(x: Any) -> Any:
    """Return log(1 + x), accurate where x is small.

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        log1p(-1) = -inf, log1p(-0) = -0, log1p(inf) = inf; x < -1 and NaN give NaN.

    Notes
    -----
    Largest error: float32 0.52 ulp over all inputs, float64 0.9 ulp.
    """
    return log1p_f32(x) if x.dtype == np.float32 else log1p_f64(x)
