"""States of recurrent layers that a caller hands in and gets back, one array for each state of each layer.

By layer: a mapping from a layer's index in the model to a list of arrays (N, units). ``SimpleRNN`` and ``GRU`` have one
state, h; ``LSTM`` two, h and c, as in Keras; of a layer that holds several, ``Bidirectional`` or a branch, they follow
one another in the order in which the layers inside are built, the forward layer's first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.plan import Plan
from fastnn.validation import as_numbers, check_finite

Array = np.ndarray[Any, Any]
States = dict[int, list[Array]]


def state_rows(plan: Plan) -> dict[int, list[slice]]:
    """Return, by layer, which of the carried rows are its states.

    Parameters
    ----------
    plan : Plan
        Of a network all of whose recurrent layers carry.
    """
    found: dict[int, list[slice]] = {}
    for place in plan.carried:
        units = place.rows // place.parts
        starts = range(place.offset, place.offset + place.rows, units)
        found.setdefault(place.layer, []).extend(slice(start, start + units) for start in starts)
    return found


def taken_apart(plan: Plan, values: Array) -> States:
    """Return carried rows (C, N) as states by layer, arrays (N, units) of their own."""
    return {layer: [values[rows].T.copy() for rows in parts] for layer, parts in state_rows(plan).items()}


def put_together(plan: Plan, given: Any, samples: int, dtype: np.dtype[Any], allow_nonfinite: bool = False) -> Array:
    """Return states by layer as carried rows (C, N); those of layers left out are zeros.

    Parameters
    ----------
    plan : Plan
        Of a network all of whose recurrent layers carry.
    given : mapping or None
        Layer's index to a list of arrays (N, units); of a single state the array itself will do.
    samples : int
    dtype : numpy dtype
    allow_nonfinite : bool

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If a layer has no states, or others than those given.
    """
    values = np.zeros((plan.carried_rows, samples), dtype)
    if given is None:
        return values
    if not isinstance(given, Mapping):
        raise InvalidTypeError(f"initial_states must map layers' indexes to lists of arrays, got {given!r}")
    known = state_rows(plan)
    for layer, arrays in given.items():
        if layer not in known:
            have = ", ".join(map(str, known)) or "none"
            raise InvalidValueError(f"initial_states: layer {layer!r} has no states; layers that have: {have}")
        parts = known[layer]
        arrays = arrays if isinstance(arrays, list | tuple) else [arrays]
        if len(arrays) != len(parts):
            raise InvalidValueError(f"initial_states: layer {layer} has {len(parts)} states, got {len(arrays)}")
        for number, (rows, array) in enumerate(zip(parts, arrays, strict=True)):
            name = f"initial_states of layer {layer}, state {number}"
            found, wanted = as_numbers(name, array, dtype), (samples, rows.stop - rows.start)
            if found.shape != wanted:
                raise InvalidValueError(f"{name} must have shape {wanted}, got {found.shape}")
            if not allow_nonfinite:
                check_finite(name, found)
            values[rows] = found.T
    return values


class HandedStates:
    """Room for the states of a step's samples, read before it and written by it.

    Attributes
    ----------
    values : ndarray (C, samples or more) or None
        None until there is a step.
    """

    def __init__(self) -> None:
        self.values: Array | None = None

    def make_room(self, rows: int, samples: int, dtype: np.dtype[Any]) -> bool:
        """Make room for a step of ``samples``; return whether it is another array now."""
        held = self.values
        if held is not None and held.shape[0] == rows and held.shape[1] >= samples and held.dtype == dtype:
            return False
        self.values = np.zeros((rows, samples), dtype)
        return True

    def of(self, samples: int) -> Array:
        """Return the part (C, samples) that a step of so many samples uses."""
        assert self.values is not None
        return self.values[:, :samples]
