"""The mean of the weights at the ends of epochs."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fastnn.callbacks.averaging import Array, WeightAverage
from fastnn.callbacks.base import CALLBACKS, Logs
from fastnn.validation import positive_whole


class StochasticWeightAveraging(WeightAverage):
    """The mean over epochs, best with a constant or cyclic learning rate that keeps exploring.

    The weights are added up in float64, epoch after epoch, and the sum is divided by their number and rounded to the
    model's dtype.

    Parameters
    ----------
    start_averaging : int
        The first epoch of the model that is averaged, from 0.
    average_period : int
        Every how many epochs from there.
    swap_at_end : bool
        Whether the model has the mean when the training ends. Moving statistics of batch normalization do not belong
        to it: train an epoch at rate 0 to measure them anew.

    References
    ----------
    P. Izmailov et al., Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018, section 3.2.
    """

    name: ClassVar[str] = "stochastic_weight_averaging"

    def __init__(self, start_averaging: int = 0, average_period: int = 1, swap_at_end: bool = True) -> None:
        super().__init__(swap_at_end)
        self.start_averaging = positive_whole("start_averaging", start_averaging, zero=True)
        self.average_period = positive_whole("average_period", average_period)
        self._forget()

    def _forget(self) -> None:
        self._added: Array | None = None
        self.averaged = 0

    @property
    def average(self) -> Array | None:
        """The mean (P,), in the model's dtype; None while nothing was averaged."""
        return None if self._added is None else (self._added / self.averaged).astype(self.model.dtype)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start anew."""
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Take in the weights."""
        if epoch < self.start_averaging or (epoch - self.start_averaging) % self.average_period:
            return
        weights = self.model.parameters.astype(np.float64)
        self._added = weights if self._added is None else self._added + weights
        self.averaged += 1

    def state(self) -> dict[str, Any]:
        """Return the sum and the number of its terms."""
        return {"added": self._added, "averaged": self.averaged}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._added = None if state["added"] is None else np.array(state["added"], np.float64)
        self.averaged = int(state["averaged"])


CALLBACKS.register(StochasticWeightAveraging.name, StochasticWeightAveraging)
