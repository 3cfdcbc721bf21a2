"""Loss and metrics by epoch, training beside validation, the best epoch marked."""

from __future__ import annotations

from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.plots.figure import BLUE, GRAY, ORANGE, light_axes, shown_figure
from fastnn.training.history import History

COLUMNS = 3
MARKED = 30
"""Up to so many epochs each is a dot."""


def learning_curves(history: History, *, title: str | None = None, figure: Any = None) -> Any:
    """Draw what ``fit`` returned.

    One panel for the loss and one a metric. The best epoch is the one with the lowest validation loss
    (training loss where there was no validation).

    Parameters
    ----------
    history : History
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If it is no history, or holds no epoch.
    MissingPackageError
        If matplotlib is not installed.
    """
    if not isinstance(history, History):
        raise InvalidTypeError(f"learning_curves draws the History that fit returns, got {type(history).__name__}")
    if not history.epoch:
        raise InvalidValueError("the history holds no epoch")
    names = [name for name in history.history if not name.startswith("val_")]
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    if figure is None:
        figure = shown_figure()
    figure.set_size_inches(4.6 * columns if columns > 1 else 6.4, 3.6 * rows + (0.4 if title else 0.0))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    best = best_epoch(history)
    for panel, name in zip(panels, names):
        _panel(panel, history, name, best)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    if title:
        figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    return figure


def best_epoch(history: History) -> int:
    """Return the position of the epoch with the lowest validation loss (training loss without validation)."""
    losses = history.history.get("val_loss", history.history["loss"])
    known = [i for i, loss in enumerate(losses) if loss == loss]
    return min(known, key=losses.__getitem__, default=0)


def _panel(axes: Any, history: History, name: str, best: int) -> None:
    epochs = [epoch + 1 for epoch in history.epoch]
    validation = history.history.get(f"val_{name}")
    style = {"linewidth": 1.8, "markersize": 3, "marker": "o" if len(epochs) <= MARKED else ""}
    light_axes(axes)
    axes.plot(epochs, history.history[name], color=BLUE, label="training", **style)
    if validation is not None:
        axes.plot(epochs, validation, color=ORANGE, label="validation", **style)
    shown, color = (history.history[name], BLUE) if validation is None else (validation, ORANGE)
    axes.axvline(epochs[best], color=GRAY, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    axes.plot(
        [epochs[best]], [shown[best]], "o", markersize=7, markerfacecolor="white", markeredgecolor=color,
        markeredgewidth=1.8, zorder=3, label=f"best epoch, {epochs[best]}: {shown[best]:.4g}",
    )  # fmt: skip
    axes.set_title(name.replace("_", " "), fontsize=11, loc="left")
    axes.set_xlabel("epoch", color=GRAY, fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=9, labelcolor=GRAY)
