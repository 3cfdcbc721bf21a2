"""Philox4x32-10: ten rounds of multiply and exclusive-or that turn a counter into four random 32-bit words.

Every word lives in the low half of an unsigned 64-bit integer, so that a 32 x 32 bit product is one
multiplication for NumPy (on arrays) and for compiled code (on scalars), and the text is the same for both.
There is no state: the words of any counter can be had at any time, in any order.

Source: Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011, section 4.3.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MASK32 = np.uint64(0xFFFFFFFF)
SHIFT32 = np.uint64(32)

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)


def philox_round(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return the four words after one round under the round key ``(k0, k1)``."""
    p0 = c0 * _MULTIPLIER_0
    p1 = c2 * _MULTIPLIER_1
    return (p1 >> SHIFT32) ^ c1 ^ k0, p1 & MASK32, (p0 >> SHIFT32) ^ c3 ^ k1, p0 & MASK32


def next_round_key(k0: Any, k1: Any) -> Any:
    """Return the key of the next round: each word a step further on its Weyl sequence."""
    return (k0 + _WEYL_0) & MASK32, (k1 + _WEYL_1) & MASK32


def philox4x32(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return the four random words of a counter under a key.

    Parameters
    ----------
    c0, c1, c2, c3 : uint64 array or scalar
        The counter, 32 bits in each.
    k0, k1 : uint64 array or scalar
        The key, 32 bits in each.

    Returns
    -------
    tuple of 4 uint64
        32 bits in each.
    """
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = next_round_key(k0, k1)
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = next_round_key(k0, k1)
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = next_round_key(k0, k1)
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = next_round_key(k0, k1)
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = next_round_key(k0, k1)
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = next_round_key(k0, k1)
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = next_round_key(k0, k1)
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = next_round_key(k0, k1)
    c0, c1, c2, c3 = philox_round(c0, c1, c2, c3, k0, k1)
    k0, k1 = next_round_key(k0, k1)
    return philox_round(c0, c1, c2, c3, k0, k1)
