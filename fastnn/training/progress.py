"""Progress on a terminal or in a notebook by tqdm, one line an epoch elsewhere, or nothing.

tqdm is optional: without it the lines are printed.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from typing import Any

from fastnn.errors import InvalidValueError


def line(values: dict[str, float]) -> str:
    """Return losses and metrics as people read them."""
    return " - ".join(f"{name}: {value:.4f}" for name, value in values.items())


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    return shell is not None and getattr(shell.get_ipython(), "kernel", None) is not None


class Progress:
    """Shows how far a training is.

    Parameters
    ----------
    epochs, samples : int
    verbose : "auto", 0, 1 or 2
        0 shows nothing, 1 a bar an epoch, 2 a line an epoch; "auto" is 1 on a terminal or in a notebook and 0 elsewhere.
    """

    def __init__(self, epochs: int, samples: int, verbose: int | str) -> None:
        if verbose not in ("auto", 0, 1, 2):
            raise InvalidValueError(f"verbose must be 'auto', 0, 1 or 2, got {verbose!r}")
        if verbose == "auto":
            verbose = 1 if sys.stderr.isatty() or _in_notebook() else 0
        self.verbose = int(verbose)
        self._bars = self.verbose == 1 and importlib.util.find_spec("tqdm") is not None
        self._epochs, self._samples = epochs, samples
        self._bar: Any = None
        self._start = 0.0

    def begin(self, epoch: int) -> None:
        """Start an epoch."""
        self._start = time.perf_counter()
        if self._bars:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self._samples, desc=f"Epoch {epoch + 1}/{self._epochs}", unit="sample",
                             unit_scale=True, leave=True, file=None if _in_notebook() else sys.stderr)  # fmt: skip

    def advance(self, samples: int, loss: float) -> None:
        """Note that ``samples`` more are done and the running loss."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss: {loss:.4f}", refresh=False)
            self._bar.update(samples)

    def end(self, epoch: int, values: dict[str, float]) -> None:
        """Finish an epoch with its results."""
        if self._bar is not None:
            self._bar.set_postfix_str(line(values), refresh=True)
            self.close()
        elif self.verbose:
            seconds = time.perf_counter() - self._start
            print(f"Epoch {epoch + 1}/{self._epochs} - {seconds:.2f} s - {line(values)}", flush=True)

    def close(self) -> None:
        """Take the bar away; also after an interruption."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
