"""Standard normal numbers: the normal quantile of a uniform number, one element from two words.

Inverting the distribution (rather than Box and Muller's pairs) keeps one number to one element, costs one log
and one square root, and gives the truncated normal by inverting a part of the interval. All in float64;
float32 numbers are those, rounded. The uniform number is an odd multiple of 2^-53, so neither tail is ever
infinite: at most 8.2.

Source: Wichura, Algorithm AS 241: the percentage points of the normal distribution, Applied Statistics 37
(1988), routine PPND16.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas.logarithm import log_f64
from fastnn.formulas.primitives import sqrt, where
from fastnn.random.counter import word_pair
from fastnn.random.uniform import exact_float64

_f = np.float64
_5, _7 = np.uint64(5), np.uint64(7)
_HIGH, _HALF, _ULP_52 = _f(2.0**25), _f(0.5), _f(2.0**-52)
_0, _1 = _f(0.0), _f(1.0)

_CENTRAL, _CENTRAL_SQUARED = _f(0.425), _f(0.180625)
_TAIL, _NEAR_SHIFT, _FAR_SHIFT = _f(5.0), _f(1.6), _f(5.0)

_A0, _A1, _A2, _A3 = (
    _f(3.3871328727963666),
    _f(133.14166789178438),
    _f(1971.5909503065514),
    _f(13731.69376550946),
)
_A4, _A5, _A6, _A7 = (
    _f(45921.95393154987),
    _f(67265.7709270087),
    _f(33430.57558358813),
    _f(2509.0809287301227),
)
_B1, _B2, _B3 = _f(42.31333070160091), _f(687.1870074920579), _f(5394.196021424751)
_B4, _B5, _B6, _B7 = (
    _f(21213.794301586597),
    _f(39307.89580009271),
    _f(28729.085735721943),
    _f(5226.495278852854),
)

_C0, _C1, _C2, _C3 = (
    _f(1.4234371107496835),
    _f(4.630337846156546),
    _f(5.769497221460691),
    _f(3.6478483247632045),
)
_C4, _C5 = _f(1.2704582524523684), _f(0.2417807251774506)
_C6, _C7 = _f(0.022723844989269184), _f(0.0007745450142783414)
_D1, _D2, _D3 = _f(2.053191626637759), _f(1.6763848301838038), _f(0.6897673349851)
_D4, _D5 = _f(0.14810397642748008), _f(0.015198666563616457)
_D6, _D7 = _f(0.0005475938084995345), _f(1.0507500716444169e-09)

_E0, _E1, _E2, _E3 = (
    _f(6.657904643501103),
    _f(5.463784911164114),
    _f(1.7848265399172913),
    _f(0.29656057182850487),
)
_E4, _E5 = _f(0.026532189526576124), _f(0.0012426609473880784)
_E6, _E7 = _f(2.7115555687434876e-05), _f(2.0103343992922881e-07)
_F1, _F2, _F3 = _f(0.599832206555888), _f(0.1369298809227358), _f(0.014875361290850615)
_F4, _F5 = _f(0.0007868691311456133), _f(1.8463183175100548e-05)
_F6, _F7 = _f(1.421511758316446e-07), _f(2.0442631033899397e-15)

_BELOW_MINUS_2 = _f(0.022750131948179207)
_WITHIN_2 = _f(0.9544997361036416)


def _central(q: Any) -> Any:
    """Return the quantile at 1/2 + q for abs(q) <= 0.425."""
    r = _CENTRAL_SQUARED - q * q
    p = ((((((_A7 * r + _A6) * r + _A5) * r + _A4) * r + _A3) * r + _A2) * r + _A1) * r + _A0
    s = ((((((_B7 * r + _B6) * r + _B5) * r + _B4) * r + _B3) * r + _B2) * r + _B1) * r + _1
    return q * p / s


def _near_tail(t: Any) -> Any:
    """Return minus the quantile at exp(-t^2) for t <= 5."""
    r = t - _NEAR_SHIFT
    p = ((((((_C7 * r + _C6) * r + _C5) * r + _C4) * r + _C3) * r + _C2) * r + _C1) * r + _C0
    s = ((((((_D7 * r + _D6) * r + _D5) * r + _D4) * r + _D3) * r + _D2) * r + _D1) * r + _1
    return p / s


def _far_tail(t: Any) -> Any:
    """Return minus the quantile at exp(-t^2) for t > 5."""
    r = t - _FAR_SHIFT
    p = ((((((_E7 * r + _E6) * r + _E5) * r + _E4) * r + _E3) * r + _E2) * r + _E1) * r + _E0
    s = ((((((_F7 * r + _F6) * r + _F5) * r + _F4) * r + _F3) * r + _F2) * r + _F1) * r + _1
    return p / s


def normal_quantile(u: Any) -> Any:
    """Return x such that a standard normal number is below x with probability u, for float64 0 < u < 1.

    Notes
    -----
    Relative error at most 1e-15, measured against mpmath.
    """
    q = u - _HALF
    t = sqrt(-log_f64(where(q < _0, u, _1 - u)))
    tail = where(t > _TAIL, _far_tail(t), _near_tail(t))
    return where(abs(q) <= _CENTRAL, _central(q), where(q < _0, -tail, tail))


def open_uniform_f64(high: Any, low: Any) -> Any:
    """Return the float64 in (0, 1) made of the high 27 bits of one word and 25 of another, plus a half."""
    return (exact_float64(high >> _5) * _HIGH + exact_float64(low >> _7) + _HALF) * _ULP_52


def normal_from_words(high: Any, low: Any) -> Any:
    """Return the standard normal float64 that two words make."""
    return normal_quantile(open_uniform_f64(high, low))


def truncated_normal_from_words(high: Any, low: Any) -> Any:
    """Return the float64 that two words make: standard normal, given that it is within (-2, 2)."""
    return normal_quantile(_BELOW_MINUS_2 + open_uniform_f64(high, low) * _WITHIN_2)


def normal_f64(seed: Any, purpose: Any, step: Any, layer: Any, element: Any) -> Any:
    """Return the standard normal float64 of an element (all arguments uint64)."""
    high, low = word_pair(seed, purpose, step, layer, element)
    return normal_from_words(high, low)
