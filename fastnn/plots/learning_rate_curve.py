"""Loss over learning rate, from a sweep of the learning-rate finder."""

from __future__ import annotations

from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models.learning_rate_finder import LearningRateSweep
from fastnn.plots.figure import BLUE, GRAY, ORANGE, legend, light_axes, sized


def learning_rate_curve(sweep: LearningRateSweep, *, title: str | None = None, figure: Any = None) -> Any:
    """Draw the losses that ``find_learning_rate`` saw, smoothed and as they were, and the rate it suggests.

    Parameters
    ----------
    sweep : LearningRateSweep
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If it is no sweep, or none of its losses was finite.
    MissingPackageError
        If matplotlib is not installed.
    """
    if not isinstance(sweep, LearningRateSweep):
        raise InvalidTypeError(f"learning_rate_curve draws what find_learning_rate returns, got {type(sweep).__name__}")
    if not len(sweep.rates):
        raise InvalidValueError("the sweep holds no finite loss")
    figure = sized(figure, 6.4, 3.9, title)
    axes = figure.subplots()
    light_axes(axes)
    axes.plot(sweep.rates, sweep.losses, color=BLUE, alpha=0.3, linewidth=1.0, label="each minibatch")
    axes.plot(sweep.rates, sweep.smoothed, color=BLUE, linewidth=1.8, label="smoothed")
    if sweep.suggestion is not None:
        at = sweep.rates.tolist().index(sweep.suggestion)
        axes.axvline(sweep.suggestion, color=GRAY, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        axes.plot(
            [sweep.suggestion], [sweep.smoothed[at]], "o", markersize=7, markerfacecolor="white",
            markeredgecolor=ORANGE, markeredgewidth=1.8, zorder=3, label=f"steepest descent, {sweep.suggestion:.2g}",
        )  # fmt: skip
    axes.set_xscale("log")
    low, high = float(sweep.smoothed.min()), float(sweep.smoothed.max())
    if high > low:  # single minibatches may be far out
        axes.set_ylim(low - 0.15 * (high - low), high + 0.1 * (high - low))
    axes.set_title("loss", fontsize=11, loc="left")
    axes.set_xlabel("learning rate", color=GRAY, fontsize=9)
    legend(axes)
    return figure
