"""What a training leaves behind: losses and metrics by epoch, as in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class History:
    """Losses and metrics of each epoch.

    Attributes
    ----------
    history : dict of list of float
        ``"loss"``, each metric's name, and the same with ``"val_"`` in front for the validation data.
    epoch : list of int
        Numbers of the epochs, from 0.
    params : dict
        ``epochs``, ``batch_size``, ``samples``.
    """

    def __init__(self, **params: Any) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self.params = params

    def append(self, epoch: int, values: dict[str, float]) -> None:
        """Add an epoch."""
        self.epoch.append(epoch)
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)

    def extend(self, values: dict[str, float]) -> None:
        """Add to the last epoch what callbacks measured: a learning rate, seconds."""
        for name, value in values.items():
            self.history.setdefault(name, []).append(value)

    def plot(self, *, logarithmic: bool = False, title: str | None = None, figure: Any = None) -> Any:
        """Draw the learning curves; see ``fastnn.plots.learning_curves``."""
        # a floor up, and optional: loaded by those who ask for it
        from fastnn.plots import learning_curves

        return learning_curves(self, logarithmic=logarithmic, title=title, figure=figure)

    def plot_text(self, print_fn: Callable[[str], Any] | None = print, **settings: Any) -> str:
        """Print, and return, the learning curves as text, for terminals; see ``fastnn.plots.text_curves``."""
        from fastnn.plots import text_curves

        text = text_curves(self, **settings)
        if print_fn is not None:
            print_fn(text)
        return text

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.history.items())
        return f"<History of {len(self.epoch)} epochs: {last}>"
