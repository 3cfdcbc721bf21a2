"""One quantity by epoch for several trainings in one panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.plots.figure import COLORS, GRAY, legend, light_axes, sized
from fastnn.plots.learning_curves import check_history, epochs_of
from fastnn.training.history import History

STYLES: tuple[Any, ...] = ("-", (0, (5, 1.5)))
"""Solid lines first; when the colors are used up, the same with dashes."""


def compared_curves(histories: Mapping[str, History], quantity: str | None = None, *,
                    lines: Mapping[str, float] | None = None, logarithmic: bool = False, title: str | None = None,
                    figure: Any = None, axes: Any = None) -> Any:  # fmt: skip
    """Draw one quantity of several histories.

    Parameters
    ----------
    histories : mapping of str to History
        By the name in the legend; at most 14.
    quantity : str, optional
        A key of ``History.history``: ``"val_accuracy"``. By default ``"val_loss"`` if all have it, else ``"loss"``.
    lines : mapping of str to float, optional
        Dashed levels by name: a goal, a baseline.
    logarithmic : bool
        Whether the vertical axis is.
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.
    axes : matplotlib Axes, optional
        One panel of a figure of your own, instead.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If there are no or too many histories, one is none, is empty or lacks the quantity.
    MissingPackageError
        If matplotlib is not installed.
    """
    if not isinstance(histories, Mapping):
        raise InvalidTypeError(f"compared_curves draws a mapping of names to histories, got {type(histories).__name__}")
    most = len(COLORS) * len(STYLES)
    if not 1 <= len(histories) <= most:
        raise InvalidValueError(f"compared_curves draws 1 to {most} histories, got {len(histories)}")
    for history in histories.values():
        check_history(history, "compared_curves")
    if quantity is None:
        quantity = "val_loss" if all("val_loss" in history.history for history in histories.values()) else "loss"
    for name, history in histories.items():
        if quantity not in history.history:
            known = ", ".join(history.history)
            raise InvalidValueError(f"the history {name!r} does not hold {quantity!r} but {known}")
    if axes is None:
        axes = sized(figure, 6.4, 3.9).subplots()
    light_axes(axes)
    for number, (name, history) in enumerate(histories.items()):
        values = history.history[quantity]
        color, style = COLORS[number % len(COLORS)], STYLES[number // len(COLORS)]
        axes.plot(epochs_of(history, quantity), values, color=color, linewidth=1.8, linestyle=style,
                  marker="o" if len(values) == 1 else "", label=f"{name}, at last {values[-1]:.4g}")  # fmt: skip
    for style, (name, level) in zip(((0, (4, 2)), (0, (1, 2))) * len(lines or {}), (lines or {}).items()):
        axes.axhline(level, color=GRAY, linewidth=1.2, linestyle=style, zorder=1, label=name)
    if logarithmic:
        axes.set_yscale("log")
    axes.set_title(title or quantity.replace("_", " "), fontsize=11, loc="left")
    axes.set_xlabel("epoch", color=GRAY, fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    legend(axes, **({} if len(histories) <= 6 else {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}))
    return axes.figure
