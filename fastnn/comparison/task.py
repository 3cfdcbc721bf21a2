"""The work that backends are compared on: a dense network, random data, and every quantity of a few steps.

Data come from fastnn's own generator, so that digests agree between machines too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.backends import Backend
from fastnn.backends.numpy_backend import random
from fastnn.bench.data import Problem
from fastnn.bench.peers import textbook
from fastnn.bench.runner import Runner
from fastnn.bench.workloads import Workload
from fastnn.layers import Dense
from fastnn.models import Sequential
from fastnn.optimizers import Optimizer
from fastnn.random import Purpose

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Task:
    """A network and how it is trained.

    Attributes
    ----------
    sizes : tuple of int
        Features, units of each layer.
    dtype : str
    activation : str, Activation or callable
        Of the hidden layers.
    optimizer : Optimizer
    batch, steps, seed : int
    """

    sizes: tuple[int, ...]
    dtype: str
    activation: Any
    optimizer: Optimizer
    batch: int
    steps: int
    seed: int

    @property
    def hidden(self) -> str:
        """Name of the hidden layers' activation; empty where there are none."""
        return self.layers()[0].activation.name if len(self.sizes) > 2 else ""

    @property
    def output(self) -> str:
        """Activation of the last layer."""
        return "sigmoid" if self.sizes[-1] == 1 else "softmax"

    @property
    def loss(self) -> str:
        """The loss that goes with ``output``."""
        return "binary_crossentropy" if self.sizes[-1] == 1 else "categorical_crossentropy"

    def layers(self) -> list[Dense]:
        """Return the layers, new ones each time."""
        hidden = [Dense(units, activation=self.activation) for units in self.sizes[1:-1]]
        return [*hidden, Dense(self.sizes[-1], activation=self.output)]

    def model(self, backend: Backend) -> Sequential:
        """Return the model with its initial weights, compiled."""
        model = Sequential(self.layers(), dtype=self.dtype, seed=self.seed, backend=backend)
        model.build(self.sizes[0])
        model.compile(self.optimizer, self.loss)
        return model

    def data(self) -> tuple[Array, Array]:
        """Return samples and targets of all steps."""
        samples = self.batch * self.steps
        x = random.uniform(self.seed, Purpose.DATA, 0, 0, samples * self.sizes[0], self.dtype)
        label = random.uniform(self.seed, Purpose.DATA, 1, 0, samples, "float64")
        classes = (label * max(self.sizes[-1], 2)).astype(np.int64)
        y = classes[:, None] if self.sizes[-1] == 1 else np.eye(self.sizes[-1], dtype=np.int64)[classes]
        return x.reshape(samples, self.sizes[0]), y.astype(self.dtype)

    def quantities(self, backend: Backend, start: list[Array], x: Array, y: Array) -> dict[str, dict[str, Array]]:
        """Return everything one backend computes from the weights ``start``, by name and part."""
        activations = {}
        for depth in range(1, len(self.sizes)):
            part = Sequential(self.layers()[:depth], dtype=self.dtype, seed=self.seed, backend=backend)
            part.build(self.sizes[0])
            part.set_weights(start[: 2 * depth])
            activations[f"A{depth}"] = part.predict(x[: self.batch])
        model = self.model(backend)
        model.set_weights(start)
        first = slice(0, self.batch)
        cost = np.array([model.evaluate(x[first], y[first])])
        gradients = {f"d{name}": array for name, array in model.gradients(x[first], y[first]).items()}
        costs = []
        for step in range(self.steps):
            rows = slice(step * self.batch, (step + 1) * self.batch)
            costs.append(model.train_on_batch(x[rows], y[rows]))
        return {
            "activations": activations,
            "cost": {"cost": cost},
            "gradients": gradients,
            f"cost of each of {self.steps} steps": {"costs": np.array(costs)},
            f"weights after {self.steps} steps": model.weights,
        }

    def runner(self, backend: Backend, start: list[Array], x: Array, y: Array) -> Runner:
        """Return the training of one backend for the stopwatch: whole calls of ``fit``."""
        model = self.model(backend)

        def reset() -> None:
            model.compile(self.optimizer, self.loss)
            model.set_weights(start)

        def run(steps: int) -> None:
            model.fit(x, y, batch_size=self.batch, epochs=steps // self.steps, shuffle=False, verbose=0)

        return Runner(run, lambda: list(zip(model.get_weights()[::2], model.get_weights()[1::2], strict=True)), reset)

    def textbook(self, start: list[Array], x: Array, y: Array) -> Runner | str:
        """Return the same training by textbook NumPy, or why there is none."""
        name = self.hidden
        if name and name not in textbook.BACKWARD:
            return f"no time of textbook NumPy: it has no activation {name!r}"
        plain = type(self.optimizer)(self.optimizer.learning_rate)
        plain_rate = not callable(plain.learning_rate)
        if self.optimizer.name not in ("sgd", "adam") or plain != self.optimizer or not plain_rate:
            return f"no time of textbook NumPy: it has plain sgd and adam, not {self.optimizer.name}"
        rate: Any = self.optimizer.learning_rate
        work = Workload(
            "compare", "compare", "train", self.sizes, self.dtype, hidden=name, output=self.output,
            loss=self.loss, optimizer=self.optimizer.name, learning_rate=rate, batch=self.batch,
            batches=self.steps,
        )  # fmt: skip
        return textbook.train(work, Problem(x, y, None, list(zip(start[::2], start[1::2], strict=True))), 1)
