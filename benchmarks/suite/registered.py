"""Everything registered, in a net that differs only in that one thing."""

from __future__ import annotations

from fastnn.activations import ACTIVATIONS
from fastnn.losses import LOSSES
from fastnn.optimizers import OPTIMIZERS

from .common import BACKENDS, labels, names, network, one_hot, rows, sizes


class Activations:
    """A hidden layer with each activation: forward alone, and one step with its derivative."""

    params = (BACKENDS, names(ACTIVATIONS))
    param_names = ("backend", "activation")

    def setup(self, backend, activation):
        self.X, self.Y = rows(sizes.batch, sizes.features), one_hot(sizes.batch)
        self.model = network(backend, hidden=activation)
        self.model.train_on_batch(self.X, self.Y)

    def time_forward(self, backend, activation):
        self.model.predict(self.X)

    def time_step(self, backend, activation):
        self.model.train_on_batch(self.X, self.Y)


class Losses:
    """Each loss on the output it is made for; predictions between 0 and 1 suit all that take no logits."""

    params = (BACKENDS, names(LOSSES))
    param_names = ("backend", "loss")

    def setup(self, backend, loss):
        entry = LOSSES[loss]
        self.X = rows(sizes.batch, sizes.features)
        self.Y = labels(sizes.batch) if entry.labels else one_hot(sizes.batch)
        self.model = network(backend, output="linear" if entry.from_logits else "softmax", loss=loss)
        self.model.train_on_batch(self.X, self.Y)

    def time_evaluate(self, backend, loss):
        self.model.evaluate(self.X, self.Y)

    def time_step(self, backend, loss):
        self.model.train_on_batch(self.X, self.Y)


class Optimizers:
    """A step with each optimizer."""

    params = (BACKENDS, names(OPTIMIZERS))
    param_names = ("backend", "optimizer")

    def setup(self, backend, optimizer):
        self.X, self.Y = rows(sizes.batch, sizes.features), one_hot(sizes.batch)
        self.model = network(backend, optimizer=optimizer)
        self.model.train_on_batch(self.X, self.Y)

    def time_step(self, backend, optimizer):
        self.model.train_on_batch(self.X, self.Y)
