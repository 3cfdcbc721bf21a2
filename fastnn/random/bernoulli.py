"""Yes-or-no draws: yes where the 32 random bits of the element, as an integer, are below rate times 2^32.

The rate is rounded down to a multiple of 2^-32, so 0 means never and 1 means always. An array and a kernel
that asks for one element compare the same integers.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.random.counter import word


def bernoulli(seed: Any, purpose: Any, step: Any, layer: Any, element: Any, threshold: Any) -> Any:
    """Return whether the element's draw is yes (all arguments uint64; see ``bernoulli_threshold``)."""
    return word(seed, purpose, step, layer, element) < threshold


def bernoulli_threshold(rate: float) -> np.uint64:
    """Return ``rate`` as a number of 2^32 equally likely words.

    Raises
    ------
    InvalidTypeError
        The rate is not a number.
    InvalidValueError
        The rate is not in [0, 1].
    """
    try:
        value = float(rate)
    except (TypeError, ValueError):
        raise InvalidTypeError(f"rate must be a number in [0, 1], got {rate!r}") from None
    if not 0.0 <= value <= 1.0:
        raise InvalidValueError(f"rate must be in [0, 1], got {rate!r}")
    return np.uint64(int(value * 2.0**32))
