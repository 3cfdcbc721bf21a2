"""``scale``: time a sample as the data grow, and memory of an epoch over data that stay on disk.

- Time: 64-64-10, batch 128, Adam, shuffled, with 1000 to 1,000,000 rows in memory, as many samples each in whole
  epochs. Sizes take turns, the best counts.
- Memory: one epoch of 784-128-10 over a memory-mapped file of 4 GB (``--size``), in a process of its own. What counts
  is its anonymous memory at the most, above what it was before the epoch: a copy of X would show in it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.bench import machine
from fastnn.bench.peers.ours import set_threads
from fastnn.bench.runner import Runner
from fastnn.bench.studies import processes
from fastnn.bench.studies.findings import Column, Findings, Settings, select
from fastnn.bench.threads import set_environment
from fastnn.bench.timing import Contestant, take_turns
from fastnn.layers import Dense
from fastnn.models import Sequential

ROWS = (1_000, 10_000, 100_000, 1_000_000)
FEATURES, HIDDEN, CLASSES, BATCH = 64, 64, 10, 128
MAPPED_FEATURES = 784

SHARE, CONSTANT = 0.1, 64e6
"""Aim: an epoch takes no more anonymous memory than this share of X, and so many bytes."""

PARTS = ("time", "memory")


def measure(settings: Settings) -> Findings:
    """Measure both parts; ``rows`` chooses among "time" and "memory"."""
    threads = settings.threads or 2
    parts = select(settings.rows, {part: part for part in PARTS})
    notes = set_environment(threads)
    lines, failures = [], []
    if "time" in parts:
        settings.progress("time a sample")
        lines += _times(ROWS[:-1] if settings.quick else ROWS, threads, settings)
    if "memory" in parts:
        gigabytes = settings.size or (0.1 if settings.quick else 4.0)
        settings.progress(f"memory of an epoch over {gigabytes:g} GB")
        if sys.platform != "linux":
            notes.append("memory is read from Linux' /proc, which is not here")
        else:
            line = _memory(gigabytes, threads)
            lines.append(line)
            if line["most_mb"] > line["limit_mb"]:
                failures.append(f"an epoch over a file took {line['most_mb']:.0f} MB, more than {line['limit_mb']:.0f}")
    columns = [
        Column("title", "what"), Column("samples", "samples", "{:,}"), Column("ns", "ns a sample", "{:,.0f}"),
        Column("ratio", "times the fastest", "{:.2f}x"), Column("data_mb", "X, MB", "{:,.0f}"),
        Column("most_mb", "memory taken, MB", "{:,.1f}"), Column("limit_mb", "at most", "{:,.0f}"),
    ]  # fmt: skip
    described = machine.describe(threads, settings.turns or 5)
    return Findings("scale", "time and memory as data grow", columns, lines, described, notes, failures)


def _times(sizes: tuple[int, ...], threads: int, settings: Settings) -> list[dict[str, Any]]:
    set_threads(threads)
    rng = np.random.default_rng(0)
    X = rng.random((sizes[-1], FEATURES), np.float32)
    labels = rng.integers(0, CLASSES, sizes[-1])
    contestants = [Contestant(_training(X[:n], labels[:n]), n, steps=sizes[-1]) for n in sizes]
    take_turns(contestants, settings.turns or (1 if settings.quick else 5))
    fastest = min(c.best for c in contestants)
    return [
        {"part": "time", "title": "in memory", "samples": n, "ns": c.best * 1e9, "ratio": c.best / fastest,
         "data_mb": 4e-6 * n * FEATURES}
        for n, c in zip(sizes, contestants)
    ]  # fmt: skip


def _training(X: Any, labels: Any) -> Runner:
    """Return a runner whose step is a sample; so many are whole epochs."""
    model = Sequential([Dense(HIDDEN, activation="relu"), Dense(CLASSES, activation="softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")

    def run(samples: int) -> None:
        model.fit(X, labels, epochs=samples // len(X), batch_size=BATCH, verbose=0)

    return Runner(run, model.get_weights)


def _memory(gigabytes: float, threads: int) -> dict[str, Any]:
    samples = int(gigabytes * 1e9) // (4 * MAPPED_FEATURES)
    with tempfile.TemporaryDirectory(prefix="fastnn-scale-") as folder:
        file = Path(folder) / "X.float32"
        _write(file, samples)
        script = str(processes.SCRIPTS / "mapped_fastnn.py")
        command = [script, str(file), str(samples), str(MAPPED_FEATURES)]
        _, printed = processes.run(command, NUMBA_NUM_THREADS=str(threads))
    found = json.loads(printed)
    size = 4 * samples * MAPPED_FEATURES
    return {
        "part": "memory", "title": "in a file, memory-mapped", "samples": samples,
        "ns": found["seconds"] / samples * 1e9, "data_mb": size * 1e-6,
        "most_mb": (found["most"] - found["before"]) * 1e-6, "limit_mb": (SHARE * size + CONSTANT) * 1e-6,
        "before_mb": found["before"] * 1e-6, "file_pages_mb": found["file"] * 1e-6,
    }  # fmt: skip


def _write(file: Path, samples: int) -> None:
    """Write samples, some thousands of them over and over."""
    block = np.random.default_rng(1).random((16_384, MAPPED_FEATURES), np.float32)
    with file.open("wb") as stream:
        for start in range(0, samples, len(block)):
            block[: samples - start].tofile(stream)


def draw(findings: Findings, figure: Any) -> None:
    """Draw time a sample over the number of rows."""
    from fastnn.plots.figure import BLUE, light_axes

    figure.set_size_inches(6.0, 4.0)
    axes = figure.add_subplot()
    lines = [line for line in findings.lines if line["part"] == "time"]
    axes.plot([line["samples"] for line in lines], [line["ns"] for line in lines], color=BLUE, marker="o")
    axes.set_xscale("log")
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("rows")
    axes.set_ylabel("ns a sample, one epoch after the other")
    light_axes(axes)
