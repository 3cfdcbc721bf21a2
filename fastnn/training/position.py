"""Where a call of ``fit`` stands, so that another one, in another process, goes on to the same bits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from fastnn.callbacks.runner import CallbackList
from fastnn.errors import InvalidValueError
from fastnn.metrics import Metric


@dataclass
class Position:
    """A place between two steps.

    Attributes
    ----------
    epochs : int
        Whole epochs that this training has made.
    begun : bool
        Whether callbacks have seen the next epoch begin.
    steps : int
        Steps of it that are made.
    total : float
        Sum of their losses.
    values : dict or None
        Loss and metrics of the epoch once its steps are made; what is missing is its validation.
    """

    epochs: int = 0
    begun: bool = False
    steps: int = 0
    total: float = 0.0
    values: dict[str, float] | None = None

    def next_epoch(self) -> None:
        """Count an epoch."""
        self.epochs += 1
        self.begun, self.steps, self.total, self.values = False, 0, 0.0, None


@dataclass
class FitState:
    """A training at one moment, as data.

    Attributes
    ----------
    terms : dict
        What it was called with and shapes and types of its data: whoever goes on must have the same.
    position : Position
    metrics : list of dict
        What each metric has taken in of the epoch; empty between epochs.
    callbacks : list of dict
        ``CallbackList.states()``.
    stop : bool
        Whether somebody has set ``model.stop_training``.
    settled : bool
        Whether all callbacks have seen all that has happened.
    """

    terms: dict[str, Any]
    position: Position = field(default_factory=Position)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    stop: bool = False
    settled: bool = True

    def state(self) -> FitState:
        """Return the state."""
        return self

    def check_terms(self, terms: dict[str, Any]) -> None:
        """Raise an error unless a call of ``fit`` goes on with this training.

        Raises
        ------
        InvalidValueError
        """
        for name, wanted in self.terms.items():
            if terms.get(name) != wanted:
                raise InvalidValueError(f"the training to resume has {name} {wanted!r}, got {terms.get(name)!r}")
        if not self.settled:
            raise InvalidValueError(
                "the training to resume was saved while callbacks were called, some of which had not seen what others "
                "had; save in on_checkpoint, as ModelCheckpoint does"
            )


@dataclass
class RunningFit:
    """A training in progress."""

    terms: dict[str, Any]
    position: Position
    metrics: list[Metric]
    callbacks: CallbackList

    @classmethod
    def resumed(cls, saved: FitState, metrics: list[Metric], callbacks: CallbackList) -> RunningFit:
        """Return a training that goes on from a saved one; the metrics take over what they had taken in."""
        for metric, state in zip(metrics, saved.metrics, strict=False):
            metric.load_state(state)
        return cls(saved.terms, replace(saved.position), metrics, callbacks)

    def state(self) -> FitState:
        """Return the state at this moment."""
        streaming = self.position.begun and self.position.values is None
        states = [metric.state() for metric in self.metrics] if streaming else []
        return FitState(self.terms, replace(self.position), states, self.callbacks.states(), self.callbacks.stopped,
                        self.callbacks.settled)  # fmt: skip
