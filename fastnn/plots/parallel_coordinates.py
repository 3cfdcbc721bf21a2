"""Trials of a search as lines across one axis a parameter, the score last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.optional import load
from fastnn.plots.figure import GRAY, shown_figure

Row = dict[str, Any]

LOGARITHMIC_FROM = 12.0
"""Positive values whose greatest is so many times the least stand on a logarithmic axis."""
MOST_TICKS = 9
SPREAD = 0.05
"""Lines that pass through one value are drawn next to each other, at most so far from it."""


def parallel_coordinates(rows: Sequence[Row], metric: str, *, maximize: bool = False, title: str | None = None,
                         figure: Any = None) -> Any:  # fmt: skip
    """Draw each trial as a line through its parameters to its score, better ones darker and on top.

    Parameters
    ----------
    rows : sequence of dict
        With ``parameters``, ``score`` and ``status``, as ``SearchResults.rows``; those without a score are left out.
        Parameters that do not vary are too.
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
        If fewer than two trials have a score.
    MissingPackageError
        If matplotlib is not installed.
    """
    scored = scored_rows(rows)
    if len(scored) < 2:
        raise InvalidValueError(f"parallel_coordinates draws at least 2 trials with a score, got {len(scored)}")
    names = [n for n in scored[0]["parameters"] if len({str(row["parameters"].get(n)) for row in scored}) > 1]
    columns = [Axis([row["parameters"].get(name) for row in scored]) for name in names]
    columns.append(Axis([row["score"] for row in scored], numbers=True, log=not maximize))
    if figure is None:
        figure = shown_figure()
    figure.set_size_inches(max(6.4, 1.7 * len(columns) + 1.2), 4.4)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-0.35, len(columns) - 0.55)
    axes.set_ylim(-0.13, 1.16)
    order = sorted(range(len(scored)), key=lambda i: scored[i]["score"], reverse=not maximize)
    colors = load("matplotlib", purpose="a figure").colormaps["viridis_r"]
    for place, i in enumerate(order):  # the best one comes last, on top of the others
        share = place / (len(order) - 1)
        apart = SPREAD * (share - 0.5)
        heights = [column.heights[i] + (apart if column.stepped else 0.0) for column in columns]
        best = place == len(order) - 1
        axes.plot(range(len(columns)), heights, color=colors(0.08 + 0.84 * share), alpha=1.0 if best else 0.65,
                  linewidth=2.8 if best else 1.2, solid_joinstyle="round")  # fmt: skip
    for at, (name, column) in enumerate(zip([*names, metric], columns)):
        axes.plot([at, at], [0, 1], color="#909090", linewidth=1.0, zorder=3)
        axes.text(at, 1.06, name.replace("_", " "), ha="center", va="bottom", fontsize=10)
        for text, height in column.ticks:
            axes.plot([at - 0.03, at], [height, height], color="#909090", linewidth=1.0, zorder=3)
            axes.text(at - 0.06, height, text, ha="right", va="center", fontsize=8.5, color=GRAY, zorder=4,
                      bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.8})  # fmt: skip
    better = "higher" if maximize else "lower"
    axes.text(len(columns) - 1, -0.05, f"{better} is better;\nthe best is thick", ha="center", va="top", fontsize=8,
              color=GRAY)  # fmt: skip
    if title:
        figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    return figure


def scored_rows(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that have a score."""
    return [row for row in rows if row.get("status", "ok") == "ok" and row.get("score") is not None]


class Axis:
    """Heights in [0, 1] of values on one axis, and where its labels stand: numbers to scale, other things in turn."""

    def __init__(self, values: Sequence[Any], *, numbers: bool = False, log: bool = True) -> None:
        plain = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        different = sorted(set(values)) if plain else list(dict.fromkeys(map(str, values)))
        self.stepped = not (plain and (numbers or len(different) > MOST_TICKS))
        if not self.stepped:
            self._to_scale([float(v) for v in values], log)
        else:  # few values: one step each, so that 1e-4, 1e-3 and 1 do not lie on one another
            steps = max(1, len(different) - 1)
            places = {value: i / steps if len(different) > 1 else 0.5 for i, value in enumerate(different)}
            self.heights = [places[v if plain else str(v)] for v in values]
            shown = list(places.items()) if len(places) <= MOST_TICKS else list(places.items())[:: -(-steps // 8)]
            self.ticks = [(f"{v:.4g}" if isinstance(v, float) else str(v)[:14], place) for v, place in shown]

    def _to_scale(self, values: list[float], allowed: bool) -> None:
        low, high = min(values), max(values)
        log = allowed and low > 0 and high / low >= LOGARITHMIC_FROM
        ticker = load("matplotlib.ticker", purpose="a figure")
        scale: Any = np.log10 if log else float
        locator = ticker.LogLocator(subs=(1.0,) if high / low >= 1000 else (1.0, 3.0)) if log else (
            ticker.MaxNLocator(5, steps=[1, 2, 2.5, 5, 10])
        )  # fmt: skip
        start, extent = scale(low), (scale(high) - scale(low)) or 1.0
        self.heights = [float((scale(v) - start) / extent) for v in values]
        ticks = [float(t) for t in locator.tick_values(low, high) if low <= t <= high]
        self.ticks = [(f"{t:.4g}", float((scale(t) - start) / extent)) for t in ticks]
