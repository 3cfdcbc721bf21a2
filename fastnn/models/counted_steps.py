"""Which steps of its outputs a model counts, for metrics: those that its mask does not pass over."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.backends import Backend
from fastnn.errors import InvalidValueError
from fastnn.plan import Plan
from fastnn.plan.data import Data
from fastnn.plan.executor import State
from fastnn.plan.masks import ops_of_mask

Array = np.ndarray[Any, Any]


def counted_steps(plan: Plan, dtype: np.dtype[Any], state: State, backend: Backend) -> Callable[[Array], Array] | None:
    """Return a function from samples (N, features) to whether their steps count (N, steps); None if all do.

    Parameters
    ----------
    plan : Plan
        Of a prediction.
    dtype : numpy dtype
    state : State
    backend : Backend

    Raises
    ------
    InvalidValueError
        If the mask depends on weights, so that it is not the samples' own.
    """
    if plan.mask is None:
        return None
    ops = ops_of_mask(plan.forward, plan.mask)
    if ops is None:
        raise InvalidValueError(
            "metrics leave out steps by masks that depend on the samples alone; here one is made behind other layers"
        )
    executor = backend.executor(dataclasses.replace(plan, forward=ops, outputs=plan.mask, mask=None), dtype, state)
    steps = plan.mask.rows

    def counts(samples: Array) -> Array:
        out = np.empty((len(samples), steps), dtype)
        if len(samples):
            executor.run("predict", Data(samples), len(samples), out=out)
        return out != 0

    return counts
