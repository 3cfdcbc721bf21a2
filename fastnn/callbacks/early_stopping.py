"""Stops the training when a loss or metric no longer gets better."""

from __future__ import annotations

from typing import Any, ClassVar

from fastnn.callbacks.base import CALLBACKS, Callback, Logs
from fastnn.callbacks.monitor import Monitor
from fastnn.callbacks.vectors import Vectors, copy_vectors, write_vectors
from fastnn.optimizers.base import number
from fastnn.validation import positive_whole


class EarlyStopping(Callback):
    """Stop after ``patience`` epochs without a better value.

    Parameters
    ----------
    monitor : str
        A name in the history.
    min_delta : float
        What a value must be better by to count.
    patience : int
        Epochs without a better value after which the training ends.
    verbose : int
        1 prints the epoch at which it ended.
    mode : "auto", "min" or "max"
    baseline : float, optional
        Epochs count as better only if they beat this as well.
    restore_best_weights : bool
        Leave the model with the weights and moving statistics of the best epoch, also after Ctrl-C.
    start_from_epoch : int
        Epochs of the model before that are not looked at.

    Attributes
    ----------
    best : float or None
    best_epoch, stopped_epoch : int or None
        Numbers of epochs; None while there is none (Keras has 0).
    """

    name: ClassVar[str] = "early_stopping"

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0, patience: int = 0, verbose: int = 0,
                 mode: str = "auto", baseline: float | None = None, restore_best_weights: bool = False,
                 start_from_epoch: int = 0) -> None:  # fmt: skip
        self.monitor = monitor
        self._monitor = Monitor(monitor, mode, min_delta)
        self.patience = positive_whole("patience", patience, zero=True)
        self.verbose = verbose
        self.baseline = None if baseline is None else number("baseline", baseline)
        self.restore_best_weights = bool(restore_best_weights)
        self.start_from_epoch = positive_whole("start_from_epoch", start_from_epoch, zero=True)
        self._forget()

    def _forget(self) -> None:
        self.wait = 0
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self.best_weights: Vectors | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start anew."""
        self._monitor.check(self.params)
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare the epoch with the best one."""
        value = self._monitor.value(logs)
        if epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = copy_vectors(self.model), epoch  # should none ever be better
        self.wait += 1
        if self._monitor.better(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = copy_vectors(self.model)
            if self.baseline is None or self._monitor.better(value, self.baseline):
                self.wait = 0
                return
        if self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Put the best weights back."""
        if self.verbose and self.stopped_epoch is not None:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            write_vectors(self.model, self.best_weights)
            if self.verbose and self.best_epoch is not None:
                print(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")

    def state(self) -> dict[str, Any]:
        """Return the best value, its epoch and weights, and for how long there was none better."""
        names = ("wait", "best", "best_epoch", "stopped_epoch", "best_weights")
        return {name: getattr(self, name) for name in names}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        for name, value in state.items():
            setattr(self, name, value)


CALLBACKS.register(EarlyStopping.name, EarlyStopping)
