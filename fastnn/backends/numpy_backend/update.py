"""From gradient sums to new weights: mean, penalty, clipping, update rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.backends.numpy_backend.reduction import sum_vector
from fastnn.optimizers import UpdateRule
from fastnn.regularizers import gradient as penalty_gradient
from fastnn.regularizers import penalty

Array = np.ndarray[Any, Any]


@np.errstate(all="ignore")
def mean_gradient(total: Array, samples: int) -> Array:
    """Return a sum over samples divided by their number."""
    return total / total.dtype.type(samples)  # type: ignore[no-any-return]


@np.errstate(all="ignore")
def add_penalty_gradient(g: Array, w: Array, l1: float, l2: float) -> Array:
    """Return ``g`` plus the gradient of the penalty ``l1 |w| + l2 w^2``."""
    if l1 == 0 and l2 == 0:
        return g.copy()  # no penalty leaves also -0.0 as it is
    return g + penalty_gradient(w, w.dtype.type(l1), w.dtype.type(l2))  # type: ignore[no-any-return]


@np.errstate(all="ignore")
def penalty_sum(w: Array, l1: float, l2: float) -> Any:
    """Return the penalty of one parameter: its terms summed by the contract's rule 4."""
    return sum_vector(penalty(w, w.dtype.type(l1), w.dtype.type(l2)))


@np.errstate(all="ignore")
def clip_by_value(g: Array, most: float) -> Array:
    """Return ``g`` held within ``[-most, most]``; NaN stays."""
    limit = g.dtype.type(most)
    g = np.where(g > limit, limit, g)
    return np.where(g < -limit, -limit, g)


@np.errstate(all="ignore")
def clip_by_norm(g: Array, most: float) -> Array:
    """Return ``g`` scaled to norm ``most`` where its Euclidean norm is greater: ``g * (most / norm)``."""
    norm = np.sqrt(sum_vector(g * g))
    limit = g.dtype.type(most)
    return g * (limit / norm) if norm > limit else g


@np.errstate(all="ignore")
def optimizer_update(rule: UpdateRule, w: Array, g: Array, slots: tuple[Array, ...], scalars: Array) -> None:
    """Apply an update rule to weights and state in place.

    Parameters
    ----------
    rule : UpdateRule
    w, g : ndarray (n,)
    slots : tuple of ndarray (n,)
        The optimiser's state.
    scalars : ndarray
        The step's constants, in the dtype of ``w``.
    """
    new, state = rule.update(w, g, slots, tuple(scalars))
    w[...] = new
    for slot, value in zip(slots, state, strict=True):
        slot[...] = value
