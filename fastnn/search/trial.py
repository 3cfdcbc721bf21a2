"""One trial: build, train, score. It runs in whichever process joblib puts it, on one thread."""

from __future__ import annotations

import hashlib
import inspect
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.backends import use_backend
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models.sequential import Sequential
from fastnn.models.snapshot import restore, snapshot

Array = np.ndarray[Any, Any]

OK, DIVERGED, FAILED = "ok", "diverged", "failed"
"""How a trial ends: with a finite score, with NaN or infinity, with an exception."""

OF_FIT = "batch_size"
"""The one parameter that goes to ``fit`` instead of the builder."""


@dataclass(frozen=True)
class Data:
    """What every trial trains on and is scored on: ``x, y`` and ``validation``, a pair or None."""

    x: Array
    y: Array
    validation: tuple[Array, Array] | None


@dataclass(frozen=True)
class Job:
    """What all trials of a search share.

    Attributes
    ----------
    build : callable
        ``build(**parameters) -> compiled Sequential``.
    metric : str
        A key of the history.
    batch_size : int
        Where the point does not say.
    backend : str
    """

    build: Callable[..., Sequential]
    metric: str
    batch_size: int
    backend: str


def takes_seed(build: Callable[..., Any]) -> bool:
    """Return whether a builder names ``seed`` among its parameters."""
    return "seed" in inspect.signature(build).parameters


def check_parameters(build: Callable[..., Any], names: list[str]) -> None:
    """Raise an error if a builder does not take the parameters of a space."""
    try:
        signature = inspect.signature(build)
    except (TypeError, ValueError):
        raise InvalidTypeError(
            f"build must be a function of the parameters that returns a model, got {build!r}"
        ) from None
    given = {name: None for name in names if name != OF_FIT}
    try:
        signature.bind(**given)
    except TypeError as error:
        known = ", ".join([*signature.parameters, OF_FIT])
        raise InvalidValueError(f"build does not take what the space names: {error}; it takes {known}") from None


def trained(job: Job, data: Data, parameters: dict[str, Any], seed: int, epochs: int, done: int = 0,
            state: bytes | None = None) -> Sequential:  # fmt: skip
    """Return a trial's model after ``epochs`` epochs, continued from a state of ``done`` epochs if there is one.

    Training anew gives the same bits: a state saves time, never more.
    """
    given = {name: value for name, value in parameters.items() if name != OF_FIT}
    if takes_seed(job.build) and "seed" not in given:
        given["seed"] = seed
    model = job.build(**given)
    if not isinstance(model, Sequential):
        raise InvalidTypeError(f"build must return a compiled Sequential, got {model!r}")
    if not model.built and "seed" not in given:
        model.seed = seed
    batch_size = parameters.get(OF_FIT, job.batch_size)
    if state is not None:
        model.build(data.x.shape[1:])
        restore(model, state)
    model.fit(data.x, data.y, batch_size=batch_size, epochs=epochs - (0 if state is None else done), verbose=0,
              validation_data=data.validation)  # fmt: skip
    return model


def run_trial(job: Job, data: Data, number: int, parameters: dict[str, Any], seed: int, epochs: int, done: int = 0,
              state: bytes | None = None, keep: bool = False) -> tuple[dict[str, Any], bytes | None]:  # fmt: skip
    """Run a trial up to ``epochs`` epochs.

    Returns
    -------
    row : dict
        Plain data: ``trial``, ``parameters``, ``seed``, ``epochs``, ``status``, ``error``, ``score``, ``values`` (the
        last epoch's), ``weights`` (SHA-256 of all parameters) and ``seconds``.
    state : bytes or None
        To continue from, if ``keep``.
    """
    row: dict[str, Any] = {"trial": number, "parameters": parameters, "seed": seed, "epochs": epochs, "status": FAILED,
                           "error": None, "score": None, "values": {}, "weights": None}  # fmt: skip
    kept = None
    start = time.perf_counter()
    try:
        with use_backend(job.backend), one_thread(job.backend):
            model = trained(job, data, parameters, seed, epochs, done, state)
            last = {name: values[-1] for name, values in model.history.history.items()}
            if job.metric not in last:
                raise InvalidValueError(f"the history holds no {job.metric!r} but {', '.join(last)}")
            score = float(last[job.metric])
            weights = b"".join(np.ascontiguousarray(array).tobytes() for array in model.get_weights())
            row["weights"] = hashlib.sha256(weights).hexdigest()
            row["values"] = {name: float(v) if math.isfinite(v) else None for name, v in last.items()}
            if math.isfinite(score):
                row |= {"status": OK, "score": score}
                kept = snapshot(model) if keep else None
            else:
                row |= {"status": DIVERGED, "error": f"{job.metric} is {score}"}
    except Exception as error:  # whatever a builder does wrong is this trial's result, not the search's end
        row |= {"status": FAILED, "error": f"{type(error).__name__}: {error}", "values": {}, "weights": None}
    row["seconds"] = round(time.perf_counter() - start, 3)
    return row, kept


@contextmanager
def one_thread(backend: str) -> Iterator[None]:
    """Let the Numba backend use one thread: trials are what runs side by side. No bit depends on it."""
    if backend != "numba":
        yield
        return
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


__all__ = ["DIVERGED", "FAILED", "OF_FIT", "OK", "Data", "Job", "check_parameters", "run_trial", "trained"]
