"""Predicted values against true ones: on the diagonal a prediction is right."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.plots.figure import BLUE, GRAY, light_axes, sized

OPAQUE = 300
"""Up to so many points each is drawn nearly opaque; more of them ever fainter."""


def predicted_against_true(y_true: Any, y_pred: Any, *, name: str = "", title: str | None = None,
                           figure: Any = None) -> Any:  # fmt: skip
    """Draw a point for each sample, and how large the errors are.

    Parameters
    ----------
    y_true, y_pred : array_like (N,)
    name : str
        What the values are.
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidValueError
        If the shapes differ or there is no value.
    MissingPackageError
        If matplotlib is not installed.
    """
    true, found = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if true.ndim != 1 or true.shape != found.shape or not len(true):
        raise InvalidValueError(
            f"predicted_against_true draws as many predictions as true values (N,), got {true.shape} and {found.shape}"
        )
    figure = sized(figure, 8.6, 4.2, title)
    points, errors = figure.subplots(1, 2, width_ratios=(1.15, 1.0))
    light_axes(points)
    ends = min(true.min(), found.min()), max(true.max(), found.max())
    room = 0.04 * ((ends[1] - ends[0]) or 1.0)
    points.plot(ends, ends, color=GRAY, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    points.scatter(true, found, s=16, color=BLUE, alpha=max(0.12, min(0.75, OPAQUE / len(true))), linewidths=0)
    points.set_xlim(ends[0] - room, ends[1] + room)
    points.set_ylim(ends[0] - room, ends[1] + room)
    points.set_aspect("equal")
    points.set_xlabel(f"true {name}".strip(), color=GRAY, fontsize=9)
    points.set_ylabel(f"predicted {name}".strip(), color=GRAY, fontsize=9)
    points.set_title("predicted against true", fontsize=11, loc="left")
    light_axes(errors)
    errors.hist(found - true, bins=min(40, max(8, len(true) // 8)), color=BLUE, alpha=0.85)
    errors.axvline(0.0, color=GRAY, linewidth=1.0, linestyle=(0, (4, 3)))
    errors.yaxis.get_major_locator().set_params(integer=True)
    errors.set_xlabel("predicted minus true", color=GRAY, fontsize=9)
    errors.set_ylabel("rows", color=GRAY, fontsize=9)
    errors.set_title("errors", fontsize=11, loc="left")
    return figure
