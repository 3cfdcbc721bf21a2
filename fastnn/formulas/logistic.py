"""sigmoid(x) = 1 / (1 + exp(-x)), in one form for all x: exp(-x) is scaled, so that it cannot overflow.

With exp(-x) = 2**n (1 - g), d is the rounded sum 2**n + 1 - 2**n g, and what rounding took from it is put
back into 1 / d to first order, without which the error exceeds 2 ulp. float32 has to stay within 1 ulp and
divides more exactly: of d and 1 / d the upper 12 bits are taken, whose product is exact, and the remainder of
that division is divided once more [1, section 4.7].

[1] J.-M. Muller et al., Handbook of Floating-Point Arithmetic, 2nd edition, Birkhaeuser, 2018.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas.exponential import (
    EXP_UNDERFLOW,
    EXP_UNDERFLOW_F32,
    EXPONENT_SHIFT,
    EXPONENT_SHIFT_F32,
    LN2_HIGH,
    LN2_HIGH_F32,
    LN2_LOW,
    LN2_LOW_F32,
    LOG2_E,
    LOG2_E_F32,
    LOWER,
    LOWER_F32,
    ONE,
    ONE_F32,
    exp_tail,
    exp_tail_f32,
)
from fastnn.formulas.primitives import bits, float32_from_bits, float64_from_bits, where

# From here on sigmoid rounds to 1.
SIGMOID_LARGE = np.float64(40.0)
SIGMOID_LARGE_F32 = np.float32(20.0)

MINUS_LOG2_E = -LOG2_E
MINUS_LOG2_E_F32 = -LOG2_E_F32
# The low bits of x + ROUND_LOWERED are the biased exponent of 2**round(x) LOWER.
ROUND_LOWERED = np.float64(1.5 * 2.0**52 + 1023 - 100)
ROUND_LOWERED_F32 = np.float32(1.5 * 2.0**23 + 127 - 64)
UPPER_12 = np.int32(-(2**12))


def sigmoid_f64(x: Any) -> Any:
    """sigmoid(x) for float64; see :func:`sigmoid`."""
    c = where(x > SIGMOID_LARGE, SIGMOID_LARGE, x)
    c = where(c < EXP_UNDERFLOW, EXP_UNDERFLOW, c)
    t = c * MINUS_LOG2_E + ROUND_LOWERED
    n = t - ROUND_LOWERED
    h = c + n * LN2_HIGH
    l = n * LN2_LOW
    scale = float64_from_bits(bits(t) << EXPONENT_SHIFT)
    g = scale * (h + (l - exp_tail(-(h + l))))
    d = (scale + LOWER) - g
    lost = ((scale - d) + LOWER) - g
    q = ONE / d
    return (q - (q * q) * lost) * LOWER


def sigmoid_f32(x: Any) -> Any:
    """sigmoid(x) for float32; see :func:`sigmoid`."""
    c = where(x > SIGMOID_LARGE_F32, SIGMOID_LARGE_F32, x)
    c = where(c < EXP_UNDERFLOW_F32, EXP_UNDERFLOW_F32, c)
    t = c * MINUS_LOG2_E_F32 + ROUND_LOWERED_F32
    n = t - ROUND_LOWERED_F32
    h = c + n * LN2_HIGH_F32
    l = n * LN2_LOW_F32
    scale = float32_from_bits(bits(t) << EXPONENT_SHIFT_F32)
    g = scale * h
    rest = scale * (l - exp_tail_f32(-(h + l)))
    d = ((scale + LOWER_F32) - g) - rest
    inverse = ONE_F32 / d
    upper = float32_from_bits(bits(d) & UPPER_12)
    lower = (((scale - upper) + LOWER_F32) - g) - rest
    q = float32_from_bits(bits(inverse) & UPPER_12)
    remainder = (ONE_F32 - q * upper) - q * lower
    return (q + remainder * inverse) * LOWER_F32


def sigmoid(x: Any) -> Any:
    """Return the logistic function 1 / (1 + exp(-x)).

    Parameters
    ----------
    x : array or NumPy scalar, float32 or float64
        Any value; sigmoid(-inf) = 0, sigmoid(0) = 1/2, sigmoid(inf) = 1, NaN gives NaN.

    Notes
    -----
    Largest error: float32 0.94 ulp over all inputs, float64 1.5 ulp.
    """
    return sigmoid_f32(x) if x.dtype == np.float32 else sigmoid_f64(x)
