"""Search for hyperparameters: grid, random, successive halving; side by side through joblib, the same bits anyhow.

A trial is its number: the number fixes its point of the space and its seed, so neither the number of workers nor who
ran what changes a bit of any trial. Rows come back in whatever order trials finish and are sorted at the end.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from fastnn.backends import Backend, backend_name, use_backend
from fastnn.backends.numpy_backend import random
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models.mlp import MLPBuilder, mlp_for
from fastnn.models.sequential import Sequential
from fastnn.optional import load
from fastnn.random import MAX_SEED, Purpose
from fastnn.random.counter import checked_integer
from fastnn.search.halving import Rung, rungs
from fastnn.search.journal import Journal
from fastnn.search.results import SearchResults
from fastnn.search.space import Point, Space, checked_space, grid_points, random_point, trial_seed
from fastnn.search.trial import OK, Data, Job, check_parameters, run_trial, trained
from fastnn.validation import positive_whole

STRATEGIES = ("grid", "random", "halving")
MORE_IS_BETTER = ("acc", "auc", "r2", "top_k", "precision", "recall", "f1")
"""Parts of names of metrics to maximize, with ``mode="auto"``."""

Array = np.ndarray[Any, Any]
Task = tuple[int, Point, int, int, bytes | None]
"""What differs between trials: number, parameters, epochs, epochs done, state."""


def search(space: Space, x: Any, y: Any, *, build: Callable[..., Sequential] | None = None, strategy: str = "random",
           trials: int | None = None, epochs: int = 10, batch_size: int = 32, metric: str = "val_loss",
           mode: str = "auto", validation_split: float = 0.2, validation_data: Any = None, factor: int = 3,
           min_epochs: int | None = None, seed: int = 0, workers: int | None = 1,
           results: str | os.PathLike[str] | None = None, backend: Backend | str | None = None,
           on_result: Callable[[dict[str, Any]], Any] | None = None) -> SearchResults:  # fmt: skip
    """Train a network for many settings and rank them.

    Parameters
    ----------
    space : mapping
        Name of a parameter to a list of values or ``Range(low, high, log=True)``. ``batch_size`` goes to ``fit``, the
        others to ``build``.
    x, y : array_like
        As ``fit`` takes them.
    build : callable, optional
        ``build(**parameters)`` returns a compiled ``Sequential``. If it names a parameter ``seed``, it gets the
        trial's; else the trial's seed becomes the model's. By default a multilayer perceptron for the targets, with
        ``depth, width, hidden, activation, dropout, l1, l2, optimizer, learning_rate``: see ``MLPBuilder``.
    strategy : "grid", "random" or "halving"
        Every combination; random points; random points of which only the best share is trained longer.
    trials : int, optional
        Random points; 20 by default, 27 for halving. A grid has its own number.
    epochs : int
        Of each trial; for halving of those that reach the last round.
    batch_size : int
        Where the space does not name it.
    metric : str
        What the trials are ranked by: a key of the history, after the last epoch.
    mode : "min", "max" or "auto"
        "auto" maximizes what has accuracy, AUC, R2, precision, recall or F1 in its name.
    validation_split : float
        Share of the samples, drawn at random by ``seed`` (unlike ``fit``, which takes the last ones), that every
        trial is validated on; 0 for none.
    validation_data : tuple, optional
        ``(x, y)`` instead.
    factor, min_epochs : int
        Of halving; see ``rungs``.
    seed : int
    workers : int or None
        Trials side by side, each on one thread, by joblib if more than 1. None leaves the number, and where trials
        run, to ``joblib.parallel_config``: with "dask", on a cluster. No result depends on it.
    results : path, optional
        A file of JSON lines that each finished trial is added to. Where the file exists, the search goes on from it:
        trials that it holds are not run again.
    backend : str or module, optional
    on_result : callable, optional
        Called with each row as it comes.

    Returns
    -------
    SearchResults
        A trial that raises or whose score is NaN is recorded in it and ends nothing.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        Before any work.
    MissingPackageError
        If ``workers`` needs joblib and it is not installed.

    Examples
    --------
    >>> x = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    >>> found = search({"learning_rate": [0.01, 0.1]}, x, x[:, 0] > 0, strategy="grid", epochs=3, backend="numpy")
    >>> found.best["parameters"]
    {'learning_rate': 0.1}
    """
    points = checked_space(space)
    if strategy not in STRATEGIES:
        raise InvalidValueError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")
    if strategy == "grid" and trials is not None:
        raise InvalidValueError("a grid tries every combination: trials is for random and halving")
    checked_integer("seed", seed, MAX_SEED)
    if workers is not None:
        positive_whole("workers", workers)
    data, split = _data(x, y, validation_split, validation_data, seed)
    builder = mlp_for(data.y) if build is None else build
    check_parameters(builder, list(points))
    maximize = _maximize(metric, mode)
    if metric.startswith("val_") and data.validation is None:
        raise InvalidValueError(f"{metric} needs validation data: validation_split above 0, or validation_data")
    if isinstance(builder, MLPBuilder):
        builder.check(points, metric)
    if strategy == "grid":
        chosen = grid_points(points)
        rounds = [Rung(len(chosen), positive_whole("epochs", epochs))]
    else:
        count = positive_whole("trials", trials if trials is not None else 27 if strategy == "halving" else 20)
        rounds = [Rung(count, positive_whole("epochs", epochs))]
        if strategy == "halving":
            rounds = rungs(count, epochs, factor, min_epochs)
        chosen = [random_point(points, seed, trial) for trial in range(count)]
    job = Job(builder, metric, positive_whole("batch_size", batch_size), backend_name(backend))
    about = {
        "space": {n: v if isinstance(v, list) else [repr(v)] for n, v in points.items()}, "strategy": strategy,
        "rounds": [[r.trials, r.epochs] for r in rounds], "batch_size": job.batch_size, "metric": metric,
        "maximize": maximize, "validation": split, "seed": seed, "data": _digest(data), "build": _name(builder),
    }  # fmt: skip
    journal = Journal(results, about)
    _run(job, data, chosen, rounds, seed, journal, workers, maximize, on_result)

    def again(row: dict[str, Any]) -> Sequential:
        with use_backend(job.backend):
            return trained(job, data, row["parameters"], row["seed"], row["epochs"])

    return SearchResults(journal.rows, metric, maximize, again)


def _run(job: Job, data: Data, points: list[Point], rounds: list[Rung], seed: int, journal: Journal,
         workers: int | None, maximize: bool, on_result: Callable[[dict[str, Any]], Any] | None) -> None:  # fmt: skip
    """Run every round: what the journal does not hold yet, in any order, the next round when all of one are there."""
    alive = list(range(len(points)))
    states: dict[int, bytes] = {}
    done = 0
    for rung in rounds:
        alive = alive[: rung.trials]
        known = {row["trial"]: row for row in journal.rows if row["epochs"] == rung.epochs}
        tasks: list[Task] = [
            (number, points[number], rung.epochs, done, states.pop(number, None))
            for number in alive
            if number not in known
        ]
        for row, state in _trials(job, data, tasks, seed, workers, keep=rung is not rounds[-1]):
            journal.add(row)
            known[row["trial"]] = row
            if state is not None:
                states[row["trial"]] = state
            if on_result is not None:
                on_result(row)
        good = [known[number] for number in alive if known[number]["status"] == OK]
        good.sort(key=lambda row: (-row["score"] if maximize else row["score"], row["trial"]))
        alive, done = [row["trial"] for row in good], rung.epochs


def _trials(job: Job, data: Data, tasks: list[Task], seed: int, workers: int | None,
            keep: bool) -> Iterator[tuple[dict[str, Any], bytes | None]]:  # fmt: skip
    """Yield rows and states as trials finish."""
    calls = (
        (job, data, number, point, trial_seed(seed, number), epochs, done, state, keep)
        for number, point, epochs, done, state in tasks
    )
    if workers == 1:
        yield from (run_trial(*call) for call in calls)
        return
    joblib = load("joblib", purpose="a search with several workers")
    settings = {} if workers is None else {"n_jobs": workers}
    parallel: Callable[[Iterable[Any]], Iterator[Any]] = joblib.Parallel(
        return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs", **settings
    )
    if tasks:
        yield from parallel(joblib.delayed(run_trial)(*call) for call in calls)


def _data(x: Any, y: Any, share: float, given: Any, seed: int) -> tuple[Data, Any]:
    """Return the data of all trials, and a word on the split for the file of results."""
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim < 2 or y.ndim < 1 or len(x) != len(y) or not len(x):
        raise InvalidValueError(f"x and y must hold one row per sample, got shapes {x.shape} and {y.shape}")
    if given is not None:
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise InvalidTypeError(f"validation_data must be (x, y), got {type(given).__name__}")
        return Data(x, y, (np.asarray(given[0]), np.asarray(given[1]))), "given"
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
        raise InvalidValueError(f"validation_split must be in [0, 1), got {share!r}")
    held = int(len(x) * share)
    if share and not 0 < held < len(x):
        raise InvalidValueError(f"validation_split={share} of {len(x)} samples leaves one part empty")
    if not held:
        return Data(x, y, None), 0
    order = random.permutation(seed, 0, len(x), purpose=Purpose.SPLIT)
    kept, out = order[: len(x) - held], order[len(x) - held :]
    return Data(x[kept], y[kept], (x[out], y[out])), share


def _digest(data: Data) -> str:
    found = hashlib.sha256()
    for array in (data.x, data.y, *(data.validation or ())):
        found.update(f"{array.dtype.str}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _name(build: Callable[..., Any]) -> str:
    """Return what says which builder this is; dataclasses such as ``MLPBuilder`` say their settings."""
    if hasattr(build, "__dataclass_fields__"):
        return repr(build)
    return f"{getattr(build, '__module__', '?')}.{getattr(build, '__qualname__', type(build).__qualname__)}"


def _maximize(metric: str, mode: str) -> bool:
    if not isinstance(metric, str):
        raise InvalidTypeError(f"metric must be a key of the history such as 'val_loss', got {metric!r}")
    if mode not in ("min", "max", "auto"):
        raise InvalidValueError(f"mode must be 'min', 'max' or 'auto', got {mode!r}")
    if mode == "auto":
        return any(part in metric.lower() for part in MORE_IS_BETTER)
    return mode == "max"


__all__ = ["STRATEGIES", "search"]
