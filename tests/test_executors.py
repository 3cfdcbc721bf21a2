"""A model compiled again: what was lowered before serves where it is the same, with the bits of a new model's."""

from __future__ import annotations

import copy
import itertools

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn.layers import Dense, Dropout
from fastnn.models import Sequential
from fastnn.optimizers import SGD, Adam

NUMBA = pytest.param("numba", marks=pytest.mark.needs_jit)
BACKENDS = pytest.mark.parametrize("backend", ["numpy", NUMBA])
RNG = np.random.default_rng(7)
X = RNG.random((50, 5)).astype(np.float32)
Y = RNG.random((50, 3)).astype(np.float32)


def built(backend, rate=0.25):
    model = Sequential([Dense(8, activation="tanh"), Dropout(rate), Dense(3)], seed=3, backend=backend)
    model.build((None, 5))
    return model


def trained(model, optimizer, loss="mse"):
    """Return weights, loss and predictions of a training from compile on."""
    model.compile(optimizer, loss)
    model.fit(X, Y, epochs=2, batch_size=7, verbose=0)
    return model.parameters.copy(), np.array(model.evaluate(X, Y)), model.predict(X)


@BACKENDS
def test_a_training_starts_afresh(backend):
    model, seen = built(backend), []
    start = model.get_weights()
    clipped = {"clipvalue": 1e-3}
    for optimizer, loss in (
        ("adam", "mse"), (Adam(0.1), "mse"), ("sgd", "mse"), (SGD(0.1, **clipped), "mse"), (SGD(0.2, **clipped), "mse"),
        (Adam(amsgrad=True), "mse"), ("adam", "mae"), ("adam", "mae"),
    ):  # fmt: skip
        fresh = built(backend)
        fresh.set_weights(start)
        model.set_weights(start)
        # shuffles and drops go on with epochs and steps, which compile counts from 0
        for expected, found in zip(trained(fresh, copy.deepcopy(optimizer), loss), trained(model, optimizer, loss)):
            assert_same_bits(expected, found)
        seen.append(model._executor("train"))
    assert [a is b for a, b in itertools.pairwise(seen)] == [True, False, False, True, False, False, True]


@BACKENDS
def test_layers_that_changed_are_seen(backend):
    model = built(backend)
    start = model.get_weights()
    trained(model, "adam")
    before = model._executor("train")
    model.layers[1].rate = 0.5
    model.set_weights(start)
    fresh = built(backend, 0.5)
    fresh.set_weights(start)
    for expected, found in zip(trained(fresh, "adam"), trained(model, "adam")):
        assert_same_bits(expected, found)
    assert model._executor("train") is not before


@BACKENDS
def test_new_vectors_are_seen(backend, tmp_path):
    model = built(backend)
    trained(model, "adam")
    model.build((None, 5))
    for expected, found in zip(trained(built(backend), "adam"), trained(model, "adam")):
        assert_same_bits(expected, found)
    model.save(tmp_path / "model")
    loaded = Sequential.load(tmp_path / "model")
    other = copy.deepcopy(model)
    for again in (model, other, loaded):
        again.fit(X, Y, epochs=1, verbose=0)
    assert_same_bits(model.parameters, other.parameters)
    assert_same_bits(model.parameters, loaded.parameters)
