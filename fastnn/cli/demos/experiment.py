"""A training as the demos do it: the same bits on both backends first, then the whole of it on one.

Adam's rate falls to 0 along a line. The test data are looked at after each epoch for the learning curves alone:
nothing is chosen by them, and the result is that of the last epoch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastnn.backends import get_backend
from fastnn.comparison.result import duration
from fastnn.layers import Layer
from fastnn.models import History, Sequential
from fastnn.optimizers import Adam
from fastnn.validation import positive_whole

Array = np.ndarray[Any, Any]

STEPS = 3
"""Training steps that both backends make."""
QUICK = 3 * 64
"""Samples of a quick run, to train on and to test on."""


@dataclass(frozen=True)
class Experiment:
    """What is trained, on what, and for how long.

    Attributes
    ----------
    layers : callable
        Returns new layers.
    x, y, test_x, test_y : ndarray
    loss : str
    batch, epochs : int
    rate : float
        Adam's, at the first step.
    clipnorm : float, optional
        Of each parameter's gradient.
    metrics : tuple of str
    """

    layers: Callable[[], list[Layer]]
    x: Array
    y: Array
    test_x: Array
    test_y: Array
    loss: str
    batch: int
    epochs: int
    rate: float
    clipnorm: float | None = None
    metrics: tuple[str, ...] = ()

    def asked(self, args: argparse.Namespace) -> Experiment:
        """Return the experiment with what ``--epochs`` and ``--quick`` change."""
        epochs = 2 if args.quick else self.epochs
        epochs = positive_whole("--epochs", epochs if args.epochs is None else args.epochs)
        if not args.quick:
            return replace(self, epochs=epochs)
        return replace(self, epochs=epochs, x=self.x[:QUICK], y=self.y[:QUICK], test_x=self.test_x[:QUICK],
                       test_y=self.test_y[:QUICK])  # fmt: skip

    def model(self, backend: str, seed: int) -> Sequential:
        """Return the network, compiled and with its initial weights."""
        network = Sequential(self.layers(), seed=seed, backend=backend)
        network.build(self.x.shape[1:])
        steps = self.epochs * -(-len(self.x) // self.batch)
        optimizer = Adam(lambda step: self.rate * (1.0 - step / steps), clipnorm=self.clipnorm)
        network.compile(optimizer, self.loss, self.metrics)
        return network

    def same_bits(self, seed: int) -> bool:
        """Make a few steps on both backends and tell whether weights, losses and metrics have the same bits."""
        print(f"{STEPS} steps on both backends, compiling what no earlier run has ... ", end="", flush=True)
        start = time.perf_counter()
        get_backend("numba")
        few, test = slice(STEPS * self.batch), slice(self.batch)
        found = []
        for backend in ("numba", "numpy"):
            network = self.model(backend, seed)
            history = network.fit(self.x[few], self.y[few], batch_size=self.batch, verbose=0,
                                  validation_data=(self.test_x[test], self.test_y[test]))  # fmt: skip
            weights = b"".join(array.tobytes() for array in network.get_weights())
            found.append((weights, history.history))
        same = found[0] == found[1]
        verdict = "identical, every bit" if same else "NOT IDENTICAL"
        print(f"{duration(time.perf_counter() - start)}\n{network.parameters.size:,} weights: {verdict}", flush=True)
        return same

    def trained(self, backend: str | None, seed: int) -> tuple[Sequential, History]:
        """Train with bar, metrics and validation."""
        backend = backend or "numba"
        print(f"{len(self.x):,} samples to train on, {len(self.test_x):,} to test on; {self.epochs} epochs of "
              f"minibatches of {self.batch} on the {backend} backend", flush=True)  # fmt: skip
        network = self.model(backend, seed)
        start = time.perf_counter()
        history = network.fit(self.x, self.y, batch_size=self.batch, epochs=self.epochs, verbose=1,
                              validation_data=(self.test_x, self.test_y))  # fmt: skip
        print(f"trained in {duration(time.perf_counter() - start)}", flush=True)
        return network, history


def verdict(goals: list[tuple[str, bool]], same: bool, quick: bool) -> int:
    """Print each goal and whether it is reached; return 1 if a bit differs or, but in a quick run, a goal is missed."""
    print()
    for goal, reached in goals:
        print(f"goal: {goal}: {'not asked of a quick run' if quick else 'reached' if reached else 'MISSED'}")
    return 0 if same and (quick or all(reached for _, reached in goals)) else 1
