"""Lowers the learning rate when a loss or metric no longer gets better."""

from __future__ import annotations

from typing import Any, ClassVar

from fastnn.callbacks.base import CALLBACKS, Callback, Logs
from fastnn.callbacks.monitor import Monitor
from fastnn.callbacks.rates import check_settable, current_rate
from fastnn.errors import InvalidValueError
from fastnn.optimizers.base import non_negative
from fastnn.validation import positive_whole


class ReduceLROnPlateau(Callback):
    """Multiply the rate by ``factor`` after ``patience`` epochs without a better value.

    Parameters
    ----------
    monitor : str
        A name in the history.
    factor : float
        Below 1.
    patience : int
        Epochs without a better value.
    verbose : int
        1 prints each new rate.
    mode : "auto", "min" or "max"
    min_delta : float
        What a value must be better by to count.
    cooldown : int
        Epochs after a reduction that are not counted.
    min_lr : float
        The rate does not fall below.
    """

    name: ClassVar[str] = "reduce_lr_on_plateau"

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, verbose: int = 0,
                 mode: str = "auto", min_delta: float = 1e-4, cooldown: int = 0,
                 min_lr: float = 0.0) -> None:  # fmt: skip
        self.monitor = monitor
        self._monitor = Monitor(monitor, mode, min_delta)
        self.factor = non_negative("factor", factor)
        if self.factor >= 1:
            raise InvalidValueError(f"factor must be below 1, got {factor!r}")
        self.patience = positive_whole("patience", patience, zero=True)
        self.verbose = verbose
        self.cooldown = positive_whole("cooldown", cooldown, zero=True)
        self.min_lr = non_negative("min_lr", min_lr)
        self._forget()

    def _forget(self) -> None:
        self.wait = 0
        self.cooldown_counter = 0
        self.best: float | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start anew."""
        self._monitor.check(self.params)
        check_settable(self.model, "ReduceLROnPlateau")
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Compare the epoch with the best one, and add the rate it was trained at to the history."""
        rate = current_rate(self.model)
        value = self._monitor.value(logs)
        if logs is not None:
            logs["learning_rate"] = rate
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._monitor.better(value, self.best):
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                self.model.optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                self.cooldown_counter, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: learning rate reduced to {self.model.optimizer.learning_rate:.6g}")

    def state(self) -> dict[str, Any]:
        """Return the best value, the counters and the rate."""
        return {"best": self.best, "wait": self.wait, "cooldown_counter": self.cooldown_counter,
                "learning_rate": current_rate(self.model)}  # fmt: skip

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.best, self.wait, self.cooldown_counter = state["best"], state["wait"], state["cooldown_counter"]
        self.model.optimizer.learning_rate = float(state["learning_rate"])


CALLBACKS.register(ReduceLROnPlateau.name, ReduceLROnPlateau)
