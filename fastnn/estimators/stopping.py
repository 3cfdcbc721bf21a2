"""scikit-learn's rule of when a training has converged, as a callback: all epochs are one call of ``fit``.

After each epoch the training loss is compared with the best one, or, with early stopping, the validation score. After
more than ``n_iter_no_change`` epochs in a row without an improvement by ``tol`` the training ends; with the adaptive
rate, the rate is divided by 5 instead until it is at most 1e-6.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastnn.callbacks import Callback, Logs
from fastnn.formulas import pow

Array = np.ndarray[Any, Any]

SMALLEST_ADAPTED_RATE = 1e-6
RATE_DIVISOR = 5.0


class Convergence(Callback):
    """Watches epochs, ends the training, changes the rate of SGD and keeps the best weights.

    Parameters
    ----------
    tol : float
    patience : int or inf
    score : str or None
        Name in the logs of the validation score that decides; None for the training loss.
    rate : "constant", "invscaling" or "adaptive"
    rate_init, power_t : float
    samples : int
        Of an epoch.
    seen : int
        Samples seen before.
    verbose : bool
    before : Convergence, optional
        Of the training that this one goes on with: its best values and its count of epochs without improvement.

    Attributes
    ----------
    losses : list of float
        Of each epoch.
    best_loss, best_score : float
    best_weights : tuple of ndarray or None
        The flat weights and statistics at the best score; None unless a score decides.
    converged : bool
        Whether the rule ended the training.
    """

    def __init__(self, tol: float, patience: float, *, score: str | None = None, rate: str = "constant",
                 rate_init: float = 0.0, power_t: float = 0.5, samples: int = 0, seen: int = 0, verbose: bool = False,
                 before: Convergence | None = None) -> None:  # fmt: skip
        self.tol, self.patience, self.score, self.verbose = tol, patience, score, verbose
        self.rate, self.rate_init, self.power_t = rate, rate_init, power_t
        self.samples, self.seen = samples, seen
        self.losses: list[float] = []
        self.best_loss: float = math.inf if before is None else before.best_loss
        self.best_score: float = -math.inf if before is None else before.best_score
        self.unimproved: int = 0 if before is None else before.unimproved
        self.best_weights: tuple[Array, Array] | None = None
        self.converged = False

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Note an epoch's loss and score, and decide."""
        logs = logs or {}
        loss = float(logs["loss"])
        self.losses.append(loss)
        self.seen += self.samples
        if self.verbose:
            print(f"Iteration {len(self.losses)}, loss = {loss:.8f}")
        if self.score is None:
            improved = not loss > self.best_loss - self.tol
            self.best_loss = loss if loss < self.best_loss else self.best_loss
        else:
            improved = self._scored(float(logs[self.score]))
        self.unimproved = 0 if improved else self.unimproved + 1
        if self.rate == "invscaling":
            # fastnn's power: the C library's differs from machine to machine
            scale = pow(np.array([self.seen + 1.0]), np.array([float(self.power_t)]))
            self.model.optimizer.learning_rate = float(self.rate_init / scale[0])
        if self.unimproved > self.patience:
            self._end()

    def _scored(self, score: float) -> bool:
        """Note a validation score; return whether it counts as an improvement (NaN does, as in scikit-learn)."""
        if self.verbose:
            print(f"Validation score: {score:f}")
        improved = not score < self.best_score + self.tol
        if score > self.best_score:
            self.best_score = score
            self.best_weights = weights_of(self.model)
        return improved

    def _end(self) -> None:
        """End the training, or lower an adaptive rate and go on."""
        what = "Training loss" if self.score is None else "Validation score"
        said = f"{what} did not improve more than tol={self.tol:f} for {self.patience} consecutive epochs."
        if self.rate == "adaptive":
            if self.model.optimizer.learning_rate > SMALLEST_ADAPTED_RATE:
                self.model.optimizer.learning_rate /= RATE_DIVISOR
                self.unimproved = 0
                if self.verbose:
                    print(f"{said} Setting learning rate to {self.model.optimizer.learning_rate:f}")
                return
            said += " Learning rate too small."
        if self.verbose:
            print(f"{said} Stopping.")
        self.converged = self.model.stop_training = True

    def settle(self) -> None:
        """Give the model its best weights, if a score decided, and let go of both."""
        if self.best_weights is not None:
            write_weights(self.model, self.best_weights)
        self.model, self.best_weights = None, None


def weights_of(model: Any) -> tuple[Array, Array]:
    """Return copies of a model's flat weights and moving statistics."""
    return model.parameters.copy(), _statistics(model).copy()


def write_weights(model: Any, weights: tuple[Array, Array]) -> None:
    """Write what ``weights_of`` returned into the model."""
    model.parameters[...] = weights[0]
    _statistics(model)[...] = weights[1]


def _statistics(model: Any) -> Array:
    model.parameters  # noqa: B018 - builds a model that can be
    return model._statistics
