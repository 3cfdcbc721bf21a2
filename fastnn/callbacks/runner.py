"""Runs the hooks of several callbacks, always in the order of their list."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.callbacks.base import CALLBACKS, Callback, Logs
from fastnn.errors import InvalidTypeError, InvalidValueError

Array = np.ndarray[Any, Any]

_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end")
_STEP_HOOKS = (*_BATCH_HOOKS, "on_steps")


def check_callbacks(callbacks: Any) -> list[Callback]:
    """Return the list of callbacks that ``fit`` was given: None, one, or a list or tuple.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If something else is among them, one stands there twice, or an ``every`` is no positive whole number.
    """
    if callbacks is None:
        return []
    given = [callbacks] if isinstance(callbacks, Callback) else callbacks
    if not isinstance(given, list | tuple):
        given = [given]
    for position, callback in enumerate(given):
        if isinstance(callback, type) and issubclass(callback, Callback):
            name = callback.__name__
            raise InvalidTypeError(f"callbacks takes objects, got the class {name}; did you mean {name}(...)?")
        if not isinstance(callback, Callback):
            raise InvalidTypeError(
                f"callbacks must be a Callback or a list of them ({', '.join(CALLBACKS)}, or your own subclass),"
                f" got {callback!r}"
            )
        if any(callback is other for other in given[:position]):
            raise InvalidValueError(f"callbacks holds {callback!r} twice; make a second one")
        every = callback.every
        if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
            raise InvalidValueError(
                f"every of {type(callback).__name__} must be a whole number of steps, at least 1, got {every!r}"
            )
    return list(given)


def watches_batches(callback: Callback) -> bool:
    """Return whether a callback has a batch hook of its own, by its class or put on the object."""
    return _has_one(callback, _BATCH_HOOKS)


def _has_one(callback: Callback, hooks: tuple[str, ...]) -> bool:
    return any(getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook) for hook in hooks)


@dataclass(frozen=True)
class Piece:
    """The steps just made, for callbacks that look at one of them again.

    Attributes
    ----------
    replay : callable
        ``replay(n)`` makes the first n steps again from what the vectors hold now; nothing is counted.
    samples : callable
        ``samples(n)`` returns the rows of step n of the piece, from 0.
    """

    replay: Callable[[int], Any]
    samples: Callable[[int], Array]


class CallbackList:
    """The callbacks of one call of ``fit``.

    Attributes
    ----------
    sees_steps : bool
        Whether one has a hook that is called between steps.

    Parameters
    ----------
    callbacks : sequence of Callback
        Checked.
    model : Sequential
    params : dict
        See ``Callback.params``.
    resumed : list of dict, optional
        What ``states`` returned in the training that this one goes on with.
    """

    def __init__(
        self,
        callbacks: Sequence[Callback] = (),
        model: Any = None,
        params: dict[str, Any] | None = None,
        resumed: list[dict[str, Any]] | None = None,
    ) -> None:
        self.callbacks = list(callbacks)
        self.model = model
        self.piece: Piece | None = None
        self._resumed = resumed
        self._watching = [callback for callback in self.callbacks if watches_batches(callback)]
        self.sees_steps = any(_has_one(callback, _STEP_HOOKS) for callback in self.callbacks)
        self._logs: Logs = {}
        self.settled = True  # whether all have seen all that has happened: between hooks
        for callback in self.callbacks:
            callback.set_model(model)
            callback.set_params(dict(params or {}))

    def __len__(self) -> int:
        return len(self.callbacks)

    def __reduce__(self) -> tuple[Any, ...]:
        """Leave the callbacks behind when a model is copied or pickled: they belong to the training."""
        return CallbackList, ()

    @property
    def stopped(self) -> bool:
        """Whether somebody has set ``model.stop_training``."""
        return bool(getattr(self.model, "stop_training", False))

    # --- training and epochs ----------------------------------------------------------------------

    @contextmanager
    def training(self) -> Iterator[None]:
        """Call ``on_train_begin``, and at the end ``on_train_end`` of each for which it returned.

        The first exception goes on when all of those have run; what they raise after it is added to it as a note.
        """
        begun: list[Callback] = []
        try:
            for callback in self.callbacks:
                callback.on_train_begin({})
                begun.append(callback)
            if self._resumed is not None:
                self.load_states(self._resumed)
            yield
        except BaseException as error:
            self._end(begun, error)
            raise
        self._end(begun, None)

    def _end(self, begun: list[Callback], error: BaseException | None) -> None:
        first = None
        for callback in begun:
            try:
                callback.on_train_end(dict(self._logs))
            except BaseException as another:
                if error is None:
                    error = first = another
                else:
                    error.add_note(f"then on_train_end of {type(callback).__name__} raised {another!r}")
        if first is not None:
            raise first

    def epoch_begin(self, epoch: int) -> None:
        """Call ``on_epoch_begin``."""
        self.settled = False
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, {})
        self.settled = True

    def epoch_end(self, epoch: int, values: dict[str, float], keep: Callable[[dict[str, float]], None]) -> None:
        """Call ``on_epoch_end``.

        Parameters
        ----------
        epoch : int
        values : dict
            Losses and metrics.
        keep : callable
            Is given the numbers that callbacks added to the logs, also if one raises.
        """
        logs: Logs = dict(values)
        if not self.callbacks:
            self._logs = logs
            return
        self.settled = False
        try:
            for callback in self.callbacks:
                callback.on_epoch_end(epoch, logs)
        finally:
            self._logs = logs
            keep({name: float(value) for name, value in logs.items() if name not in values and _is_number(value)})
        self._checkpoint()

    # --- steps ------------------------------------------------------------------------------------

    def limit(self, step: int) -> int:
        """Return how many steps may be made at once when the model has made ``step``."""
        return min((callback.every - step % callback.every for callback in self._watching), default=sys.maxsize)

    def batch_begin(self, step: int, batch: int) -> None:
        """Call ``on_train_batch_begin`` of those whose group begins with step ``batch`` of the epoch."""
        self.settled = False
        for callback in self._watching:
            if step % callback.every == 0 or batch == 0:
                callback.on_train_batch_begin(batch, {})
        self.settled = True

    def batch_end(self, step: int, batch: int, last: bool, losses: Array, values: Callable[[], Logs],
                  piece: Piece | None = None) -> None:  # fmt: skip
        """Call ``on_steps`` and ``on_train_batch_end`` of those whose group ends.

        Parameters
        ----------
        step : int
            Steps that the model has made.
        batch : int
            The last one's number in the epoch.
        last : bool
            Whether it is the epoch's last.
        losses : ndarray (steps,)
            Of the piece's steps.
        values : callable
            Returns the running values of the epoch.
        piece : Piece
            Kept as ``piece``.
        """
        self.piece = piece
        self.settled = False
        for callback in self.callbacks:
            callback.on_steps(step - len(losses) + 1, losses)
        due = [callback for callback in self._watching if step % callback.every == 0 or last or self.stopped]
        if due:
            logs = values()
            for callback in due:
                callback.on_train_batch_end(batch, logs)
            self._checkpoint()
        self.settled = True

    def _checkpoint(self) -> None:
        self.settled = True
        for callback in self.callbacks:
            callback.on_checkpoint()

    # --- resume -----------------------------------------------------------------------------------

    def states(self) -> list[dict[str, Any]]:
        """Return ``{"name": ..., "state": ...}`` of each callback, in order."""
        return [{"name": _name(callback), "state": callback.state()} for callback in self.callbacks]

    def load_states(self, states: list[dict[str, Any]]) -> None:
        """Give each callback the state of the one of its kind, the first to the first; others begin anew."""
        left = list(states)
        for callback in self.callbacks:
            for place, entry in enumerate(left):
                if entry["name"] == _name(callback):
                    callback.load_state(left.pop(place)["state"])
                    break


def _name(callback: Callback) -> str:
    return callback.name or type(callback).__name__


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


__all__ = ["CallbackList", "check_callbacks", "watches_batches"]
