"""Outputs of every layer: the bits of a network that ends there, on both backends; the model stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn import layers
from fastnn.errors import InvalidValueError, NotBuiltError
from fastnn.models import Sequential
from fastnn.models import layer_outputs as module

BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])


def deep():
    """More layers than one op joins, some of which only hand on what they get."""
    return [layers.Dense(5, activation="sigmoid"), layers.Dropout(0.5)] * 7 + [layers.Dense(3, activation="softmax")]


def images():
    return [
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(2),
        layers.Residual([layers.Conv2D(4, 3, padding="same", activation="tanh")]),
        layers.Flatten(),
        layers.Dense(2),
    ]


def sequences():
    return [layers.Masking(0.0), layers.GRU(4, return_sequences=True), layers.LSTM(3), layers.Dense(2)]


NETWORKS = {"deep": (deep, (6,)), "images": (images, (6, 4, 2)), "sequences": (sequences, (5, 3))}


def trained(stack, shape, backend):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((11, *shape))
    model = Sequential(stack(), dtype="float32", seed=3, backend=backend)
    model.compile("sgd", "mse")
    model.build(shape)
    model.fit(x, np.zeros((11, *model.predict(x).shape[1:])), epochs=1, verbose=0)
    return model, x


@BACKENDS
@pytest.mark.parametrize("name", NETWORKS)
def test_each_is_that_of_a_network_that_ends_there(name, backend, monkeypatch):
    stack, shape = NETWORKS[name]
    model, x = trained(stack, shape, backend)
    monkeypatch.setattr(module, "_AT_ONCE", 4 * 70)  # a few samples at once
    found = model.layer_outputs(x)
    assert len(found) == len(model.layers)
    assert_same_bits(found[-1], model.predict(x))
    arrays = model.get_weights()
    for end, output in enumerate(found, 1):
        part = Sequential(stack()[:end], dtype="float32", backend=backend)
        part.build(shape)
        part.set_weights(arrays[: len(part.get_weights())])
        assert_same_bits(output, part.predict(x))


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", NETWORKS)
def test_both_backends_agree(name):
    ends = []
    for backend in ("numpy", "numba"):
        model, x = trained(*NETWORKS[name], backend)
        ends.append(model.layer_outputs(x))
    for ours, theirs in zip(*ends, strict=True):
        assert_same_bits(ours, theirs)


@BACKENDS
def test_stateful_layers_start_from_what_they_carry_and_keep_it(backend):
    x = np.random.default_rng(1).standard_normal((4, 3, 2))
    model = Sequential([layers.SimpleRNN(3, stateful=True), layers.Dense(2)], backend=backend)
    model.build((3, 2))
    model.predict(x)
    found = model.layer_outputs(x)
    assert_same_bits(model.layer_outputs(x)[0], found[0])
    assert_same_bits(model.predict(x), found[1])
    assert (model.layer_outputs(x)[1] != found[1]).any()


def test_what_cannot_be_computed():
    model = Sequential([layers.Dense(2)], backend="numpy")
    with pytest.raises(NotBuiltError):
        model.layer_outputs(np.zeros((1, 3)))
    model.build(3)
    with pytest.raises(InvalidValueError, match="x must have 3 features"):
        model.layer_outputs(np.zeros((1, 4)))
    with pytest.raises(InvalidValueError, match="no samples"):
        model.layer_outputs(np.zeros((0, 3)))
