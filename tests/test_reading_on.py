"""The first layer of a large prediction, which asks for the next samples while it multiplies: the reference's bits."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from bits import assert_same_bits

from fastnn.backends.numba_backend import dense, lowering
from fastnn.layers import Activation, Conv1D, Dense, Flatten
from fastnn.models import Sequential

pytestmark = pytest.mark.needs_jit

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture
def made(monkeypatch):
    """Let every prediction count as large; the list grows by the maker of each op that is asked for."""
    found = []
    right = lowering.op
    monkeypatch.setattr(dense, "READS_ON_FROM", 1)
    monkeypatch.setattr(lowering, "op", lambda make, *arguments: (found.append(make), right(make, *arguments))[1])
    return found


def numbers(shape, dtype, seed):
    return (np.random.default_rng(seed).standard_normal(shape) * 3).astype(dtype)


def pair(layers, shape, dtype):
    models = [Sequential(layers, dtype=dtype, seed=5, backend=backend) for backend in ("numpy", "numba")]
    for model in models:
        model.build((None, *shape))
    models[0].parameters[...] = numbers(models[0].parameters.shape, dtype, 3)
    models[1].parameters[...] = models[0].parameters
    return models


@DTYPES
@pytest.mark.parametrize("features", [1, 7, 16, 65, 784])
@pytest.mark.parametrize("units", [1, 5, 6, 8, 9, 10, 13, 128])
def test_the_bits_are_the_references(made, features, units, dtype):
    reference, model = pair([Dense(units), Activation("tanh"), Dense(3)], (features,), dtype)
    for samples in (9, 63, 64, 65, 130):
        x = numbers((samples, features), dtype, samples)
        expected = reference.predict(x)
        for view in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], np.repeat(x, 2, axis=1)[:, ::2]):
            assert_same_bits(expected, model.predict(view))
    assert dense.make_dense_forward_of_samples in made and dense.make_dense_forward in made  # the second layer


@DTYPES
def test_threads_change_nothing(made, monkeypatch, dtype):
    monkeypatch.setattr(lowering, "LAUNCH_PAYS", 0.0)
    reference, model = pair([Dense(14), Dense(3)], (33,), dtype)
    x = numbers((900, 33), dtype, 1)
    expected, before = reference.predict(x), numba.get_num_threads()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        assert_same_bits(expected, model.predict(x))
    numba.set_num_threads(before)


def test_only_a_layer_that_reads_the_samples_does_so(made):
    for layers, shape in (([Conv1D(3, 2), Flatten(), Dense(2)], (5, 2)), ([Dense(3)], (4, 2))):
        reference, model = pair(layers, shape, "float32")
        x = numbers((70, *shape), "float32", 1)
        assert_same_bits(reference.predict(x), model.predict(x))
    assert dense.make_dense_forward_of_samples not in made
    reference, model = pair([Dense(3)], (4,), "float32")
    model.compile("sgd", "mse")
    x = np.ones((70, 4), np.float32)
    model.fit(x, x[:, :3], verbose=0)
    model.evaluate(x, x[:, :3])
    assert dense.make_dense_forward_of_samples not in made
