"""What all figures share: colors that color-blind people tell apart, light axes, the figure itself."""

from __future__ import annotations

from typing import Any

from fastnn.optional import load

BLUE, ORANGE, GREEN, GRAY = "#0072b2", "#d55e00", "#009e73", "#6b6b6b"
"""Of the palette of Okabe and Ito (2008), and the gray of labels."""


def new_figure(**settings: Any) -> Any:
    """Return an empty figure that pyplot does not know: for files, without a display, nothing to close."""
    return load("matplotlib.figure", purpose="a figure").Figure(layout="constrained", **settings)


def shown_figure(**settings: Any) -> Any:
    """Return an empty figure of pyplot: notebooks show it, scripts after ``pyplot.show()``."""
    return load("matplotlib.pyplot", purpose="a figure").figure(layout="constrained", **settings)


def light_axes(axes: Any) -> None:
    """Take away the box, leave a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
    axes.tick_params(color="#b0b0b0", labelcolor=GRAY, labelsize=9)
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
