"""One quantity by epoch for several trainings in one panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastnn.errors import InvalidValueError
from fastnn.plots.figure import BLUE, GRAY, GREEN, ORANGE, light_axes, shown_figure
from fastnn.training.history import History

COLORS = (BLUE, ORANGE, GREEN)


def compared_curves(histories: Mapping[str, History], quantity: str, *, lines: Mapping[str, float] | None = None,
                    logarithmic: bool = False, title: str | None = None, axes: Any = None) -> Any:  # fmt: skip
    """Draw one quantity of several histories.

    Parameters
    ----------
    histories : mapping of str to History
        By the name in the legend; at most three.
    quantity : str
        A key of ``History.history``: ``"val_loss"``.
    lines : mapping of str to float, optional
        Dashed levels by name: a goal, a baseline.
    logarithmic : bool
        Whether the vertical axis is.
    title : str, optional
    axes : matplotlib Axes, optional
        Drawn into. By default those of a new figure of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    InvalidValueError
        If there are no or too many histories, or one lacks the quantity.
    MissingPackageError
        If matplotlib is not installed.
    """
    if not 1 <= len(histories) <= len(COLORS):
        raise InvalidValueError(f"compared_curves draws 1 to {len(COLORS)} histories, got {len(histories)}")
    for name, history in histories.items():
        if quantity not in history.history:
            known = ", ".join(history.history) or "nothing"
            raise InvalidValueError(f"the history {name!r} does not hold {quantity!r} but {known}")
    if axes is None:
        axes = shown_figure().subplots()
    light_axes(axes)
    for color, (name, history) in zip(COLORS, histories.items()):
        values = history.history[quantity]
        axes.plot([epoch + 1 for epoch in history.epoch], values, color=color, linewidth=1.8,
                  label=f"{name}, at last {values[-1]:.4g}")  # fmt: skip
    for style, (name, level) in zip(((0, (4, 2)), (0, (1, 2))) * len(lines or {}), (lines or {}).items()):
        axes.axhline(level, color=GRAY, linewidth=1.2, linestyle=style, zorder=1, label=name)
    if logarithmic:
        axes.set_yscale("log")
    axes.set_title(title or quantity.replace("_", " "), fontsize=11, loc="left")
    axes.set_xlabel("epoch", color=GRAY, fontsize=9)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize=9, labelcolor=GRAY)
    return axes
