"""Functions for calls that come again and again: the reference has none, what it does for one call is all it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.plan.dense_network import DenseNetwork

Array = np.ndarray[Any, Any]


def network_function(network: DenseNetwork, dtype: np.dtype[Any], samples: int) -> None:
    """Return None: see ``protocol.Backend``."""


def gradients_function(network: DenseNetwork, dtype: np.dtype[Any], samples: int) -> None:
    """Return None: see ``protocol.Backend``."""


def update_function(shapes: Sequence[tuple[int, int]], dtype: np.dtype[Any]) -> None:
    """Return None: see ``protocol.Backend``."""


def small_cost(Y: Array, P: Array) -> None:
    """Return None: see ``protocol.Backend``."""
