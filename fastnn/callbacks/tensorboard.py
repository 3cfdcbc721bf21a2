"""Writes losses, metrics and histograms of weights for TensorBoard, by tensorboardX or PyTorch's writer."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np

from fastnn.callbacks.base import CALLBACKS, Callback, Logs
from fastnn.callbacks.rates import current_rate
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.optional import installed, load
from fastnn.validation import positive_whole


class TensorBoard(Callback):
    """Curves under ``epoch_<name>``, as Keras writes them: runs ``train`` and ``validation`` in ``log_dir``.

    Needs tensorboardX (the extra ``tensorboard``), or PyTorch with TensorBoard.

    Parameters
    ----------
    log_dir : str or path
    histogram_freq : int
        Every how many epochs histograms of the finite weights are written; 0 for never.
    update_freq : "epoch", "batch" or int
        With steps, also writes the running values of the epoch as ``batch_<name>``, every so many updates.
    """

    name: ClassVar[str] = "tensorboard"

    def __init__(self, log_dir: Any = "logs", histogram_freq: int = 0, update_freq: str | int = "epoch") -> None:
        if not isinstance(log_dir, str | os.PathLike):
            raise InvalidTypeError(f"log_dir must be a path, got {log_dir!r}")
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = positive_whole("histogram_freq", histogram_freq, zero=True)
        self.update_freq = update_freq
        if isinstance(update_freq, str) and update_freq not in ("epoch", "batch"):
            raise InvalidValueError(f"update_freq must be 'epoch', 'batch' or a number of steps, got {update_freq!r}")
        if update_freq != "epoch":
            self.every = 1 if isinstance(update_freq, str) else positive_whole("update_freq", update_freq)
            self.on_train_batch_end = self._batch_end  # type: ignore[method-assign]
        self._writers: dict[str, Any] = {}
        self._make: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Find the writer package; files are made by their first values."""
        self._writers = {}
        self._make = _writer_class()

    def _writer(self, run: str) -> Any:
        if run not in self._writers:
            self._writers[run] = self._make(os.path.join(self.log_dir, run))
        return self._writers[run]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the epoch's values."""
        for name, value in (logs or {}).items():
            run = "validation" if name.startswith("val_") else "train"
            self._writer(run).add_scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)
        if "learning_rate" not in (logs or {}):
            self._writer("train").add_scalar("epoch_learning_rate", current_rate(self.model), epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for name, values in self.model.weights.items():
                finite = values[np.isfinite(values)]  # writers raise on others, and on nothing
                if finite.size:
                    self._writer("train").add_histogram(name, finite, epoch)
        for writer in self._writers.values():
            writer.flush()

    def _batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self.model.iterations % self.every == 0:
            for name, value in (logs or {}).items():
                self._writer("train").add_scalar(f"batch_{name}", value, self.model.iterations)

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


def _writer_class() -> Any:
    """Return tensorboardX's writer, or PyTorch's where that is installed instead."""
    if not installed("tensorboardX") and installed("torch") and installed("tensorboard"):
        return load("torch.utils.tensorboard", purpose="TensorBoard").SummaryWriter
    return load("tensorboardX", purpose="TensorBoard").SummaryWriter


CALLBACKS.register(TensorBoard.name, TensorBoard)
