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
    """What a training changes in a compiled model: what its attributes refer to, and what is written in place."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._attributes = dict(vars(model))
        self._vectors = [(v, v.copy()) for v in (model._vector, model._statistics, model._slots) if v is not None]
        self._rate = getattr(model.optimizer, "learning_rate", None)
        self._steps = dict(vars(model._counter))
        self._penalties = [getattr(layer, "kernel_regularizer", None) for layer in model.layers]

    def restore(self) -> None:
        model = self._model
        vars(model).clear()
        vars(model).update(self._attributes)
        model._executors.clear()  # they know penalties, and perhaps other vectors
        for vector, before in self._vectors:
            vector[...] = before
        if self._rate is not None:
            model.optimizer.learning_rate = self._rate
        vars(model._counter).update(self._steps)
        for layer, penalty in zip(model.layers, self._penalties, strict=True):
            if hasattr(layer, "kernel_regularizer"):
                layer.kernel_regularizer = penalty
