"""``threads``: rows of the table with 1, 2, ... threads, and how many times faster than with 1.

Each number of threads is a process of its own, for some libraries choose theirs once; the processes take turns, the
best counts.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from fastnn.bench import machine
from fastnn.bench.studies import processes
from fastnn.bench.studies.findings import Column, Findings, Settings

ROWS = ("mnist-small", "mnist-large", "wide", "regression", "lenet", "lstm", "predict-60000", "sigmoid-float32")
"""Measured unless others are asked for; the first three are those that the target is stated for, and their kin."""

TARGETS = {"mnist-small": 1.8, "mnist-large": 1.8}
"""Aim from 1 to 2 threads."""


def counts(most: int) -> list[int]:
    """Return 1, 2, 3, 4 and then powers of two up to ``most``, which is the last.

    Examples
    --------
    >>> counts(12)
    [1, 2, 3, 4, 8, 12]
    """
    return sorted({n for n in (1, 2, 3, 4, 8, 16, 32, 64, 128) if n < most} | {most})


def measure(settings: Settings) -> Findings:
    """Run the rows with every number of threads."""
    most = settings.threads or machine.cores()
    rows, systems = settings.rows or list(ROWS), settings.systems or ["fastnn"]
    best: dict[tuple[str, str, int], float] = {}
    about: dict[str, Any] = {}
    failures: list[str] = []
    for turn in range(1 if settings.quick else 2):
        for threads in counts(most):
            settings.progress(f"{threads} threads, turn {turn + 1}")
            about = _process(settings, threads, rows, systems)
            for row in about["rows"]:
                for system, entry in row["systems"].items():
                    key = row["title"], system, threads
                    if entry["us"] is not None:
                        best[key] = min(best.get(key, float("inf")), entry["us"])
                    elif entry["error"] or not entry["agrees"]:
                        failures.append(
                            f"{row['name']}: {system} with {threads} threads: {entry['error'] or 'differs'}"
                        )
    lines = []
    for row in about["rows"]:
        for system in systems:
            times = {n: best.get((row["title"], system, n)) for n in counts(most)}
            lines.append(_line(row, system, times))
    columns = [
        Column("title", "row"), Column("system", "system"), Column("us 1", "us, 1 thread", "{:,.3g}"),
        *(Column(f"speedup {n}", f"{n} threads", "{:.2f}x") for n in counts(most)[1:]),
        Column("target", "aim for 2", "{:g}x"),
    ]  # fmt: skip
    described = {**about["machine"], "threads": f"1 to {most}"}
    failures = list(dict.fromkeys(failures))
    return Findings("threads", "times faster than one thread", columns, lines, described, about["notes"], failures)


def _process(settings: Settings, threads: int, rows: list[str], systems: list[str]) -> dict[str, Any]:
    """Return what ``fastnn bench`` writes with a number of threads."""
    with tempfile.TemporaryDirectory(prefix="fastnn-threads-") as folder:
        file = Path(folder) / "bench.json"
        options = [
            *(["--quick"] if settings.quick else []),
            *(["--turns", str(settings.turns)] if settings.turns else []),
        ]
        command = ["-m", "fastnn.bench.command", "--threads", str(threads), *options, "--json", str(file)]
        processes.run([*command, "--rows", *rows, "--systems", *systems])
        found: dict[str, Any] = json.loads(file.read_text())
    return found


def _line(row: dict[str, Any], system: str, times: dict[int, float | None]) -> dict[str, Any]:
    one = times[1]
    return {
        "name": row["name"], "title": row["title"], "system": system, "target": TARGETS.get(row["name"]),
        **{f"us {n}": us for n, us in times.items()},
        **{f"speedup {n}": one / us if one and us else None for n, us in times.items()},
    }  # fmt: skip


def draw(findings: Findings, figure: Any) -> None:
    """Draw a curve for each row, beside the line of perfect speed-up."""
    from fastnn.plots.figure import COLORS, GRAY, MARKERS, legend, light_axes

    figure.set_size_inches(7.0, 5.0)
    axes = figure.add_subplot()
    most = 1
    for place, line in enumerate(findings.lines):
        points = [(int(key.split()[1]), value) for key, value in line.items() if key.startswith("speedup ") and value]
        if points:
            most = max(most, *(n for n, _ in points))
            color, marker = COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)]
            axes.plot(*zip(*points), color=color, marker=marker, label=f"{line['name']} {line['system']}")
    axes.plot([1, most], [1, most], color=GRAY, linewidth=0.8, linestyle="--")
    axes.set_xlabel("threads")
    axes.set_ylabel("times faster than with one")
    light_axes(axes)
    legend(axes)
