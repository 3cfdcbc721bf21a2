"""Stops a training whose loss is no number any more, and says where it broke."""

from __future__ import annotations

import math
import warnings
from typing import ClassVar

import numpy as np

from fastnn.callbacks.base import CALLBACKS, Array, Callback, Logs


class TerminateOnNaN(Callback):
    """Stop, with a warning that names the step and the first layer with a non-finite weight or output.

    The loss of every step is looked at, in pieces as the compiled loop makes them; what it costs is a copy of weights
    and optimizer state a piece. When a step's loss is infinite or NaN, the piece is made again up to that step, to the
    same bits, and the network as it was then is run on that step's samples, layer by layer (without dropout and noise).
    Then the weights are put back as the training had left them, as in Keras: beyond the step that broke.

    Attributes
    ----------
    message : str or None
        What the warning said.
    """

    name: ClassVar[str] = "terminate_on_nan"

    def __init__(self) -> None:
        self.message: str | None = None
        self._kept: list[Array] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Keep what the first piece starts from."""
        self.message = None
        self._kept = None
        self._keep()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Keep the weights again: other callbacks may have changed them."""
        self._keep()

    def _vectors(self) -> list[Array]:
        found = (self.model._vector, self.model._statistics, self.model._slots, self.model._carried.values)
        return [vector for vector in found if vector is not None]

    def _keep(self) -> None:
        if self._kept is None:
            self._kept = [np.array(vector) for vector in self._vectors()]
        else:
            _write(self._kept, self._vectors())

    def on_steps(self, first: int, losses: Array) -> None:
        """Look at the losses."""
        bad = np.flatnonzero(~np.isfinite(losses))
        if not bad.size:
            self._keep()
            return
        place = int(bad[0])
        piece = self.model._callbacks.piece
        after = [np.array(vector) for vector in self._vectors()]
        assert self._kept is not None
        _write(self._vectors(), self._kept)
        with np.errstate(all="ignore"):
            if place:
                piece.replay(place)
            found = self._first_layer(piece.samples(place))
        _write(self._vectors(), after)
        kind = "NaN" if math.isnan(losses[place]) else "infinite"
        self._stop(f"the loss is {kind} at step {first + place}; {found}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Look at the weights: the last step may have broken them."""
        if self.message is None and not np.isfinite(self.model.parameters).all():
            self._stop(f"after step {self.model.iterations} the loss is finite, but {self._weights()}")

    def _stop(self, message: str) -> None:
        self.message = message
        self.model.stop_training = True
        warnings.warn(f"training stopped: {message}", RuntimeWarning, stacklevel=2)

    def _weights(self, layer: int | None = None) -> str | None:
        """Name the first array of a layer, or of all, that holds NaN or infinity."""
        plan = self.model._plan
        for parameter in (*plan.parameters, *plan.statistics):
            own = {**self.model.weights, **self.model.statistics}[parameter.name]
            if layer in (None, parameter.layer) and not np.isfinite(own).all():
                return f"the weights {parameter.name} of {self._layer(parameter.layer)} are not finite"
        return None

    def _first_layer(self, samples: Array) -> str:
        if not np.isfinite(samples).all():
            return "its samples hold NaN or infinity"
        outputs = self.model.layer_outputs(samples)
        for number, values in enumerate(outputs):
            weights = self._weights(number)
            if weights:
                return weights
            if not np.isfinite(values).all():
                return f"the outputs of {self._layer(number)} are not finite"
        return "all layers' weights and outputs are finite: it is the loss function that is not"

    def _layer(self, number: int) -> str:
        return f"layer {number + 1} ({type(self.model.layers[number]).__name__})"


def _write(targets: list[Array], sources: list[Array]) -> None:
    for target, source in zip(targets, sources, strict=True):
        target[...] = source


CALLBACKS.register(TerminateOnNaN.name, TerminateOnNaN)
