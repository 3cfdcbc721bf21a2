"""Loss and metrics by epoch, training beside validation, the best epoch marked."""

from __future__ import annotations

from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.plots.figure import BLUE, GRAY, ORANGE, legend, light_axes, sized
from fastnn.training.history import History

COLUMNS = 3
MARKED = 30
"""Up to so many epochs each is a dot."""
RATES = ("lr", "learning_rate")
"""Names in a history that are settings: no training or validation, nothing best."""


def learning_curves(history: History, *, logarithmic: bool = False, title: str | None = None,
                    figure: Any = None) -> Any:  # fmt: skip
    """Draw what ``fit`` returned.

    One panel for the loss and one a metric. The best epoch is the one with the lowest validation loss
    (training loss where there was no validation).

    Parameters
    ----------
    history : History
    logarithmic : bool
        Whether the loss's axis is; a learning rate's is where it falls tenfold.
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
    check_history(history, "learning_curves")
    names = quantities(history)
    columns = 2 if len(names) == 4 else min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = sized(figure, 4.6 * columns if columns > 1 else 6.4, 3.6 * rows, title)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    best = best_epoch(history)
    for panel, name in zip(panels, names):
        _panel(panel, history, name, best)
        if logarithmic and name == "loss":
            panel.set_yscale("log")
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    return figure


def check_history(history: object, drawer: str) -> None:
    """Raise an error that names who draws, if there is no history or nothing in it."""
    if not isinstance(history, History):
        raise InvalidTypeError(f"{drawer} draws the History that fit returns, got {type(history).__name__}")
    if not history.epoch or not history.history:
        raise InvalidValueError("the history holds no epoch")


def quantities(history: History) -> list[str]:
    """Return what a history holds, each once: without the names of the validation's values."""
    return [name for name in history.history if not name.startswith("val_")] or list(history.history)


def epochs_of(history: History, name: str) -> list[int]:
    """Return the epochs, counted from 1, of a quantity's values; one that was added later has the last ones."""
    return [epoch + 1 for epoch in history.epoch[len(history.epoch) - len(history.history[name]) :]]


def best_epoch(history: History) -> int:
    """Return the position of the epoch with the lowest validation loss (training loss without validation).

    -1, the last, of a history without losses.
    """
    losses = history.history.get("val_loss", history.history.get("loss", []))
    known = [i for i, loss in enumerate(losses) if loss == loss]
    return min(known, key=losses.__getitem__, default=0 if losses else -1)


def _panel(axes: Any, history: History, name: str, best: int) -> None:
    epochs = epochs_of(history, name)
    values = history.history[name]
    style: dict[str, Any] = {"linewidth": 1.8, "markersize": 3, "marker": "o" if len(epochs) <= MARKED else ""}
    light_axes(axes)
    axes.set_title(name.replace("_", " "), fontsize=11, loc="left")
    axes.set_xlabel("epoch", color=GRAY, fontsize=9)
    if name in RATES:
        axes.plot(epochs, values, color=GRAY, label=name, **style)
        if min(values) > 0 and max(values) >= 10 * min(values):
            axes.set_yscale("log")
    else:
        axes.plot(epochs, values, color=BLUE, label="training", **style)
        shown, color = values, BLUE
        validation = history.history.get(f"val_{name}")
        if validation is not None:
            axes.plot(epochs_of(history, f"val_{name}"), validation, color=ORANGE, label="validation", **style)
            shown, color = validation, ORANGE
        if history.epoch[best] + 1 in epochs:
            _mark(axes, history.epoch[best] + 1, shown[best - len(history.epoch)], color)
        legend(axes)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if len(history.epoch) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)


def _mark(axes: Any, epoch: int, value: float, color: str) -> None:
    """Mark the best epoch by a ring and a dashed line."""
    axes.axvline(epoch, color=GRAY, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    axes.plot(
        [epoch], [value], "o", markersize=7, markerfacecolor="white", markeredgecolor=color, markeredgewidth=1.8,
        zorder=3, label=f"best epoch, {epoch}: {value:.4g}",
    )  # fmt: skip
