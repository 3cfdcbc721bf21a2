"""The loop over epochs and steps.

Steps run in compiled pieces of about ``PIECE_SECONDS``, so Python pays once for many steps, bars move and
Ctrl-C works. How steps fall into pieces changes no bit: a step's arithmetic knows only its number and its
samples. An epoch's loss is the steps' sums added in order in float64, plus each step's penalty times its
samples, over the number of samples.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from fastnn.callbacks.runner import CallbackList, Piece
from fastnn.contract import SAMPLE_BLOCK
from fastnn.interrupt import Interrupt
from fastnn.metrics import Metric
from fastnn.optimizers import Optimizer
from fastnn.plan.data import Data
from fastnn.plan.executor import Draw, Executor
from fastnn.plan.plan import Plan
from fastnn.training.history import History
from fastnn.training.position import Position
from fastnn.training.progress import Progress
from fastnn.training.scalars import StepScalars

Array = np.ndarray[Any, Any]

PIECE_SECONDS = 0.05
Counts = Callable[[Array], Array]
_MOST_PREDICTIONS = 1 << 22
"""Elements of predictions kept at once for metrics."""


@dataclass
class Evaluation:
    """Data to evaluate on, checked.

    Attributes
    ----------
    data : Data
    y : ndarray
        Targets as metrics see them.
    weight : ndarray or None
    shape : tuple of int
        Of a sample.
    """

    data: Data
    y: Array
    weight: Array | None
    shape: tuple[int, ...] = ()


def _order_sum(start: float, terms: Array) -> float:
    """Return ``start`` plus the terms, added in order in float64; overwrites the first, and there must be one."""
    terms[0] += start
    return float(np.add.accumulate(terms)[-1])


@dataclass
class Pace:
    """How many steps the next piece should take: what one epoch learned, the next one starts with.

    Attributes
    ----------
    steps : int
    away : float
        Seconds of the piece that went to callbacks: a slow one does not make pieces short.
    """

    steps: int
    away: float = 0.0


def _pieces(samples: int, batch: int, most_samples: int, pace: Pace, limit: Callable[[], int] = lambda: sys.maxsize,
            done: int = 0) -> Iterator[tuple[int, int, int]]:  # fmt: skip
    """Yield (first step, steps, samples) of an epoch's pieces, each about ``PIECE_SECONDS``; none is over ``limit``."""
    steps = -(-samples // batch)
    most = max(1, -(-most_samples // batch))
    while done < steps:
        size = max(1, min(pace.steps, most, steps - done, limit()))
        start, pace.away = time.perf_counter(), 0.0
        yield done, size, min(samples, (done + size) * batch) - done * batch
        spent = max(time.perf_counter() - start - pace.away, 1e-9)
        done += size
        # at most eightfold, so that one quick step does not lead to a long piece; an epoch's rest is no reason to slow
        pace.steps = max(1, int(min(size * PIECE_SECONDS / spent, max(size * 8, pace.steps))))


def evaluate(
    executor: Executor,
    what: Evaluation,
    metrics: list[Metric],
    check: Callable[[], None] = lambda: None,
    batch: int = SAMPLE_BLOCK,
    counts: Counts | None = None,
) -> dict[str, float]:
    """Return the loss and the metrics of a model on data.

    Parameters
    ----------
    executor : Executor
    what : Evaluation
    metrics : list of Metric
        Reset first.
    check : callable
        Called after every piece; may raise.
    batch : int
        Samples a step; only stateful layers see it.
    counts : callable, optional
        From samples to which of their steps metrics count (see ``_update``); all, by default.
    """
    for metric in metrics:
        metric.reset()
    samples = what.data.samples
    total, penalty = 0.0, 0.0
    outputs = executor.plan.outputs.rows
    for first, steps, count in _pieces(samples, batch, max(batch, _MOST_PREDICTIONS // outputs), Pace(1)):
        start = first * batch
        part = _rows(what.data, start, count)
        out = np.empty((count, outputs), executor.dtype) if metrics else None
        losses = executor.run("evaluate", part, batch, steps, 0, None, out)
        penalty = float(losses[0, 1])
        total = _order_sum(total, losses[:, 0])
        _update(metrics, executor.plan, what, out, slice(start, start + count), counts)
        check()
    return {"loss": total / samples + penalty} | {metric.name: metric.result() for metric in metrics}


def _update(metrics: list[Metric], plan: Plan, what: Evaluation, out: Array | None, rows: slice | Array,
            counts: Counts | None) -> None:  # fmt: skip
    """Give the metrics the targets and weights of ``rows`` and their predictions.

    Where predictions have several axes, each position is a row of its own, with its sample's weight; those of steps
    that are masked are left out.
    """
    if out is None:
        return
    true, weights = what.y[rows], None if what.weight is None else what.weight[rows]
    shape = plan.outputs.shape
    if len(shape) > 1:
        out = out.reshape(-1, shape[-1])
        true = true.reshape(-1) if plan.loss is not None and plan.loss.labels else true.reshape(-1, shape[-1])
        weights = None if weights is None else weights.repeat(plan.outputs.rows // shape[-1])
    if counts is not None:
        kept = counts(what.data.x[rows]).reshape(-1)
        true, out, weights = true[kept], out[kept], None if weights is None else weights[kept]
        if not len(out):
            return
    for metric in metrics:
        metric.update(true, out, weights)


def _rows(data: Data, first: int, count: int) -> Data:
    """Return consecutive rows of data that has no order."""
    part = slice(first, first + count)
    return Data(
        data.x[part],
        None if data.y is None else data.y[part],
        None if data.weight is None else data.weight[part],
    )


@dataclass
class Training:
    """What one call of ``fit`` trains with.

    Attributes
    ----------
    executor : Executor
        Of the network as it is trained.
    evaluator : Executor or None
        Of the network as it is evaluated; None without validation.
    optimizer : Optimizer
    data : Data
        Without order; the loop makes one for each epoch if ``shuffle``.
    y : ndarray
        Targets as metrics see them.
    batch, epochs : int
    shuffle : bool
    seed : int
    random : module
        The backend's random functions.
    metrics : list of Metric
    validation : Evaluation or None
    verbose : int
        0, 1 or 2.
    callbacks : CallbackList
    position : Position
        Where the training stands: at its beginning, unless it goes on with another.
    pace : Pace
        Where the first epoch's first piece starts: one step, or what an earlier training has learned.
    counts : callable or None
        As of ``evaluate``.
    """

    executor: Executor
    evaluator: Executor | None
    optimizer: Optimizer
    data: Data
    y: Array
    batch: int
    epochs: int
    shuffle: bool
    seed: int
    random: Any
    metrics: list[Metric]
    validation: Evaluation | None
    verbose: int
    callbacks: CallbackList = field(default_factory=CallbackList)
    position: Position = field(default_factory=Position)
    pace: Pace = field(default_factory=lambda: Pace(1))
    counts: Counts | None = None

    def __post_init__(self) -> None:
        steps = -(-self.data.samples // self.batch) * (self.epochs - self.position.epochs) - self.position.steps
        self.penalized = any(p.l1 or p.l2 for p in self.executor.plan.parameters)
        self.scalars = StepScalars(self.optimizer, self.executor.dtype, steps)


def fit_terms(training: Evaluation, validation: Evaluation | None, **settings: Any) -> dict[str, Any]:
    """Return what a call of ``fit`` must have in common with the one that it resumes."""
    terms = dict(settings)
    for prefix, part in (("", training), ("validation ", validation)):
        if part is not None:
            arrays = {"x": part.data.x, "y": part.y, "weights": part.weight}
            for name, array in arrays.items():
                terms[prefix + name] = "none" if array is None else f"{array.dtype} of shape {array.shape}"
    return terms | {"validation": validation is not None}


@dataclass
class Counter:
    """How far a model has been trained: whole steps and whole epochs, over all calls."""

    step: int = 0
    epoch: int = 0


def train(task: Training, counter: Counter, history: History) -> None:
    """Train; weights, ``counter`` and ``history`` are whole at every moment an exception can leave.

    Parameters
    ----------
    task : Training
    counter : Counter
        Advanced with every piece of steps and every epoch.
    history : History
        An entry is added for every whole epoch.
    """
    _compile(task)
    callbacks, position, samples = task.callbacks, task.position, task.data.samples
    with Interrupt() as interrupt, callbacks.training():
        done = position.epochs * samples + min(position.steps * task.batch, samples)
        progress = Progress(task.epochs, samples, task.verbose, done)
        try:
            while position.epochs < task.epochs:
                if callbacks.stopped and not position.begun:
                    break
                epoch, number = position.epochs, counter.epoch
                progress.begin(epoch)
                if not position.begun:
                    callbacks.epoch_begin(number)
                    for metric in task.metrics:
                        metric.reset()
                    position.begun = True
                if position.values is None:
                    position.values = _epoch(task, counter, progress, interrupt)
                values = dict(position.values)
                if task.validation is not None and task.evaluator is not None:
                    found = evaluate(task.evaluator, task.validation, task.metrics, interrupt.check,
                                     counts=task.counts)  # fmt: skip
                    values |= {f"val_{name}": value for name, value in found.items()}
                # counted before the hooks: what one of them saves, or leaves behind by raising, is a whole epoch
                history.append(number, values)
                counter.epoch += 1
                position.next_epoch()
                progress.end(epoch, values)
                callbacks.epoch_end(number, values, history.extend)
                interrupt.check()
        finally:
            progress.close()


def _compile(task: Training) -> None:
    """Let the executor compile what the training needs, while Ctrl-C still takes effect at once."""
    no_scalars = np.empty((0, 1), task.executor.dtype)
    out = np.empty((0, task.executor.plan.outputs.rows), task.executor.dtype) if task.metrics else None
    task.executor.run("train", task.data, task.batch, 0, 0, no_scalars, out)
    if task.validation is not None and task.evaluator is not None:
        task.evaluator.run("evaluate", task.validation.data, SAMPLE_BLOCK, 0, 0, None, out)


def _epoch(task: Training, counter: Counter, progress: Progress, interrupt: Interrupt) -> dict[str, float]:
    samples = task.data.samples
    data, order = task.data, None
    if task.shuffle:
        order = task.random.permutation(task.seed, counter.epoch, samples)
        data = data.ordered(order)
    outputs = task.executor.plan.outputs.rows
    most = max(task.batch, _MOST_PREDICTIONS // outputs) if task.metrics else samples
    callbacks, position = task.callbacks, task.position

    def running() -> dict[str, float]:
        done = min(position.steps * task.batch, samples)
        return {"loss": position.total / done} | {metric.name: metric.result() for metric in task.metrics}

    pieces = _pieces(samples, task.batch, most, task.pace, lambda: callbacks.limit(counter.step), position.steps)
    for first, steps, count in pieces:
        if callbacks.stopped and first:
            break
        interrupt.check()  # not behind the last piece: an epoch whose steps are all made is to be counted
        if callbacks.sees_steps:
            with _away(task.pace):
                callbacks.batch_begin(counter.step, first)
        start = first * task.batch
        scalars = task.scalars.rows(counter.step + 1, steps)
        out = np.empty((count, outputs), task.executor.dtype) if task.metrics else None
        draw = Draw(task.seed, counter.step + 1)
        losses = task.executor.run("train", data, task.batch, steps, start, scalars, out, draw)
        counter.step += steps
        total = _order_sum(position.total, _step_losses(losses, count, task))
        if out is not None:
            rows = slice(start, start + count) if order is None else order[start : start + count]
            _update(task.metrics, task.executor.plan, Evaluation(data, task.y, data.weight), out, rows, task.counts)
        position.steps, position.total = first + steps, total
        progress.advance(count, running)
        if callbacks.sees_steps:
            with _away(task.pace):
                each = losses[:, 0] / _sizes(count, steps, task.batch) + losses[:, 1]
                last = start + count == samples
                again = partial(_again, task, data, start, scalars, draw)
                piece = Piece(again, partial(_samples, data, start, task.batch))
                callbacks.batch_end(counter.step, first + steps - 1, last, each, running, piece)
    return running()


def _sizes(samples: int, steps: int, batch: int) -> Array:
    """Return how many samples each step of a piece takes: the last one those that are left."""
    sizes = np.full(steps, batch)
    sizes[-1] = samples - (steps - 1) * batch
    return sizes


def _step_losses(losses: Array, samples: int, task: Training) -> Array:
    """Return the sum of the samples' losses of each step of a piece, penalties included."""
    if not task.penalized:
        return losses[:, 0].copy()
    return losses[:, 0] + losses[:, 1] * _sizes(samples, len(losses), task.batch)


def _again(task: Training, data: Data, start: int, scalars: Array, draw: Draw, steps: int) -> None:
    """Make the first steps of a piece again."""
    out = np.empty((steps * task.batch, task.executor.plan.outputs.rows), task.executor.dtype)
    task.executor.run("train", data, task.batch, steps, start, scalars[:steps], out if task.metrics else None, draw)


def _samples(data: Data, start: int, batch: int, step: int) -> Array:
    """Return the rows of a step of a piece."""
    rows = slice(start + step * batch, start + (step + 1) * batch)
    return data.x[rows] if data.order is None else data.x[data.order[rows]]


@contextmanager
def _away(pace: Pace) -> Iterator[None]:
    """Note the time spent inside as not the steps'."""
    start = time.perf_counter()
    yield
    pace.away += time.perf_counter() - start
