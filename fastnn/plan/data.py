"""What a run of a program reads: samples, targets, weights, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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

    @cached_property
    def addresses(self) -> tuple[int, int, int]:
        """Where x, y and weight lie in memory; 0 for one there is not. Asked for once: NumPy takes 1 us for each."""
        x, y, weight = (0 if a is None else int(a.ctypes.data) for a in (self.x, self.y, self.weight))
        return x, y, weight

    def ordered(self, order: Array | None) -> Data:
        """Return the same data in another order."""
        found = Data(self.x, self.y, self.weight, order)
        found.__dict__["addresses"] = self.addresses
        return found
