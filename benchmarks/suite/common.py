"""Sizes, seeded data and models that the benchmarks share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BACKENDS = ["numpy", "numba"]
DTYPES = ["float32", "float64"]


@dataclass
class Sizes:
    """Sizes of the benchmarks' arrays and nets; the tests make them tiny."""

    features: int = 256
    hidden: int = 128
    outputs: int = 10
    samples: int = 512
    batch: int = 128
    elements: int = 100_000
    # Sequences have so many steps, images so many rows and columns; both have so many channels.
    steps: int = 28
    side: int = 16
    channels: int = 16
    # A row of the table runs as it is, or with no size above this.
    row_limit: int | None = None


sizes = Sizes()


def names(registry):
    """Names of a registry's entries, an entry that has several under its first one only."""
    seen, found = set(), []
    for name in sorted(registry, key=lambda n: (getattr(registry[n], "name", n) != n, n)):
        if id(registry[name]) not in seen:
            seen.add(id(registry[name]))
            found.append(name)
    return sorted(found)


def rows(count, width, dtype="float32"):
    """Data between 0 and 1, one sample a row."""
    return np.random.default_rng(1).random((count, width)).astype(dtype)


def one_hot(count, dtype="float32"):
    return np.eye(sizes.outputs, dtype=dtype)[labels(count)]


def labels(count):
    return np.random.default_rng(2).integers(0, sizes.outputs, count)


def network(backend, *, hidden="relu", output="softmax", loss="categorical_crossentropy", optimizer="sgd"):
    """A compiled net features-hidden-outputs with weights from a fixed seed."""
    import fastnn

    layers = [fastnn.Dense(sizes.hidden, activation=hidden), fastnn.Dense(sizes.outputs, activation=output)]
    model = fastnn.Sequential(layers, seed=3)
    model.compile(optimizer=optimizer, loss=loss, backend=backend)
    return model


def parameters(backend, dtype="float64"):
    """The tutorial's dictionary for features-hidden-outputs."""
    import fastnn

    return fastnn.initialize_parameters(
        sizes.features, sizes.hidden, sizes.outputs, seed=3, dtype=dtype, backend=backend
    )
