"""What a callback is: an object whose hooks the training calls, with Keras' names and arguments.

A callback may read anything of ``model``, change weights in place, set ``model.optimizer.learning_rate`` and set
``model.stop_training``. Three kinds of hooks differ in what they cost:

- of the training and of an epoch: nothing;
- ``on_steps``, after each piece of steps as the compiled loop happens to make them (about 50 ms): nothing;
- of a batch: the loop comes back to Python after each step, or after each ``every`` steps.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from fastnn.registry import Registry

Array = np.ndarray[Any, Any]
Logs = dict[str, Any]

CALLBACKS: Registry[type[Callback]] = Registry("callback", "fastnn.callbacks")


class Callback:
    """Base class of the callbacks; every hook does nothing.

    Attributes
    ----------
    model : Sequential
        The model in training; from before ``on_train_begin``.
    params : dict
        ``epochs``, ``batch_size``, ``samples``, ``steps`` (of an epoch), ``verbose``, ``metrics`` (names in the
        logs of an epoch).
    every : int
        Batch hooks are called for groups of so many steps: begin before the first, end after the last. Groups end
        where the number of the model's steps is a multiple of ``every``, and with the epoch. 1 unless a subclass
        or an instance says otherwise; without meaning where no batch hook is overridden.

    Notes
    -----
    ``epoch`` in the hooks counts the model's epochs over all calls of ``fit``, as ``History.epoch`` does (Keras
    starts from 0 in each). What a hook adds to the logs of an epoch is seen by the callbacks after it, and numbers
    are kept in the history.
    """

    name: ClassVar[str] = ""

    model: Any = None
    params: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed
    every: int = 1

    def set_model(self, model: Any) -> None:
        """Take the model; called before ``on_train_begin``."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Take what ``fit`` was called with; called before ``on_train_begin``."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch of a call of ``fit``."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last; also after an exception or Ctrl-C, if ``on_train_begin`` returned."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation; ``logs`` has the losses and metrics as the history gets them."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step, or ``every`` steps; ``batch`` is the first one's number in the epoch, from 0."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step, or ``every`` steps; ``batch`` is the last one's; ``logs`` has the epoch's running values."""

    def on_steps(self, first: int, losses: Array) -> None:
        """After a piece of steps.

        Parameters
        ----------
        first : int
            Number of the piece's first step, over all calls of ``fit``, from 1.
        losses : ndarray (steps,) of float64
            The loss before each step, penalties included.
        """

    def on_checkpoint(self) -> None:
        """When all callbacks have seen an epoch's end, or a batch's: the moment to save what all of them hold."""

    def state(self) -> dict[str, Any]:
        """Return all that the callback has learned: numbers, strings, None, lists, dicts with string keys, arrays.

        A training that is resumed gives it to ``load_state`` after ``on_train_begin``, and goes on as if it had never
        stopped. Settings (arguments) are not part of it.
        """
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what ``state`` returned."""


__all__ = ["CALLBACKS", "Callback", "Logs"]
