"""What all figures share: colors that color-blind people tell apart, light axes, the figure itself.

Every function of the package draws into the ``figure=`` it is given or into a new one of pyplot, which notebooks show
and scripts after ``pyplot.show()``; it returns the figure and shows nothing by itself.
"""

from __future__ import annotations

import functools
from typing import Any

from fastnn.errors import InvalidTypeError
from fastnn.optional import load
from fastnn.training.progress import in_notebook

BLUE, ORANGE, GREEN, GRAY = "#0072b2", "#d55e00", "#009e73", "#6b6b6b"
"""Of the palette of Okabe and Ito (2008), and the gray of labels."""

PURPLE, YELLOW, SKY, BLACK = "#cc79a7", "#e69f00", "#56b4e9", "#000000"
COLORS = (BLUE, ORANGE, GREEN, PURPLE, YELLOW, SKY, BLACK)
"""The palette in the order in which series take it."""

MARKERS = "os^Dv*P"
"""A shape for each color: who sees no difference in one sees it in the other."""


def new_figure(**settings: Any) -> Any:
    """Return an empty figure that pyplot does not know: for files, without a display, nothing to close."""
    return load("matplotlib.figure", purpose="a figure").Figure(layout="constrained", **settings)


def shown_figure(**settings: Any) -> Any:
    """Return an empty figure of pyplot: notebooks show it, scripts after ``pyplot.show()``."""
    pyplot = load("matplotlib.pyplot", purpose="a figure")
    kind = _shown_once() if in_notebook() else pyplot.Figure
    return pyplot.figure(FigureClass=kind, layout="constrained", **settings)


@functools.cache
def _shown_once() -> Any:
    """Return a class of figures that a notebook shows once, also where one is the last value of a cell.

    IPython shows that value, and then matplotlib the figures that are open at the cell's end.
    """
    pyplot: Any = load("matplotlib.pyplot", purpose="a figure")

    def _ipython_display_(self: Any) -> None:
        if "inline" in pyplot.get_backend():
            pyplot.close(self)
        raise NotImplementedError  # which has IPython show it as any figure

    return type("Figure", (pyplot.Figure,), {"_ipython_display_": _ipython_display_})


def sized(figure: Any, width: float, height: float, title: str | None = None) -> Any:
    """Return the figure to draw into, with its size in inches and its title.

    Parameters
    ----------
    figure : matplotlib Figure or None
        None for a new one of pyplot.
    width, height : float
    title : str, optional

    Raises
    ------
    InvalidTypeError
        If it is no figure.
    MissingPackageError
        If there is none and matplotlib is not installed.
    """
    if figure is None:
        figure = shown_figure()
    if not hasattr(figure, "subplots") or not hasattr(figure, "suptitle"):
        raise InvalidTypeError(f"figure must be a matplotlib Figure, got {type(figure).__name__}")
    if hasattr(figure, "set_size_inches"):  # a part of a figure has none of its own
        figure.set_size_inches(width, height + (0.4 if title else 0.0))
    if title:
        figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    return figure


def light_axes(axes: Any) -> None:
    """Take away the box, leave a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
    axes.tick_params(color="#b0b0b0", labelcolor=GRAY, labelsize=9)
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)


def legend(axes: Any, **settings: Any) -> None:
    """Add a legend without a box."""
    axes.legend(frameon=False, fontsize=9, labelcolor=GRAY, **settings)
