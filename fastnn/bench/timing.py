"""The stopwatch: systems take turns, the best of several turns counts.

Turns are interleaved (A B C A B C), so a busy spell of the machine falls on all of them. A turn lasts at
least some tens of milliseconds and is preceded by a short pause and an untimed run, for the previous
system's threads may spin for a while and its data fill the caches.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fastnn.bench.runner import Runner

PAUSE = 0.15
"""Seconds between two turns: OpenBLAS's idle threads look for work for some 100 ms, and whoever came next would share
its cores with them (784-128-10: 800 us a step instead of 400)."""

LEAST_TURNS = 3
"""Turns that a contestant gets however long they are."""

LONG = 10
"""A unit that lasts this many times the least length of a turn is a turn by itself."""

MOST_STEPS = 10**8
"""Where calibration gives up on work that takes no time."""


@dataclass
class Contestant:
    """A runner on the stopwatch.

    Attributes
    ----------
    runner : Runner
        What runs.
    unit : int
        Steps come in multiples of this.
    steps : int
        Steps in one turn.
    seconds : list of float
        Time of each turn, in seconds a step.
    """

    runner: Runner
    unit: int
    steps: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """Seconds a step in the best turn."""
        return min(self.seconds)


def clock(run: Callable[[int], None], steps: int) -> float:
    """Return the seconds that ``run(steps)`` takes."""
    start = time.perf_counter()
    run(steps)
    return time.perf_counter() - start


def calibrate(contestant: Contestant, at_least: float) -> None:
    """Choose the number of steps so that a turn lasts ``at_least`` seconds; the runner is warm already.

    A turn is two units at least, unless one is long: a single unit is timed from a reset on, and so holds what a system
    prepares (see ``_turn``).
    """
    contestant.runner.reset()
    multiple = 1
    while True:
        # the better of two: one interrupted run would leave a turn too short to measure anything but its start
        seconds = min(clock(contestant.runner.run, multiple * contestant.unit) for _ in range(2))
        if seconds >= at_least or multiple >= MOST_STEPS:
            break
        multiple = max(multiple + 1, min(10 * multiple, int(1.2 * multiple * at_least / max(seconds, 1e-9))))
    least = 2 if seconds < LONG * at_least else 1
    contestant.steps = max(least, multiple) * contestant.unit


def take_turns(contestants: list[Contestant], turns: int, longest: float = float("inf")) -> None:
    """Time every contestant ``turns`` times, one after the other; after ``longest`` seconds only up to three times."""
    start = time.perf_counter()
    for turn in range(turns):
        if turn >= LEAST_TURNS and time.perf_counter() - start > longest:
            break
        for contestant in contestants:
            _turn(contestant)


def _turn(contestant: Contestant) -> None:
    time.sleep(PAUSE)
    contestant.runner.reset()
    # Loads caches, wakes threads, and lets a system prepare what a reset made it forget. A turn of a few units
    # goes on from there: preparing once more would be a good part of it. One of a single unit, or of many,
    # starts afresh: it may be a whole training, whose result is looked at.
    contestant.runner.run(contestant.unit)
    if not 1 < contestant.steps // contestant.unit < 10:
        contestant.runner.reset()
    contestant.seconds.append(clock(contestant.runner.run, contestant.steps) / contestant.steps)
