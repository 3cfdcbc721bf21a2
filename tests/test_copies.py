"""Copied and pickled models: whole, apart from the original, and training on to the same bits."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn import activations, layers, losses, metrics
from fastnn.models import Sequential
from fastnn.optimizers import Adam

COPIES = pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["deepcopy", "pickle"]
)


def bent(z):
    return z / (1 + np.abs(z))


def doubled(y, p):
    return np.mean(2 * (y - p) ** 2, axis=-1)


def model(**options):
    stack = [
        layers.Dense(5, bent),
        layers.BatchNormalization(),
        layers.Residual([layers.Dense(5, activations.get("elu").with_alpha(0.5)), layers.Dropout(0.2)]),
        layers.Dense(1),
    ]
    made = Sequential(stack, dtype="float64", seed=3, backend=options.pop("backend", "numpy"))
    made.compile(Adam(0.01), options.pop("loss", doubled), metrics=["mae", metrics.R2Score()])
    return made


def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((40, 3)), rng.standard_normal((40, 1))


@COPIES
@pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])
def test_a_copy_trains_on_to_the_same_bits(copied, backend):
    x, y = data()
    made = model(backend=backend)
    made.fit(x, y, epochs=2, batch_size=16, verbose=0)
    twin = copied(made)
    assert twin.history.history == made.history.history
    assert_same_bits(twin.predict(x), made.predict(x))
    before = made.parameters.copy()
    twin.fit(x, y, epochs=2, batch_size=16, verbose=0)
    assert_same_bits(made.parameters, before, "the original")
    made.fit(x, y, epochs=2, batch_size=16, verbose=0)
    for name in ("_vector", "_slots", "_statistics"):
        assert_same_bits(getattr(twin, name), getattr(made, name), name)
    assert twin.history.history == made.history.history


@COPIES
def test_models_not_yet_built_or_compiled(copied):
    x, y = data()
    for made in (Sequential(name="empty"), Sequential([layers.Dense(1, input_shape=3)], backend="numpy"), model()):
        twin = copied(made)
        assert not twin.built
        assert (twin.name, twin.dtype, len(twin.layers)) == (made.name, made.dtype, len(made.layers))
    twin.fit(x, y, verbose=0)
    made.fit(x, y, verbose=0)
    assert_same_bits(twin.parameters, made.parameters)


@COPIES
def test_carried_states_go_along(copied):
    made = Sequential([layers.GRU(4, stateful=True)], dtype="float64", backend="numpy")
    made.build((3, 2))
    x = np.random.default_rng(1).standard_normal((5, 3, 2))
    made.predict(x)
    twin = copied(made)
    assert_same_bits(twin.predict(x), made.predict(x))


@COPIES
def test_registered_things_stay_the_same_objects(copied):
    for name in activations.ACTIVATIONS:
        found = activations.get(name)
        assert copied(found) is found
    bent_more = activations.get("leaky_relu").with_alpha(0.4)
    assert copied(bent_more) == bent_more
    for name in losses.LOSSES:
        assert copied(losses.get(name)) is losses.get(name)
    assert copied(losses.Huber(3.0)) == losses.Huber(3.0)
    own = losses.Loss("mean_squared_error", bent, doubled)
    assert copied(own) == own != losses.get("mse")
    own = activations.Activation("relu", bent, doubled, alpha=2.0)
    assert copied(own) == own
