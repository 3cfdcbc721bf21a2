"""``width``: square dense layers of 16 to 2048 units, as a share of the matrix product's rate.

The network has two layers, n - n - n, so that one gradient goes back through a layer; a step is forward, backward and
SGD, as in every training row of the table, whose machinery measures it: results compared, turns interleaved, the matrix
product (sgemm or dgemm, 1024 x 1024) in the same turns.
"""

from __future__ import annotations

from typing import Any

from fastnn.bench.result import OURS, Row
from fastnn.bench.studies.findings import Column, Findings, Settings, select
from fastnn.bench.table import fill
from fastnn.bench.workloads import Workload

WIDTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)
BATCHES = (32, 128, 1024)
SYSTEMS = ("fastnn", "torch", "jax-step", "jax-scan")

BEHIND = 0.9
"""Aim: never below this share of the best peer's speed."""


def workload(width: int, batch: int, dtype: str) -> Workload:
    """Return the row of a width and a batch."""
    return Workload(
        f"{width}x{batch}", f"{width}-{width}-{width} relu, batch {batch}, SGD", "train", (width,) * 3, dtype,
        hidden="relu", output="linear", loss="mean_squared_error", learning_rate=0.01, batch=batch,
        batches=8 if width * batch <= 2**17 else 2, target=BEHIND, tolerance=1e-5 if dtype == "float32" else 1e-9,
    )  # fmt: skip


def measure(settings: Settings) -> Findings:
    """Measure every width at every batch; ``rows`` are names such as ``"512x128"``."""
    rows = {row.name: row for batch in BATCHES for row in (workload(n, batch, settings.dtype) for n in WIDTHS)}
    systems = select(settings.systems, {name: name for name in SYSTEMS}, "system")
    result = fill(
        select(settings.rows, rows), systems, settings.threads or 2, settings.quick, settings.turns, settings.progress
    )
    shown = [name for name in SYSTEMS if name in result.systems]
    columns = [
        Column("name", "width x batch"),
        *(Column(f"{name} share", name, "{:.0%}") for name in shown),
        Column("ratio", "best peer / fastnn", "{:.2f}x"), Column("best_peer", "best peer"),
        Column("gflops", "product, GFLOP/s", "{:.0f}"),
    ]  # fmt: skip
    failures = [f"{row.workload.name}: {name} differs" for row in result.rows for name, e in row.entries.items()
                if not e.agrees]  # fmt: skip
    failures += [f"{row.workload.name}: {OURS}: {row.entries[OURS].error}" for row in result.rows
                 if OURS in row.entries and row.entries[OURS].error]  # fmt: skip
    title = f"share of the matrix product's rate, forward, backward and SGD, {settings.dtype}"
    return Findings(
        "width", title, columns, [_line(row) for row in result.rows], result.machine, result.notes, failures
    )


def _line(row: Row) -> dict[str, Any]:
    times = {name: row.seconds(name) for name in row.entries}
    return {
        "name": row.workload.name, "width": row.workload.sizes[0], "batch": row.workload.batch,
        "dtype": row.workload.dtype, "gflops": row.gflops, "best_peer": row.best_peer, "ratio": row.ratio,
        "aim": BEHIND,
        **{f"{name} us": None if t is None else t * 1e6 for name, t in times.items()},
        **{f"{name} share": None if t is None or row.floor is None else row.floor / t for name, t in times.items()},
    }  # fmt: skip


def draw(findings: Findings, figure: Any) -> None:
    """Draw a panel for each batch, a curve for each system over the width."""
    from fastnn.plots.figure import COLORS, MARKERS, legend, light_axes

    batches = sorted({line["batch"] for line in findings.lines})
    figure.set_size_inches(1.0 + 3.6 * len(batches), 3.6)
    panels = figure.subplots(1, len(batches), sharey=True, squeeze=False)[0]
    keys = [column.key for column in findings.columns if column.key.endswith(" share")]
    for axes, batch in zip(panels, batches):
        lines = [line for line in findings.lines if line["batch"] == batch]
        for key, color, marker in zip(keys, COLORS, MARKERS):
            points = [(line["width"], 100 * line[key]) for line in lines if line.get(key) is not None]
            axes.plot(*zip(*points), color=color, marker=marker, markersize=4, label=key.removesuffix(" share"))
        axes.set_xscale("log", base=2)
        widths = sorted({line["width"] for line in lines})
        axes.set_xticks(widths, [str(n) for n in widths], fontsize=8)
        axes.set_title(f"batch {batch}", fontsize=9)
        axes.set_xlabel("units of each layer")
        light_axes(axes)
    panels[0].set_ylabel("% of the matrix product's rate")
    panels[0].set_ylim(bottom=0.0)
    legend(panels[0], loc="upper left")
