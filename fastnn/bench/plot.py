"""The ratios as a bar chart: times faster than the best peer, on a logarithmic scale, targets marked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fastnn.plots.figure import BLUE, ORANGE, new_figure

if TYPE_CHECKING:
    from fastnn.bench.result import BenchResult


def plot_ratios(result: BenchResult, path: str | Path) -> None:
    """Write a PNG with one bar a row: the time of the peer that the target names divided by fastnn's.

    Rows without a ratio (no peer, or fastnn could not run) have no bar but keep their place.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    """
    rows = result.rows[::-1]
    figure = new_figure(figsize=(9.0, 1.4 + 0.45 * len(rows)))
    axes = figure.add_subplot()
    for y, row in enumerate(rows):
        if row.reached is not None:
            color = BLUE if row.reached >= 1.0 else ORANGE
            axes.barh(y, row.reached - 1.0, left=1.0, color=color)
            text = f" {row.reached:.2f}x {row.target_peer} "
            if row.best_peer != row.target_peer:
                text += f"({row.ratio:.2f}x {row.best_peer}) "
            axes.annotate(text, (max(row.reached, 1.0), y), va="center", fontsize=8)
        if row.workload.target is not None:
            axes.plot([row.workload.target] * 2, [y - 0.45, y + 0.45], color="black", linewidth=1.5)
    axes.axvline(1.0, color="gray", linewidth=0.8)
    shown = [v for row in rows for v in (row.reached, row.workload.target, 1.0) if v is not None]
    axes.set_xscale("log")
    axes.set_xlim(min(shown, default=1.0) / 1.5, max(shown, default=1.0) * 8.0)
    axes.set_yticks(range(len(rows)), [row.workload.title for row in rows], fontsize=8)
    axes.set_xlabel("time of the peer / time of fastnn (black: target)")
    axes.set_title(f"{result.machine['threads']} threads, {result.machine['cpu']}", fontsize=9)
    figure.savefig(path, dpi=120, format="png")
