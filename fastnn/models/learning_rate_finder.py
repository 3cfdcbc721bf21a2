"""Learning-rate finder: one short training whose rate grows from step to step, on a copy of the model [1].

The loss falls where the rate is useful and soars where it is too great; a rate a little below the steepest descent is a
good first choice. The loss of a step is that of its minibatch, so it is smoothed by an exponential mean, divided by the
sum of its weights so that it starts unbiased.

[1] Smith, Cyclical learning rates for training neural networks, WACV 2017, section 3.3.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.callbacks import Callback
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.formulas import exp, log
from fastnn.models.fit_data import check_data
from fastnn.models.sequential import Sequential
from fastnn.optimizers.base import fraction, positive
from fastnn.validation import positive_whole

Array = np.ndarray[Any, Any]

SOARED = 4.0
"""The sweep ends when the smoothed loss is so many times the least so far."""
WINDOWS = 6
"""So many times the window in which a slope is measured goes into the sweep."""


@dataclass(frozen=True)
class LearningRateSweep:
    """What ``find_learning_rate`` saw.

    Attributes
    ----------
    rates : ndarray (S,) of float64
        Of each step, up to the one at which the loss soared.
    losses : ndarray (S,) of float64
        Of each step's minibatch, before the step.
    smoothed : ndarray (S,) of float64
    suggestion : float or None
        The rate where the loss falls most steeply, over the rate's logarithm; None if it never falls.
    """

    rates: Array
    losses: Array
    smoothed: Array
    suggestion: float | None

    def plot(self, *, title: str | None = None, figure: Any = None) -> Any:
        """Draw the losses over the rates; see ``fastnn.plots.learning_rate_curve``."""
        # a floor up, and optional: loaded by those who ask for it
        from fastnn.plots import learning_rate_curve

        return learning_rate_curve(self, title=title, figure=figure)


class _Recorder(Callback):
    """Keeps the loss of every step and ends the training when it soars."""

    def __init__(self, steps: int, smoothing: float) -> None:
        self.losses: list[float] = []
        self._steps, self._smoothing = steps, smoothing

    def on_steps(self, first: int, losses: Array) -> None:
        self.losses += losses.tolist()
        done = len(self.losses) >= self._steps
        self.model.stop_training = done or _end(_smooth(self.losses, self._smoothing)) < len(self.losses)


def find_learning_rate(model: Sequential, x: Any, y: Any, *, lowest: float = 1e-6, highest: float = 10.0,
                       steps: int = 200, batch_size: int = 32, smoothing: float = 0.9, seed: int | None = None,
                       sample_weight: Any = None) -> LearningRateSweep:  # fmt: skip
    """Train a copy of a model with a rate that grows exponentially, and see how the loss takes it.

    Parameters
    ----------
    model : Sequential
        Compiled; it stays as it was. The copy starts from its weights, with its optimizer's settings but for the rate.
    x, y, batch_size, seed, sample_weight
        As in ``fit``.
    lowest, highest : float
        The rate at the first and at the last step.
    steps : int
        At least 10.
    smoothing : float
        Weight of the past in the mean of the losses, in [0, 1).

    Returns
    -------
    LearningRateSweep

    Raises
    ------
    InvalidTypeError, InvalidValueError, NotBuiltError
        Before any work, if an argument is out of range or the model is not compiled.

    Examples
    --------
    >>> find_learning_rate(model, x, y).plot()  # doctest: +SKIP
    """
    if not isinstance(model, Sequential):
        raise InvalidTypeError(f"find_learning_rate takes a Sequential, got {type(model).__name__}")
    optimizer, loss = model._compiled()
    low, high, past = positive("lowest", lowest), positive("highest", highest), fraction("smoothing", smoothing)
    if low >= high:
        raise InvalidValueError(f"lowest must be below highest, got {lowest!r} and {highest!r}")
    count = positive_whole("steps", steps)
    if count < 10:
        raise InvalidValueError(f"steps must be at least 10, got {steps!r}")
    rates = _rates(low, high, count)
    trial = copy.deepcopy(model)
    known = rates.tolist()
    # a piece of steps may go on past the last one, at its rate; those losses are not kept
    schedule = dataclasses.replace(optimizer, learning_rate=lambda step: known[min(step, count - 1)])
    trial.compile(schedule, loss)
    trial.reset_states()
    recorder = _Recorder(count, past)
    shape = check_data(trial, x, y, sample_weight, None, False).shape
    stateful = bool(trial._forward_plan(shape).carried_rows)
    trial.fit(x, y, batch_size, count, 0, shuffle=not stateful, seed=seed, sample_weight=sample_weight,
              callbacks=[recorder])  # fmt: skip
    losses = np.array(recorder.losses[:count])
    smoothed = _smooth(losses, past)
    end = _end(smoothed)
    place = _steepest(losses[:end], smoothed[:end])
    return LearningRateSweep(rates[:end], losses[:end], smoothed[:end], None if place is None else float(rates[place]))


def _rates(low: float, high: float, steps: int) -> Array:
    """Return rates that grow by one factor from step to step."""
    with np.errstate(all="ignore"):
        span = log(np.float64(high)) - log(np.float64(low))
        rates = np.asarray(low * exp(np.arange(steps) * (span / (steps - 1))))
    rates[-1] = high
    return rates


def _smooth(losses: Any, past: float) -> Array:
    """Return the exponential mean of the losses so far, over the sum of its weights."""
    mean, weight, found = 0.0, 0.0, []
    for loss in losses:
        mean = past * mean + (1.0 - past) * float(loss)
        weight = past * weight + (1.0 - past)
        found.append(mean / weight)
    return np.array(found)


def _end(smoothed: Array) -> int:
    """Return how many losses there are before they soar or are no numbers."""
    least = math.inf
    for step, loss in enumerate(smoothed.tolist()):
        # of losses that may be negative, by how much the first one was to fall
        if not math.isfinite(loss) or loss > least + (SOARED - 1.0) * abs(least):
            return step
        least = min(least, loss)
    return len(smoothed)


def _steepest(losses: Array, smoothed: Array) -> int | None:
    """Return the step around which the losses fall most steeply, before the smoothed one's minimum.

    The slope is that of the straight line of least squares through the losses of a window around the step: a mean of
    the past lags behind, and is uncertain at first.
    """
    half = max(1, len(losses) // WINDOWS // 2)
    last = int(smoothed.argmin()) if len(smoothed) else 0
    centers = len(losses) - 2 * half
    if centers < 1:
        return None
    slopes = np.zeros(centers)
    for k in range(-half, half + 1):
        slopes += k * losses[half + k : half + k + centers]
    slopes = slopes[: max(0, last - half + 1)]
    if not len(slopes) or not slopes.min() < 0:
        return None
    return int(slopes.argmin()) + half


__all__ = ["LearningRateSweep", "find_learning_rate"]
