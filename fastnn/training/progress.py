"""Progress on a terminal or in a notebook by tqdm, one line an epoch elsewhere, or nothing.

One bar serves a whole training: an epoch of a small network takes milliseconds, less than a bar of its own
would. tqdm is optional: without it the lines are printed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from fastnn.errors import InvalidValueError

BAR = "{desc} |{bar:12}| {elapsed}<{remaining}, {rate_fmt}{postfix}"
REFRESH_SECONDS = 0.1
UNKNOWN_SHAPE = 100, 24
"""Columns and rows for a bar on a terminal that says it has none, as containers' and logging tools' do."""


def line(values: dict[str, float]) -> str:
    """Return losses and metrics as people read them."""
    return " - ".join(f"{name}: {value:.4f}" for name, value in values.items())


def compact(values: dict[str, float]) -> str:
    """Return losses and metrics in little space: each validation value behind its training value."""
    parts = []
    for name, value in values.items():
        validation = values.get(f"val_{name}")
        if validation is not None:
            parts.append(f"{name} {value:.4f} (val {validation:.4f})")
        elif not name.startswith("val_"):
            parts.append(f"{name} {value:.4f}")
    return ", ".join(parts)


def in_notebook() -> bool:
    """Return whether this process is a notebook's: IPython with a kernel."""
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


def _shape_unknown() -> bool:
    """Return whether standard error is a terminal of 0 columns, on which tqdm would draw nothing."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns == 0
    except (AttributeError, OSError, ValueError):  # no terminal, or no file at all
        return False


def check_verbose(verbose: int | str) -> int:
    """Return 0, 1 or 2 for what ``fit`` was given; "auto" is 1 on a terminal or in a notebook, else 2.

    Raises
    ------
    InvalidValueError
    """
    if verbose not in ("auto", 0, 1, 2):
        raise InvalidValueError(f"verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
    if verbose == "auto":
        return 1 if sys.stderr.isatty() or in_notebook() else 2
    return int(verbose)


class Progress:
    """Shows how far a training is.

    Parameters
    ----------
    epochs, samples : int
        Epochs of the training, samples of an epoch.
    verbose : 0, 1 or 2
        Nothing, a bar with rate, time left, running loss and metrics and the latest validation, a line an epoch.
    done : int
        Samples of all epochs that a training that is resumed has behind it.
    """

    def __init__(self, epochs: int, samples: int, verbose: int, done: int = 0) -> None:
        self._lines = verbose > 0
        self._epochs = epochs
        self._bar: Any = None
        self._last: dict[str, float] = {}
        self._shown = 0.0
        self._start = 0.0
        if verbose == 1 and epochs and importlib.util.find_spec("tqdm") is not None:
            from tqdm.auto import tqdm

            self._lines = False
            shape = dict(zip(("ncols", "nrows"), UNKNOWN_SHAPE)) if _shape_unknown() else {"dynamic_ncols": True}
            self._bar = tqdm(
                total=epochs * samples, initial=done, desc=f"Epoch 1/{epochs}", bar_format=BAR, **shape,
                mininterval=REFRESH_SECONDS, unit=" samples", unit_scale=True,
                file=None if in_notebook() else sys.stderr,
            )  # fmt: skip

    def begin(self, epoch: int) -> None:
        """Start an epoch."""
        self._start = time.perf_counter()
        if self._bar is not None:
            self._bar.set_description_str(f"Epoch {epoch + 1}/{self._epochs}", refresh=False)

    def advance(self, samples: int, values: Callable[[], dict[str, float]]) -> None:
        """Note that ``samples`` more are done; ``values`` is asked for running values when they are to be shown."""
        if self._bar is None:
            return
        now = time.perf_counter()
        if now - self._shown >= REFRESH_SECONDS:
            self._shown = now
            self._bar.set_postfix_str(compact({**self._last, **values()}), refresh=False)
        self._bar.update(samples)

    def end(self, epoch: int, values: dict[str, float]) -> None:
        """Finish an epoch with its results."""
        if self._bar is not None:
            self._last = values
            self._bar.set_postfix_str(compact(values), refresh=epoch + 1 == self._epochs)
        elif self._lines:
            seconds = time.perf_counter() - self._start
            print(f"Epoch {epoch + 1}/{self._epochs} - {seconds:.2f} s - {line(values)}", flush=True)

    def close(self) -> None:
        """Leave the bar as it stands; also after an interruption."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
