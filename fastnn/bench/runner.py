"""What a system hands to the stopwatch: three callables that do the work of one row.

Everything that is not the work (converting data, building a model, compiling it) happens before a ``Runner``
exists or in its first ``run``, which is never timed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Runner:
    """One system, ready to do one row's work.

    Attributes
    ----------
    run : callable
        ``run(steps)`` does that many steps and waits until they are done. Steps are whole epochs.
    result : callable
        ``result()`` returns the weights (``fastnn.bench.data.Weights``), or the outputs.
    reset : callable
        ``reset()`` goes back to the initial weights and a fresh optimizer.
    note : str
        Which public call did the work, or what differs from the other systems.
    """

    run: Callable[[int], None]
    result: Callable[[], Any]
    reset: Callable[[], None] = lambda: None
    note: str = ""


class NotOffered(Exception):
    """This system does not do this kind of row, or not yet; the text goes into the table."""


def repeat(call: Callable[[], Any]) -> Runner:
    """Return a runner for stateless work: a step is one call, the result is what the call returns."""

    def run(steps: int) -> None:
        for _ in range(steps):
            call()

    return Runner(run, call)
