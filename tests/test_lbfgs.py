"""L-BFGS over a model's weights: the minimum, the same bits on both backends, exceptions, what it refuses."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn import models, optional
from fastnn.errors import InvalidValueError, MissingPackageError
from fastnn.layers import BatchNormalization, Dense, Dropout
from fastnn.models import Sequential

RNG = np.random.default_rng(3)
X = RNG.standard_normal((40, 4))
Y = np.tanh(X @ RNG.standard_normal((4, 2))) + 0.1 * RNG.standard_normal((40, 2))


def network(*layers, backend="numpy", dtype="float64"):
    model = Sequential(layers or [Dense(6, "tanh"), Dense(2)], dtype=dtype, seed=5, backend=backend)
    model.build((None, 4))
    model.compile(loss="mse")
    return model


def test_linear_least_squares():
    model = network(Dense(2))
    history = model.fit_lbfgs(X, Y, tolerance=1e-9)
    exact, *_ = np.linalg.lstsq(np.c_[X, np.ones(40)], Y, rcond=None)
    assert history.params["converged"] and len(history.epoch) < 30
    np.testing.assert_allclose(model.weights["W1"].T, exact[:4], atol=1e-6)
    np.testing.assert_allclose(model.weights["b1"], exact[4], atol=1e-6)
    assert history.history["loss"][-1] == model.evaluate(X, Y)
    assert max(abs(g).max() for g in model.gradients(X, Y).values()) < 1e-6


def test_a_network():
    model = network()
    before = model.evaluate(X, Y)
    history = model.fit_lbfgs(X, Y, max_iterations=150)
    losses = history.history["loss"]
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.01 < before
    assert model.iterations == len(losses) == 150 and history.epoch == list(range(150))
    assert not history.params["converged"] and history.params["evaluations"] >= 150
    assert model.history is history
    assert model.fit_lbfgs(X, Y, max_iterations=1).epoch == [150]
    assert model.fit(X, Y, epochs=1, verbose=0).epoch == [151]


@pytest.mark.needs_jit
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_backends_take_the_same_way(dtype):
    found = []
    for backend in ("numpy", "numba"):
        model = network(Dense(6, "tanh"), Dropout(0.2), Dense(2), backend=backend, dtype=dtype)
        history = model.fit_lbfgs(X, Y, max_iterations=20, sample_weight=np.arange(40.0))
        found.append((model.parameters, history.history))
    assert_same_bits(found[0][0], found[1][0])
    assert found[0][1] == found[1][1] and len(found[0][1]["loss"]) == 20


def test_ctrl_c_leaves_the_last_whole_iteration(monkeypatch, capsys):
    model, twin = network(), network()
    twin.fit_lbfgs(X, Y, max_iterations=4)
    append = type(model.history).append

    def press(history, epoch, values):
        append(history, epoch, values)
        if epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(type(model.history), "append", press)
    with pytest.raises(KeyboardInterrupt):
        model.fit_lbfgs(X, Y, verbose=1)
    assert model.iterations == len(model.history.epoch) == 4
    assert_same_bits(model.parameters, twin.parameters)
    assert capsys.readouterr().out.splitlines()[3].startswith("Iteration 4/200 - loss: ")


def test_refusals(monkeypatch):
    model = network()
    before = model.parameters.tobytes()
    for settings, message in [
        ({"max_iterations": 0}, "max_iterations must be at least 1"),
        ({"tolerance": -1.0}, "tolerance must be at least 0"),
        ({"history_size": 0}, "history_size must be at least 1"),
    ]:
        with pytest.raises(InvalidValueError, match=message):
            model.fit_lbfgs(X, Y, **settings)
    with pytest.raises(InvalidValueError, match="x"):
        model.fit_lbfgs(X[:, :3], Y)
    with pytest.raises(InvalidValueError, match="keep statistics"):
        network(Dense(3), BatchNormalization(), Dense(2)).fit_lbfgs(X, Y)
    assert models.lbfgs.require is optional.require
    monkeypatch.setattr(optional, "installed", lambda package: False)
    with pytest.raises(MissingPackageError, match=r"L-BFGS needs scipy: pip install 'fastnn\[scipy\]'"):
        model.fit_lbfgs(X, Y)
    assert model.parameters.tobytes() == before and model.iterations == 0
