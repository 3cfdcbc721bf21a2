"""Learning curves in a notebook that grow while the network trains."""

from __future__ import annotations

import importlib
import io
import time
from typing import Any, ClassVar

from fastnn.callbacks import Callback, Logs
from fastnn.errors import UnavailableError
from fastnn.optimizers.base import non_negative
from fastnn.optional import load
from fastnn.plots.figure import new_figure
from fastnn.plots.learning_curves import learning_curves
from fastnn.training.progress import in_notebook

DPI = 144
"""Of the picture; notebooks show it at half the size, sharp on dense screens."""


class LivePlot(Callback):
    """Shows the learning curves in one output of a notebook, drawn anew after epochs.

    Parameters
    ----------
    seconds : float
        Between two drawings at least; a drawing takes about a tenth of a second, the last epoch is always drawn.
    title : str, optional
    logarithmic : bool
        Whether the loss's axis is.

    Raises
    ------
    UnavailableError
        When the training begins, outside of a notebook: a terminal has ``TextPlot``.
    MissingPackageError
        When the training begins, if matplotlib is not installed.

    Examples
    --------
    >>> model.fit(x, y, epochs=50, callbacks=[LivePlot()])  # doctest: +SKIP
    """

    name: ClassVar[str] = "live_plot"

    def __init__(self, seconds: float = 1.0, *, title: str | None = None, logarithmic: bool = False) -> None:
        self.seconds = non_negative("seconds", seconds)
        self.title = title
        self.logarithmic = logarithmic
        self._handle: Any = None
        self._next = 0.0
        self._shown = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """See that there is a notebook; the next picture is a new output."""
        load("matplotlib.figure", purpose="LivePlot")
        if not in_notebook():
            raise UnavailableError("LivePlot draws in notebooks; in a terminal use fastnn.plots.TextPlot")
        self._handle, self._next, self._shown = None, 0.0, 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Draw, if it is time."""
        if time.monotonic() >= self._next:
            self._draw()
            self._next = time.monotonic() + self.seconds

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Draw what has come since the last drawing."""
        if len(self.model.history.epoch) > self._shown:
            self._draw()

    def _draw(self) -> None:
        history = self.model.history
        figure = learning_curves(history, title=self.title, logarithmic=self.logarithmic, figure=new_figure())
        self._shown = len(history.epoch)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=DPI)
        # as data, so that it does not depend on which of matplotlib's backends the notebook has chosen
        data = {"image/png": png.getvalue(), "text/plain": repr(history)}
        width, height = (figure.get_size_inches() * DPI / 2).astype(int).tolist()
        metadata = {"image/png": {"width": width, "height": height}}
        if self._handle is None:
            # there, as this is a notebook
            display = importlib.import_module("IPython.display").display
            self._handle = display(data, raw=True, metadata=metadata, display_id=True)
        else:
            self._handle.update(data, raw=True, metadata=metadata)
