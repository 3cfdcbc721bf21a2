"""Saves the model while it trains."""

from __future__ import annotations

import os
from typing import Any, ClassVar

from fastnn.callbacks.base import CALLBACKS, Callback, Logs
from fastnn.callbacks.monitor import Monitor
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.folders import make_folder_for
from fastnn.optimizers.base import number
from fastnn.validation import positive_whole


class ModelCheckpoint(Callback):
    """Save after each epoch, or after every so many steps.

    A file is written when all callbacks have seen the epoch or the step, wherever in the list this one stands, so that
    a training resumed from it goes on as if it had never stopped.

    Parameters
    ----------
    filepath : str or path
        May name ``{epoch}`` (from 1), ``{batch}`` (from 1, with ``save_freq`` in steps) and values of the logs:
        ``"net-{epoch:02d}-{val_loss:.3f}.safetensors"``. Folders that do not exist are made, before the first epoch.
    monitor : str
        What "best" means, for ``save_best_only``.
    verbose : int
        1 prints each file's name.
    save_best_only : bool
        Save only what beats all that came before.
    save_weights_only : bool
        Weights without optimizer, counters and callbacks, by ``model.save_weights``.
    mode : "auto", "min" or "max"
    save_freq : "epoch" or int
        Steps between files, counted over all calls of ``fit``.
    initial_value_threshold : float, optional
        For ``save_best_only``: the value to beat from the start.
    """

    name: ClassVar[str] = "model_checkpoint"

    def __init__(self, filepath: Any, monitor: str = "val_loss", verbose: int = 0, save_best_only: bool = False,
                 save_weights_only: bool = False, mode: str = "auto", save_freq: str | int = "epoch",
                 initial_value_threshold: float | None = None) -> None:  # fmt: skip
        if not isinstance(filepath, str | os.PathLike):
            raise InvalidTypeError(f"filepath must be a path, got {filepath!r}")
        self.filepath = os.fspath(filepath)
        self.monitor = monitor
        self._monitor = Monitor(monitor, mode)
        self.verbose = verbose
        self.save_best_only = bool(save_best_only)
        self.save_weights_only = bool(save_weights_only)
        self.save_freq = save_freq
        if isinstance(save_freq, str):
            if save_freq != "epoch":
                raise InvalidValueError(f"save_freq must be 'epoch' or a number of steps, got {save_freq!r}")
        else:
            self.every = positive_whole("save_freq", save_freq)
            self.on_train_batch_end = self._batch_end  # type: ignore[method-assign]
        start = initial_value_threshold
        self.initial_value_threshold = None if start is None else number("initial_value_threshold", start)
        self._forget()

    def _forget(self) -> None:
        self.best = self.initial_value_threshold
        self._due: str | None = None
        self._epoch = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start anew; what cannot work is said here."""
        save = "save_weights" if self.save_weights_only else "save"
        if not callable(getattr(self.model, save, None)):
            raise InvalidTypeError(f"{type(self.model).__name__} has no method {save} for ModelCheckpoint to call")
        if self.save_best_only:
            self._monitor.check(self.params)
            if self.save_freq != "epoch" and self._monitor.name.startswith("val_"):
                raise InvalidValueError(
                    f"there is no {self._monitor.name} between epochs: monitor a training value, or save_freq='epoch'"
                )
        make_folder_for(os.path.join(os.path.dirname(self.filepath.partition("{")[0]), "file"))
        self._forget()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Remember the number, for names."""
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Note that the epoch is to be saved."""
        if self.save_freq == "epoch":
            self._note({"epoch": epoch + 1}, logs or {})

    def _batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self.model.iterations % self.every == 0:
            self._note({"epoch": self._epoch + 1, "batch": batch + 1}, logs or {})

    def _note(self, numbers: dict[str, int], logs: Logs) -> None:
        if self.save_best_only:
            value = self._monitor.value(logs)
            if not self._monitor.better(value, self.best):
                return
            self.best = value
        try:
            self._due = self.filepath.format(**{**logs, **numbers})
        except (KeyError, IndexError) as error:
            known = ", ".join([*numbers, *logs])
            raise InvalidValueError(f"filepath {self.filepath!r} names {error}; known are {known}") from None

    def on_checkpoint(self) -> None:
        """Write the file."""
        if self._due is None:
            return
        path, self._due = self._due, None
        make_folder_for(path)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"Saved {path}")

    def state(self) -> dict[str, Any]:
        """Return the best value so far and the epoch under way."""
        return {"best": self.best, "epoch": self._epoch}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.best, self._epoch = state["best"], state["epoch"]


CALLBACKS.register(ModelCheckpoint.name, ModelCheckpoint)
