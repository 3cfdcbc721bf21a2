"""Measures how long epochs take."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from fastnn.callbacks.base import CALLBACKS, Callback, Logs


class Timing(Callback):
    """Seconds and samples per second of each epoch, validation included.

    Parameters
    ----------
    log : bool
        Add ``seconds`` and ``samples_per_second`` to the history. They differ from run to run, as nothing else in it.
    verbose : int
        1 prints them.

    Attributes
    ----------
    seconds, samples_per_second : list of float
        By epoch.
    """

    name: ClassVar[str] = "timing"

    def __init__(self, log: bool = False, verbose: int = 0) -> None:
        self.log = bool(log)
        self.verbose = verbose
        self.seconds: list[float] = []
        self.samples_per_second: list[float] = []
        self._start = 0.0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Start anew."""
        self.seconds, self.samples_per_second = [], []

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the clock."""
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look again."""
        seconds = max(time.perf_counter() - self._start, 1e-9)
        self.seconds.append(seconds)
        self.samples_per_second.append(self.params["samples"] / seconds)
        if self.log and logs is not None:
            logs["seconds"], logs["samples_per_second"] = seconds, self.samples_per_second[-1]
        if self.verbose:
            print(f"Epoch {epoch + 1}: {seconds:.3g} s, {self.samples_per_second[-1]:,.0f} samples/s")

    def state(self) -> dict[str, Any]:
        """Return what was measured."""
        return {"seconds": list(self.seconds), "samples_per_second": list(self.samples_per_second)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.seconds, self.samples_per_second = list(state["seconds"]), list(state["samples_per_second"])
        self._start = time.perf_counter()  # the rest of an epoch that was under way


CALLBACKS.register(Timing.name, Timing)
