"""Seeds of the initial weights and of each fit's shuffles, from scikit-learn's ``random_state``."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

GOLDEN = 0x9E3779B97F4A7C15


def seed_of(random_state: Any) -> int:
    """Return the seed: the whole number itself, or the next draw of a ``RandomState`` (None: NumPy's own)."""
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def order_seed(seed: int, fits: int) -> int:
    """Return the seed of the shuffles and dropouts of a fit, another one for each fit that a warm start adds."""
    return (seed + fits * GOLDEN) % 2**64
