"""Formulas over whole arrays, and the search for elements out of range."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas import FORMULAS

Array = np.ndarray[Any, Any]


def apply_formula(name: str, *arrays: Array) -> Array:
    """Return a formula of arrays, element by element.

    Parameters
    ----------
    name : str
        One of ``fastnn.formulas.FORMULAS``.
    *arrays : ndarray
        As many as the formula has arguments, all float32 or all float64, broadcast together.

    Returns
    -------
    ndarray of the same dtype and the broadcast shape
    """
    with np.errstate(all="ignore"):
        return np.asarray(FORMULAS[name].function(*np.broadcast_arrays(*arrays)))


def sigmoid(Z: Array) -> Array:
    """Return ``1 / (1 + exp(-Z))``, element by element."""
    return apply_formula("sigmoid", Z)


def first_outside(x: Array, low: float, high: float) -> int:
    """Return the position, in C order, of the first element that is NaN or not in [low, high], or -1."""
    outside = ~((x >= low) & (x <= high)).reshape(-1)
    return int(outside.argmax()) if outside.any() else -1
