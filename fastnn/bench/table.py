"""Filling the table: prepare every system for a row, check that they agree, put them on the stopwatch.

A system that cannot do a row, is not installed or fails says so in its cell; the table always comes out.
"""

from __future__ import annotations

import importlib
import importlib.util
import statistics
from collections.abc import Callable
from typing import Any

from fastnn.bench import data, floor, machine
from fastnn.bench.peers import SYSTEMS
from fastnn.bench.result import OURS, BenchResult, Entry, Row
from fastnn.bench.runner import NotOffered, Runner
from fastnn.bench.threads import limit_blas, set_environment
from fastnn.bench.timing import Contestant, calibrate, take_turns
from fastnn.bench.workloads import Workload, select
from fastnn.errors import InvalidValueError, unknown_name

LONGEST = 10.0
"""Seconds after which a row gets no further turn, once each system has had three."""


def run(
    rows: list[str] | None = None,
    systems: list[str] | None = None,
    threads: int = 2,
    quick: bool = False,
    turns: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> BenchResult:
    """Measure fastnn and its peers side by side.

    Parameters
    ----------
    rows : list of str, optional
        Names of rows (``fastnn.bench.WORKLOADS``); all by default.
    systems : list of str, optional
        Names of systems (``fastnn.bench.SYSTEMS``); by default fastnn and every usual peer that is installed.
    threads : int
        Threads for every system.
    quick : bool
        Short turns and few of them: to see that everything runs, not to quote.
    turns : int, optional
        Turns of each system on each row; 2 when quick, else 9. Rows whose turns are long get fewer, at least 3.
    progress : callable, optional
        Called with the name of each row as it begins.

    Returns
    -------
    BenchResult
        Best time of each system on each row, ratios, floors.

    Raises
    ------
    UnknownNameError
        A row or a system that does not exist.
    InvalidValueError
        ``threads`` or ``turns`` below 1.
    """
    return fill(select(rows), systems, threads, quick, turns, progress)


def fill(
    workloads: list[Workload],
    systems: list[str] | None = None,
    threads: int = 2,
    quick: bool = False,
    turns: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> BenchResult:
    """Measure rows of one's own; everything else is as for ``run``."""
    names = [n for n, s in SYSTEMS.items() if s.default] if systems is None else list(dict.fromkeys(systems))
    for name in names:
        if name not in SYSTEMS:
            raise unknown_name("benchmark system", name, SYSTEMS)
    turns = (2 if quick else 9) if turns is None else turns
    if threads < 1 or turns < 1:
        raise InvalidValueError(f"got threads={threads}, turns={turns}; both must be at least 1")
    at_least = 0.005 if quick else 0.04
    notes = set_environment(threads)
    modules: dict[str, Any] = {}
    for name in names:
        modules[name] = _import(name, notes)
    limits, remarks = limit_blas(threads)
    table = []
    with limits:
        for workload in workloads:
            if progress is not None:
                progress(workload.name)
            table.append(_row(workload, modules, threads, turns, at_least))
    shown = [n for n in names if modules[n] is not None]
    return BenchResult(table, shown, machine.describe(threads, turns), notes + remarks)


def _import(name: str, notes: list[str]) -> Any:
    """Return the peer's module, or None with a note when its library is missing."""
    system = SYSTEMS[name]
    if importlib.util.find_spec(system.imports) is None:
        notes.append(f"{name}: not installed (pip install {system.distribution})")
        return None
    try:
        return importlib.import_module(f"fastnn.bench.peers.{system.module}")
    except ImportError as error:
        notes.append(f"{name}: cannot be imported: {error}")
        return None


def _row(workload: Workload, modules: dict[str, Any], threads: int, turns: int, at_least: float) -> Row:
    problem = data.problem(workload)
    entries: dict[str, Entry] = {}
    contestants: dict[str, Contestant] = {}
    results: dict[str, Any] = {}
    for name, module in modules.items():
        if module is None:
            entries[name] = Entry(note="not installed")
            continue
        entry = entries[name] = Entry()
        # A peer's failure, whatever it is, belongs in its cell: the other columns are still worth having.
        try:
            runner = _prepare(module, workload, problem, threads)
            results[name] = data.kept(workload, runner.result())
            contestant = Contestant(runner, workload.unit)
            if workload.epochs is None:
                calibrate(contestant, at_least)
            else:
                contestant.steps = workload.epochs * workload.batches
        except NotOffered as reason:
            entry.note = str(reason)
            continue
        except Exception as error:
            entry.error = f"{type(error).__name__}: {error}"
            continue
        entry.note = runner.note
        contestants[name] = contestant
    _compare(workload, problem, entries, results)
    floors = [(each, Contestant(each.runner, 1)) for each in floor.floors(workload, problem, threads)]
    for _, yardstick in floors:
        yardstick.runner.run(1)
        calibrate(yardstick, at_least)
    take_turns([*contestants.values(), *(yardstick for _, yardstick in floors)], turns, LONGEST)
    whole = 1 if workload.epochs is None else workload.epochs * workload.batches
    for name, contestant in contestants.items():
        entries[name].seconds = contestant.best * whole
        entries[name].spread = statistics.median(contestant.seconds) / contestant.best
        entries[name].turns = len(contestant.seconds)
    found = {each.name: yardstick.best * each.share * whole for each, yardstick in floors}
    row = Row(workload, entries, found)
    if workload.flops:
        row.gflops = whole * workload.flops / found["products"] * 1e-9
    return row


def _prepare(module: Any, workload: Workload, problem: data.Problem, threads: int) -> Runner:
    """Return a runner that has done its first steps: compiled, warm, its result ready to be compared."""
    make = getattr(module, workload.kind, None)
    if make is None:
        raise NotOffered(f"does not do '{workload.kind}'")
    runner: Runner = make(workload, problem, threads)
    runner.reset()
    runner.run(workload.unit)
    return runner


def _compare(workload: Workload, problem: data.Problem, entries: dict[str, Entry], results: dict[str, Any]) -> None:
    """Compare every result with fastnn's (the first system's where fastnn has none)."""
    if not results:
        return
    prints = {name: data.fingerprint(workload, result) for name, result in results.items()}
    reference = OURS if OURS in results else next(iter(results))
    for name, values in prints.items():
        entry = entries[name]
        entry.difference = data.difference(values, prints[reference])
        entry.agrees = entry.difference <= workload.tolerance
        if workload.trains:
            entry.loss = float(values[0])
            entry.apart = data.apart(results[name], results[reference], problem.weights)
            entry.agrees = entry.agrees and entry.apart <= workload.weights_tolerance
