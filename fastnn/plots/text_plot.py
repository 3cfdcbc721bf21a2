"""Learning curves in a terminal, by the end of a training or while it runs."""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any, ClassVar

from fastnn.callbacks import Callback, Logs
from fastnn.errors import InvalidTypeError
from fastnn.optimizers.base import non_negative
from fastnn.plots.text_curves import text_curves

UP_AND_CLEAR = "\x1b[{}F\x1b[J"
"""To the start of so many lines above, and nothing from there on (ECMA-48, CPL and ED)."""


class TextPlot(Callback):
    """Prints the learning curves as text: for people who train over SSH.

    Parameters
    ----------
    live : bool
        Whether a terminal is drawn on anew after epochs, over what was drawn before; train with ``verbose=0`` then,
        since a bar would be in the way. Where standard output is no terminal, the curves are printed at the end.
    seconds : float
        Between two drawings at least.
    **settings
        Of ``text_curves``: ``names``, ``width``, ``height``, ``ascii``.

    Examples
    --------
    >>> model.fit(x, y, epochs=50, verbose=0, callbacks=[TextPlot(live=True)])  # doctest: +SKIP
    """

    name: ClassVar[str] = "text_plot"

    def __init__(self, live: bool = False, seconds: float = 0.5, **settings: Any) -> None:
        if not isinstance(live, bool):
            raise InvalidTypeError(f"live must be True or False, got {live!r}")
        unknown = sorted(set(settings) - {"names", "width", "height", "ascii"})
        if unknown:
            raise InvalidTypeError(f"TextPlot takes names, width, height and ascii, got {', '.join(unknown)}")
        self.live = live
        self.seconds = non_negative("seconds", seconds)
        self.settings = settings
        self._lines = 0
        self._next = 0.0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the last training's drawing."""
        self._lines, self._next = 0, 0.0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Draw, if it is time."""
        if self.live and sys.stdout.isatty() and time.monotonic() >= self._next:
            self._draw(most=shutil.get_terminal_size().lines - 1)  # what has left the screen cannot be drawn over
            self._next = time.monotonic() + self.seconds

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Draw all epochs; nothing if there is none."""
        if self.model.history.epoch:
            self._draw()

    def _draw(self, most: int | None = None) -> None:
        """Draw over what was drawn before; at most so many lines."""
        lines = text_curves(self.model.history, **self.settings).split("\n")[:most]
        before = UP_AND_CLEAR.format(self._lines) if self._lines else ""
        print(before + "\n".join(lines), flush=True)
        self._lines = len(lines)
