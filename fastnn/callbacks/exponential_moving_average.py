"""An average of the weights that forgets old ones exponentially."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fastnn.callbacks.averaging import Array, WeightAverage
from fastnn.callbacks.base import CALLBACKS, Logs
from fastnn.optimizers.base import fraction
from fastnn.validation import positive_whole


class ExponentialMovingAverage(WeightAverage):
    """``average = momentum * average + (1 - momentum) * weights`` after each update, or every so many.

    The three operations run elementwise in the model's dtype, ``momentum`` and ``1 - momentum`` rounded to it, so the
    bits are defined as all others are. The first update's weights start the average.

    Parameters
    ----------
    momentum : float
        In [0, 1); Keras calls it ``ema_momentum``.
    every : int
        Updates between those that are averaged. Each costs a pass over the weights and a way back to Python.
    swap_at_end : bool
        Whether the model has the average when the training ends.

    Examples
    --------
    >>> ema = ExponentialMovingAverage(0.99, swap_at_end=False)
    >>> model.fit(x, y, callbacks=ema)  # doctest: +SKIP
    >>> with ema.applied():
    ...     model.evaluate(x, y)  # doctest: +SKIP
    """

    name: ClassVar[str] = "exponential_moving_average"

    def __init__(self, momentum: float = 0.99, every: int = 1, swap_at_end: bool = True) -> None:
        super().__init__(swap_at_end)
        self.momentum = fraction("momentum", momentum)
        self.every = positive_whole("every", every)
        self._average: Array | None = None

    @property
    def average(self) -> Array | None:
        """The average (P,), in the model's dtype; None while nothing was averaged."""
        return self._average

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start anew."""
        self._average = None

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Take in the weights; the short group at an epoch's end waits for the next epoch's steps."""
        if self.model.iterations % self.every:
            return
        weights = self.model.parameters
        if self._average is None:
            self._average = np.array(weights)
            return
        with np.errstate(all="ignore"):
            self._average *= weights.dtype.type(self.momentum)
            self._average += weights.dtype.type(1.0 - self.momentum) * weights

    def state(self) -> dict[str, Any]:
        """Return the average."""
        return {"average": None if self._average is None else np.array(self._average)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from it."""
        self._average = None if state["average"] is None else np.array(state["average"], self.model.dtype)


CALLBACKS.register(ExponentialMovingAverage.name, ExponentialMovingAverage)
