"""What both averages of weights share: when the average takes the weights' place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fastnn.callbacks.base import Callback, Logs
from fastnn.errors import NotBuiltError

Array = np.ndarray[Any, Any]


class WeightAverage(Callback):
    """Base class: a subclass keeps an average of ``model.parameters``.

    Moving statistics (batch normalization) stay those of the training.

    Parameters
    ----------
    swap_at_end : bool
        Whether the model has the average when the training ends.
    """

    def __init__(self, swap_at_end: bool) -> None:
        self.swap_at_end = bool(swap_at_end)

    @property
    def average(self) -> Array | None:
        """The average (P,), in the model's dtype; None while nothing was averaged."""
        raise NotImplementedError

    @contextmanager
    def applied(self) -> Iterator[Any]:
        """Give the model the average inside a ``with`` block, and its own weights back after it."""
        average = self.average
        if average is None:
            raise NotBuiltError(f"{type(self).__name__} has averaged nothing yet")
        own = np.array(self.model.parameters)
        self.model.parameters[...] = average
        try:
            yield self.model
        finally:
            self.model.parameters[...] = own

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Give the model the average."""
        average = self.average
        if self.swap_at_end and average is not None:
            self.model.parameters[...] = average
