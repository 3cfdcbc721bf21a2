"""Uniform numbers in [0, 1): 24 random bits for float32, 53 for float64.

Every multiple of 2^-24 or 2^-53 is equally likely. The integer is exact in the floating-point type and so is
its product with a power of two: nothing is rounded, and 1 is never returned.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.random.counter import word, word_pair

_8, _5, _6 = np.uint64(8), np.uint64(5), np.uint64(6)
_ULP_24 = np.float32(2.0**-24)
_ULP_53 = np.float64(2.0**-53)
_HIGH = np.float64(2.0**26)


def exact_float32(integer: Any) -> Any:
    """Return a uint64 below 2^24 as float32."""
    return integer.astype(np.float32)


def exact_float64(integer: Any) -> Any:
    """Return a uint64 below 2^31 as float64."""
    return integer.astype(np.float64)


def float32_from_word(w: Any) -> Any:
    """Return the float32 in [0, 1) made of the high 24 bits of a word."""
    return exact_float32(w >> _8) * _ULP_24


def float64_from_words(high: Any, low: Any) -> Any:
    """Return the float64 in [0, 1) made of the high 27 bits of one word and the high 26 of another."""
    return (exact_float64(high >> _5) * _HIGH + exact_float64(low >> _6)) * _ULP_53


def uniform_f32(seed: Any, purpose: Any, step: Any, layer: Any, element: Any) -> Any:
    """Return the float32 in [0, 1) of an element (all arguments uint64)."""
    return float32_from_word(word(seed, purpose, step, layer, element))


def uniform_f64(seed: Any, purpose: Any, step: Any, layer: Any, element: Any) -> Any:
    """Return the float64 in [0, 1) of an element (all arguments uint64)."""
    high, low = word_pair(seed, purpose, step, layer, element)
    return float64_from_words(high, low)
