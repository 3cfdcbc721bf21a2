"""Undoing a fit that failed: the estimator, and the model that it goes on training, are as they were."""

from __future__ import annotations

from types import TracebackType
from typing import Any


class Undo:
    """A context that restores an estimator's attributes and its model's weights if an exception leaves it.

    Parameters
    ----------
    estimator : object
        Attributes are rebound by a fit, never changed in place, except ``model_``.
    """

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def __enter__(self) -> Undo:
        self._attributes = dict(vars(self._estimator))
        model = self._attributes.get("model_")
        # a fit that starts anew leaves the model alone: a copy of its vectors costs less than to know
        self._model = None if model is None else _ModelState(model)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        if kind is None:
            return
        vars(self._estimator).clear()
        vars(self._estimator).update(self._attributes)
        if self._model is not None:
            self._model.restore()


class _ModelState:
    """What a training changes in a compiled model."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._vectors = [v.copy() for v in (model._vector, model._statistics)]
        self._slots = None if model._slots is None else model._slots.copy()
        self._compiled = (model.optimizer, model.loss, model._metric_requests, model.history)
        self._rate = getattr(model.optimizer, "learning_rate", None)
        self._steps = (model._counter.step, model._counter.epoch)
        self._penalties = [getattr(layer, "kernel_regularizer", None) for layer in model.layers]

    def restore(self) -> None:
        model = self._model
        model.optimizer, model.loss, model._metric_requests, model.history = self._compiled
        for layer, penalty in zip(model.layers, self._penalties, strict=True):
            if hasattr(layer, "kernel_regularizer"):
                layer.kernel_regularizer = penalty
        model._reset_training()
        for vector, before in zip((model._vector, model._statistics), self._vectors, strict=True):
            vector[...] = before
        if self._slots is not None:
            model._executor("train")
            model._slots[...] = self._slots
        if self._rate is not None:
            model.optimizer.learning_rate = self._rate
        model._counter.step, model._counter.epoch = self._steps
