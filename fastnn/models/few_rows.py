"""Predictions of a few samples by a model in use: without the cost of a batch, on the weights as they are.

A control loop or a service asks for one sample at a time. A batch's way is made for many: lanes that are samples, and
tens of microseconds of preparing. What goes round it is one compiled function that reads the model's own weights where
they lie, so that whoever wrote to them (training, ``set_weights``, a user into ``model.weights``), the next call sees
it. What is not plain, and every error, is left to ``predict``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn.backends import Backend
from fastnn.layers import Layer
from fastnn.models.predictor import READY
from fastnn.plan.executor import State

if TYPE_CHECKING:
    from fastnn.models.network import Network

Array = np.ndarray[Any, Any]

FEW = 8
"""Samples at most. So many take 27 us through 784-128-10, as a batch 54."""

CALLS_BEFORE = 8
"""Calls that go a batch's way first: what is not repeated need not have another way compiled."""


class _Way(NamedTuple):
    """A compiled function, and what it is for: one object, so that no thread sees half of another.

    Attributes
    ----------
    run : callable or None
        ``run(x, out)`` of (N, D) and (N, M); None where the backend or the network offers none.
    features, outputs : int
        D and M; 0 features where samples have several axes or the first layer looks at what they hold.
    dtype : numpy dtype
    backend : module
    vector : ndarray
        The weights that ``run`` reads. The model's is another after ``build``, ``load`` and unpickling.
    """

    run: Callable[[Array, Array], bool] | None
    features: int
    outputs: int
    dtype: Any
    backend: Backend | None
    vector: Array | None


_NONE = _Way(None, 0, 0, None, None, None)


class FewRows:
    """A model's own way for a few samples at a time, made when it pays."""

    def __init__(self) -> None:
        self._way = _NONE
        self._calls = 0

    def predict(self, model: Network, x: Any, allow_nonfinite: bool) -> Array | None:
        """Return the outputs (N, M) of an array (N, D) that can be read as it is; None of anything else."""
        run, features, outputs, dtype, backend, vector = self._way
        if not features or type(x) is not np.ndarray or x.dtype is not dtype or x.flags.num & READY != READY:
            return None
        shape = x.shape
        if len(shape) != 2 or shape[1] != features or not 0 < shape[0] <= FEW:
            return None
        out = np.empty((shape[0], outputs), dtype)
        with model._lock:
            if vector is not model._vector or backend is not model._backend:
                return None
            finite = run(x, out)  # type: ignore[misc]
        return out if finite or allow_nonfinite else None

    def fill(self, model: Network, samples: Array, out: Array) -> bool:
        """Write the outputs of checked samples (N, features) into ``out``; return whether there were few.

        The caller holds the model's lock.
        """
        if not 0 < len(samples) <= FEW:
            return False
        if self._way.vector is not model._vector or self._way.backend is not model._backend:
            self._calls += 1
            if self._calls <= CALLS_BEFORE:
                return False
            self._way = _way(model)
        if self._way.run is None:
            return False
        with np.errstate(over="ignore"):  # float64 beyond float32, as an executor converts it
            self._way.run(np.require(samples, model.dtype, ("C", "A")), out)
        return True


def _way(model: Network) -> _Way:
    plan, vector, backend = model._built_plan(), model.parameters, model.backend
    rows = backend.row_function(plan, model.dtype, State(vector, statistics=model._statistics), frozen=False)
    if rows is None:
        return _Way(None, 0, 0, None, backend, vector)
    plain = len(plan.inputs.shape) == len(plan.outputs.shape) == 1
    checks = type(model.layers[0]).check_input is not Layer.check_input
    features = plan.inputs.rows if plain and not checks else 0
    return _Way(rows.several, features, plan.outputs.rows, model.dtype, backend, vector)


__all__ = ["FewRows"]
