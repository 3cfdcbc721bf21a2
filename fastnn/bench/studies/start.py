"""``start``: seconds of whole processes, from the start of Python to its end.

An import, or a program of ``fastnn.bench.scripts`` that trains a network as a user writes it. "warm" finds compiled
code on disk, as from the second process on; "cold" gets an empty folder for it. Only fastnn keeps any: JAX compiles in
every process, as it does unless told otherwise. The programs of a task take turns, the best counts, and a network that
has not learned its samples fails the study.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastnn.bench import machine
from fastnn.bench.studies import processes
from fastnn.bench.studies.findings import Column, Findings, Settings, select
from fastnn.bench.threads import set_environment
from fastnn.errors import FastnnError
from fastnn.optional import installed

IMPORTED_BY = {"jax": "jax", "torch": "torch", "scikit-learn": "sklearn"}
"""Peers and what they import."""

LEARNED = 0.95
"""Share of its samples that a trained network has right."""


@dataclass(frozen=True)
class Task:
    """Programs to be compared.

    Attributes
    ----------
    name : str
    title : str
    systems : tuple of str
        Ours first; each has a program.
    cold : bool
        Whether every process gets an empty folder for compiled code.
    peers : tuple of str
        Systems that fastnn is compared with.
    target : float or None
        Aim: the most that (time of fastnn) / (time of the best of ``peers``) may be.
    """

    name: str
    title: str
    systems: tuple[str, ...]
    cold: bool
    peers: tuple[str, ...]
    target: float | None = None

    def command(self, system: str) -> list[str]:
        """Return the command line of a system's program, without the interpreter."""
        if self.name == "import":
            return ["-c", "pass" if system == "python" else f"import {system}"]
        script = self.name.removesuffix("-cold").removesuffix("-warm")
        return [str(processes.SCRIPTS / f"{script}_{system.replace('-', '_')}.py")]


TASKS: tuple[Task, ...] = (
    Task("import", "import, nothing else", ("fastnn", "numpy", "python"), False, ("numpy",), 1.3),
    Task("xor-warm", "XOR trained, compiled code on disk",
         ("fastnn", "fastnn-tutorial", "jax", "torch", "scikit-learn"), False, ("jax", "torch", "scikit-learn"), 1.0),
    Task("dense-warm", "784-128-10 trained, compiled code on disk", ("fastnn", "jax", "torch"), False, ("jax",)),
    Task("dense-cold", "784-128-10 trained, nothing on disk", ("fastnn", "jax", "torch"), True, ("jax",), 3.0),
    Task("lenet-warm", "LeNet-5 trained, compiled code on disk", ("fastnn", "jax", "torch"), False, ("jax",)),
    Task("lenet-cold", "LeNet-5 trained, nothing on disk", ("fastnn", "jax", "torch"), True, ("jax",), 4.0),
)  # fmt: skip


@contextlib.contextmanager
def folder(cold: bool) -> Iterator[str | None]:
    """Yield an empty folder that goes away again, None where it is not to be cold."""
    if not cold:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="fastnn-start-") as path:
        yield path


def measure(settings: Settings) -> Findings:
    """Run the programs of every task in turns."""
    threads = settings.threads or 2
    notes = set_environment(threads)
    os.environ["NUMBA_NUM_THREADS"] = str(threads)
    chosen = select(settings.rows, {task.name: task for task in TASKS})
    missing = [name for name, package in IMPORTED_BY.items() if not installed(package)]
    notes += [f"{name}: not installed" for name in missing]
    lines: list[dict[str, Any]] = []
    failures: list[str] = []
    for task in chosen:
        settings.progress(task.name)
        wanted = [s for s in task.systems if settings.systems is None or s in settings.systems]
        wanted = [s for s in wanted if s not in missing]
        taken: dict[str, list[float]] = {}
        turns = settings.turns or (1 if settings.quick else 3 if task.cold else 9)
        if not task.cold:  # the first process of each compiles, and reads files from the disk
            wanted = [system for system in wanted if _run(task, system, failures) is not None]
        for _ in range(turns):
            for system in wanted:
                found = _run(task, system, failures)
                if found is not None:
                    taken.setdefault(system, []).append(found)
        lines += _lines(task, {system: min(times) for system, times in taken.items()})
    columns = [
        Column("title", "task"), Column("system", "program"), Column("seconds", "seconds", "{:.3f}"),
        Column("ratio", "times the peer", "{:.2f}x"), Column("peer", "peer"), Column("target", "at most", "{:g}x"),
    ]  # fmt: skip
    described = machine.describe(threads, settings.turns or 9)
    return Findings(
        "start", "seconds of whole processes", columns, lines, described, notes, list(dict.fromkeys(failures))
    )


def seconds_of(task: Task, system: str) -> float:
    """Return the seconds of one process.

    Raises
    ------
    FastnnError
        If it failed or its network has not learned.
    """
    with folder(task.cold) as cache:
        taken, printed = processes.run(task.command(system), **({"NUMBA_CACHE_DIR": cache} if cache else {}))
    if task.name != "import" and float(printed) < LEARNED:
        raise FastnnError(f"the network of {system} has {float(printed):.0%} of its samples right")
    return taken


def _run(task: Task, system: str, failures: list[str]) -> float | None:
    """Return the seconds of one process; None and a line in ``failures`` where it failed."""
    try:
        return seconds_of(task, system)
    except FastnnError as error:
        failures.append(f"{task.name}: {error}")
        return None


def _lines(task: Task, best: dict[str, float]) -> list[dict[str, Any]]:
    timed = {system: best[system] for system in task.peers if system in best}
    peer = min(timed, key=lambda system: timed[system]) if timed else None
    lines = []
    for system, taken in best.items():
        compared = peer if system.startswith("fastnn") else None
        lines.append({
            "task": task.name, "title": task.title, "system": system, "seconds": taken, "peer": compared,
            "ratio": taken / best[compared] if compared else None, "target": task.target if compared else None,
        })  # fmt: skip
    return lines


def draw(findings: Findings, figure: Any) -> None:
    """Draw one bar a process, those of a task together, ours in another color."""
    from fastnn.plots.figure import BLUE, GRAY, light_axes

    lines = findings.lines[::-1]
    figure.set_size_inches(8.0, 1.2 + 0.3 * len(lines))
    axes = figure.add_subplot()
    ours = [line["system"].startswith("fastnn") for line in lines]
    bars = axes.barh(range(len(lines)), [line["seconds"] for line in lines], color=[BLUE if o else GRAY for o in ours])
    axes.bar_label(bars, [f"{line['seconds']:.3g} s" for line in lines], padding=3, fontsize=8)
    axes.set_yticks(range(len(lines)), [f"{line['task']}: {line['system']}" for line in lines], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("seconds of the whole process")
    light_axes(axes)
