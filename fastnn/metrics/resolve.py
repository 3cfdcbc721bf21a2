"""From what users write in ``compile(metrics=[...])`` to metric objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastnn.errors import InvalidTypeError, unknown_name
from fastnn.losses import Loss
from fastnn.losses import get as get_loss
from fastnn.metrics.accuracy import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from fastnn.metrics.base import METRICS, Metric
from fastnn.metrics.function import FunctionMetric

ACCURACY = ("accuracy", "acc")
BINARY_LOSSES = ("binary_crossentropy", "binary_crossentropy_from_logits", "crossentropy_cost", "hinge")


def resolve(metric: str | Metric | type[Metric] | Callable[..., Any], loss: str | Loss, outputs: int) -> Metric:
    """Return the metric object that ``metric`` stands for in a model with this loss.

    Parameters
    ----------
    metric : str, Metric, type or callable
        A registered name, ``"accuracy"``, a ``Metric`` (returned as it is) or its class, or a function
        ``f(y_true, y_pred)``.
    loss : str or Loss
        Decides what ``"accuracy"`` means: with integer labels ``sparse_categorical_accuracy``; with one
        output or a binary loss ``binary_accuracy``, whose threshold is 0 for logits and for ``hinge``; else
        ``categorical_accuracy``.
    outputs : int
        Outputs of the model per sample.

    Returns
    -------
    Metric
        Its ``name`` is the one that was asked for.

    Raises
    ------
    UnknownNameError
        If no metric has that name.
    InvalidTypeError
        If ``metric`` is something else.

    Examples
    --------
    >>> type(resolve("accuracy", "sparse_categorical_crossentropy", 10)).__name__
    'SparseCategoricalAccuracy'
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, type) and issubclass(metric, Metric):
        return metric()
    if isinstance(metric, str):
        if metric in ACCURACY:
            found = _accuracy(get_loss(loss), outputs)
        elif metric in METRICS:
            found = METRICS[metric]()
        else:
            raise unknown_name("metric", metric, [*METRICS, *ACCURACY])
        found.name = metric
        return found
    if callable(metric):
        return FunctionMetric(metric)
    raise InvalidTypeError(f"a metric is a name, a Metric or a function f(y_true, y_pred), got {metric!r}")


def _accuracy(loss: Loss, outputs: int) -> Metric:
    if loss.labels:
        return SparseCategoricalAccuracy()
    if outputs == 1 or loss.name in BINARY_LOSSES:
        return BinaryAccuracy(0.0 if loss.from_logits or loss.name == "hinge" else 0.5)
    return CategoricalAccuracy()
