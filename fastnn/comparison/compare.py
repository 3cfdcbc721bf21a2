"""Runs one network on two backends and on textbook NumPy.

Each backend draws the initial weights itself; then all continue from the reference's, so that a difference
shows in the quantity where it arises. Time is measured in turns, on whole calls of ``fit``, the best turn
counting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from fastnn import optimizers
from fastnn.backends import Backend, backend_name, get_backend
from fastnn.bench.runner import Runner
from fastnn.bench.threads import limit_blas
from fastnn.bench.timing import Contestant, calibrate, take_turns
from fastnn.comparison.bits import difference
from fastnn.comparison.result import TEXTBOOK, Comparison
from fastnn.comparison.task import Task
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential
from fastnn.validation import positive_whole

Array = np.ndarray[Any, Any]

TURN_SECONDS = 0.03
TURNS = 6


def compare(sizes: Sequence[int] = (784, 128, 10), batch: int = 128, dtype: Any = "float32", *,
            activation: Any = "relu", optimizer: Any = "adam", steps: int = 5, seed: int = 0,
            threads: int | None = None, backends: Sequence[Backend | str] = ("numpy", "numba"),
            timing: bool = True) -> Comparison:  # fmt: skip
    """Train one dense network on two backends and compare every bit.

    Parameters
    ----------
    sizes : sequence of int
        Features, units of each hidden layer, outputs. One output is a sigmoid with binary cross-entropy, more
        are a softmax with categorical cross-entropy.
    batch : int
        Samples a step.
    dtype : "float32" or "float64"
    activation : str, Activation or callable
        Of the hidden layers.
    optimizer : str or Optimizer
    steps : int
        Training steps, each on samples of its own.
    seed : int
        Of weights and data.
    threads : int, optional
        Threads of the Numba backend (and of NumPy's BLAS where threadpoolctl is installed) while this runs;
        by default as many as are set.
    backends : two names or modules
        The reference first. A module satisfies ``fastnn.backends.Backend``.
    timing : bool
        Also measure the time of a step, textbook NumPy's too.

    Returns
    -------
    Comparison
        ``.identical``, a table (``str``) and ``to_dict()``.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        Before any work.

    Examples
    --------
    >>> compare((4, 8, 3), batch=16, dtype="float64", steps=2, timing=False).identical
    True
    """
    modules, names = _backends(backends)
    width, seeded = _sizes(sizes), Sequential(dtype=dtype, seed=seed)
    task = Task(
        width, str(seeded.dtype), activation, optimizers.get(optimizer),
        positive_whole("batch", batch), positive_whole("steps", steps), seeded.seed,
    )  # fmt: skip
    task.layers()
    with ExitStack() as stack:
        notes: list[str] = []
        if threads is not None:
            count = positive_whole("threads", threads)
            stack.enter_context(_numba_threads(count))
            limits, notes = limit_blas(count)
            stack.enter_context(limits)
        x, y = task.data()
        first = [task.model(module) for module in modules]
        start = first[0].get_weights()
        found = [task.quantities(module, start, x, y) for module in modules]
        pairs = [difference("initial weights", *({"": model.parameters} for model in first))]
        pairs += [difference(name, part, found[1][name]) for name, part in found[0].items()]
        digests = {name: _digest(values) for name, values in zip(names, found, strict=True)}
        seconds, deviation = {}, None
        if timing:
            runners = {name: task.runner(module, start, x, y) for name, module in zip(names, modules, strict=True)}
            yardstick = task.textbook(start, x, y)
            if isinstance(yardstick, Runner):
                runners[TEXTBOOK] = yardstick
            else:
                notes = [*notes, yardstick]
            deviation = _deviation(runners, task.steps)
            seconds = _times(runners, task.steps)
    settings = {
        "sizes": list(width), "batch": task.batch, "dtype": task.dtype, "activation": task.hidden,
        "optimizer": task.optimizer.name, "steps": task.steps, "seed": task.seed, "threads": threads,
    }  # fmt: skip
    return Comparison(settings, names, tuple(pairs), digests, seconds, deviation, tuple(notes) if timing else ())


def _sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    if isinstance(sizes, str) or not isinstance(sizes, Sequence) or len(sizes) < 2:
        raise InvalidValueError(f"sizes must list at least features and outputs, as (784, 128, 10), got {sizes!r}")
    return tuple(positive_whole("each of sizes", size) for size in sizes)


def _backends(backends: Sequence[Backend | str]) -> tuple[list[Backend], tuple[str, str]]:
    if isinstance(backends, str) or not isinstance(backends, Sequence) or len(backends) != 2:
        raise InvalidTypeError(f"backends must be two names or modules, got {backends!r}")
    modules = [get_backend(backend) for backend in backends]
    if modules[0] is modules[1] or modules[0].executor is modules[1].executor:
        raise InvalidValueError(
            f"backends must be two different ones: comparing {backends[0]!r} with itself shows nothing"
        )
    return modules, (backend_name(modules[0]), backend_name(modules[1]))


def _digest(found: dict[str, dict[str, Array]]) -> str:
    """Return the SHA-256 of the trained weights: W1, b1, W2, ... one after the other."""
    *_, weights = found.values()
    digest = hashlib.sha256()
    for array in weights.values():
        digest.update(array.tobytes())
    return digest.hexdigest()


def _deviation(runners: dict[str, Runner], steps: int) -> float | None:
    """Run all once, which also warms them; return how far textbook NumPy is from the reference."""
    results = []
    for runner in runners.values():
        runner.reset()
        runner.run(steps)
        results.append([np.asarray(array) for pair in runner.result() for array in pair])
    if TEXTBOOK not in runners:
        return None
    # lengths, not single weights: Adam makes a whole step of the rounding of a vanishing gradient
    reference, yardstick = (np.concatenate([array.ravel() for array in result]).astype(np.float64)
                            for result in (results[0], results[-1]))  # fmt: skip
    return float(np.linalg.norm(reference - yardstick) / np.linalg.norm(reference))


def _times(runners: dict[str, Runner], unit: int) -> dict[str, float]:
    contestants = {name: Contestant(runner, unit) for name, runner in runners.items()}
    for contestant in contestants.values():
        calibrate(contestant, TURN_SECONDS)
    take_turns(list(contestants.values()), TURNS)
    return {name: contestant.best for name, contestant in contestants.items()}


@contextmanager
def _numba_threads(count: int) -> Iterator[None]:
    """Let the Numba backend use ``count`` threads inside a ``with`` block."""
    import numba

    most = int(numba.config.NUMBA_NUM_THREADS)
    if count > most:
        raise InvalidValueError(
            f"threads must be at most {most}, which Numba started with (NUMBA_NUM_THREADS), got {count}"
        )
    before = numba.get_num_threads()
    numba.set_num_threads(count)
    try:
        yield
    finally:
        numba.set_num_threads(before)
