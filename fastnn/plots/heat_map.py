"""The best score by two parameters of a search, as a table of colors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.optional import load
from fastnn.plots.figure import GRAY, shown_figure
from fastnn.plots.parallel_coordinates import LOGARITHMIC_FROM, Row, scored_rows

BINS = 5
"""Ranges that a parameter with more than ``MOST`` different numbers is cut into."""
MOST = 10


def heat_map(rows: Sequence[Row], x: str, y: str, metric: str, *, maximize: bool = False, title: str | None = None,
             figure: Any = None) -> Any:  # fmt: skip
    """Draw the best score of all trials that share a value of ``x`` and one of ``y``.

    Parameters
    ----------
    rows : sequence of dict
        With ``parameters``, ``score`` and ``status``, as ``SearchResults.rows``.
    x, y : str
        Names of two parameters. One with many different numbers is cut into ranges.
    metric : str
        What the score is called.
    maximize : bool
        Whether more of it is better.
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidValueError
        If no trial has a score, or a name is no parameter.
    MissingPackageError
        If matplotlib is not installed.
    """
    scored = scored_rows(rows)
    if not scored:
        raise InvalidValueError("heat_map draws trials with a score, got none")
    known = list(scored[0]["parameters"])
    for name in (x, y):
        if name not in known:
            raise InvalidValueError(f"the trials have no parameter {name!r} but {', '.join(known)}")
    across, x_labels = _cells([row["parameters"][x] for row in scored])
    up, y_labels = _cells([row["parameters"][y] for row in scored])
    table = np.full((len(y_labels), len(x_labels)), np.nan)
    for i, j, row in zip(up, across, scored):
        if np.isnan(table[i, j]) or (row["score"] > table[i, j]) == maximize:
            table[i, j] = row["score"]
    if figure is None:
        figure = shown_figure()
    figure.set_size_inches(max(4.8, 0.85 * len(x_labels) + 2.2), max(3.2, 0.55 * len(y_labels) + 1.6))
    axes = figure.subplots()
    axes.set_facecolor("#f2f2f2")
    image = axes.imshow(table, cmap="viridis" if maximize else "viridis_r", aspect="auto", origin="lower")
    low, high = float(np.nanmin(table)), float(np.nanmax(table))
    best = np.argwhere(table == (high if maximize else low))[0]
    for i, j in np.argwhere(~np.isnan(table)):
        value = float(table[i, j])
        share = (value - low) / ((high - low) or 1.0)
        dark = (share if maximize else 1.0 - share) < 0.6
        axes.text(j, i, f"{value:.4g}", ha="center", va="center", fontsize=9, color="white" if dark else "black",
                  weight="bold" if (i, j) == tuple(best) else "normal")  # fmt: skip
    axes.add_patch(_frame(best))
    turned = {"rotation": 25, "ha": "right", "rotation_mode": "anchor"} if max(map(len, x_labels)) > 9 else {}
    axes.set_xticks(range(len(x_labels)), x_labels, fontsize=9, **turned)
    axes.set_yticks(range(len(y_labels)), y_labels, fontsize=9)
    axes.set_xlabel(x.replace("_", " "), color=GRAY, fontsize=9)
    axes.set_ylabel(y.replace("_", " "), color=GRAY, fontsize=9)
    axes.tick_params(length=0, labelcolor=GRAY)
    axes.spines[:].set_visible(False)
    axes.set_title(title or f"best {metric.replace('_', ' ')}", fontsize=11, loc="left")
    bar = figure.colorbar(image, ax=axes)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelcolor=GRAY, labelsize=8)
    return figure


def _frame(cell: Any) -> Any:
    patches = load("matplotlib.patches", purpose="a figure")
    return patches.Rectangle((cell[1] - 0.5, cell[0] - 0.5), 1, 1, fill=False, edgecolor="#d55e00", linewidth=2.4)


def _cells(values: list[Any]) -> tuple[list[int], list[str]]:
    """Return which column or row each value belongs to, and their labels."""
    plain = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    different = sorted(set(values)) if plain else list(dict.fromkeys(map(str, values)))
    if not plain or len(different) <= MOST:
        place = {value: i for i, value in enumerate(different)}
        labels = [f"{v:.4g}" if isinstance(v, float) else str(v)[:16] for v in different]
        return [place[v if plain else str(v)] for v in values], labels
    low, high = float(different[0]), float(different[-1])
    log = low > 0 and high / low >= LOGARITHMIC_FROM
    edges = np.geomspace(low, high, BINS + 1) if log else np.linspace(low, high, BINS + 1)
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, BINS - 1)
    return [int(b) for b in bins], [f"{_short(a)}–{_short(b)}" for a, b in itertools.pairwise(edges)]


def _short(value: float) -> str:
    """Return a number with two digits, or all digits before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"
