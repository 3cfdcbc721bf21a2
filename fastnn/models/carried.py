"""What stateful layers of a model carry from batch to batch, and which batches may follow one another."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError

Array = np.ndarray[Any, Any]


class CarriedStates:
    """One value per carried row and place in the batch; zeros until a batch leaves its own.

    Attributes
    ----------
    values : ndarray (C, batch) or None
        None until there is a batch.
    """

    def __init__(self) -> None:
        self.values: Array | None = None
        self._in_use = False

    @property
    def in_use(self) -> bool:
        """Whether a batch has left its states."""
        return self._in_use

    def take(self, values: Array) -> None:
        """Take over the states that a batch left."""
        self.values, self._in_use = values, True

    def reset(self) -> None:
        """Start from zeros again; the next batch may have another number of samples."""
        if self.values is not None:
            self.values[...] = 0
        self._in_use = False

    def make_room(self, rows: int, batch: int, samples: int, dtype: np.dtype[Any], *, leaves: bool = True) -> bool:
        """Make ready for ``samples`` in batches of ``batch``; return whether ``values`` is another array now.

        Parameters
        ----------
        rows : int
            Rows that the plan carries; 0 in a model without stateful layers, where nothing happens.
        batch, samples : int
        dtype : numpy dtype
        leaves : bool
            Whether the batches leave their states behind.

        Raises
        ------
        InvalidValueError
            If the samples are not whole batches, or other batches' states are held.
        """
        if not rows:
            return False
        if samples % batch:
            raise InvalidValueError(
                f"a model with stateful layers takes whole batches: {samples} samples are no multiple of {batch}"
            )
        held = None if self.values is None else self.values.shape[1]
        if self._in_use and held != batch:
            raise InvalidValueError(
                f"stateful layers hold the states of {held} samples, got a batch of {batch}; call reset_states first"
            )
        self._in_use = self._in_use or leaves
        if held == batch:
            return False
        self.values = np.zeros((rows, batch), dtype)
        return True


def check_stateful_fit(rows: int, shuffle: bool, validates: bool) -> None:
    """Raise an error where a training would not hand states on as they are meant.

    Raises
    ------
    InvalidValueError
    """
    if rows and shuffle:
        raise InvalidValueError("a model with stateful layers is trained with shuffle=False: batches follow each other")
    if rows and validates:
        raise InvalidValueError(
            "validation would go on from the training's states: call reset_states and evaluate instead"
        )
