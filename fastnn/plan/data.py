"""What a run of a program reads: samples, targets, weights, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Data:
    """Arrays a program reads; rows are samples.

    Attributes
    ----------
    x : ndarray (N, D)
        Any strides, float32, float64 or an integer type.
    y : ndarray (N, M) or (N,), optional
        Targets, or integer labels for a loss on labels.
    weight : ndarray (N,), optional
        Sample weights in the network's dtype, contiguous.
    order : ndarray (N,) of int64, optional
        Row numbers in the order in which steps take them, contiguous; None for the order they lie in.
    """

    x: Array
    y: Array | None = None
    weight: Array | None = None
    order: Array | None = None

    @property
    def samples(self) -> int:
        """Number of positions of the order."""
        return len(self.x) if self.order is None else len(self.order)
