"""States handed in and out: a sequence in two parts is the sequence in one, gradients, what a caller gets, errors."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn import layers
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential

BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])
CELLS = {"SimpleRNN": 1, "LSTM": 2, "GRU": 1}


def model(stack, backend="numpy", shape=(None, 4, 2), dtype="float64"):
    made = Sequential(stack, dtype=dtype, seed=4, backend=backend)
    made.compile("adam", "mse")
    made.build(shape)
    return made


def data(samples, steps, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((samples, steps, 2)), rng.standard_normal((samples, 3))


def stacked(cell, steps, backend, dtype="float64", masks=False):
    cell = getattr(layers, cell)
    first = [layers.Masking(7.0)] if masks else []
    stack = [*first, cell(5, return_sequences=True), layers.Dense(4, "tanh"), cell(3)]
    return model(stack, backend, (None, steps, 2), dtype)


@BACKENDS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("masks", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("cell", CELLS)
def test_two_parts_are_the_whole(cell, masks, dtype, backend):
    x = data(67, 7)[0].astype(dtype)
    if masks:
        x[np.random.default_rng(1).random((67, 7)) < 0.4] = 7.0
    whole, states = stacked(cell, 7, backend, dtype, masks).predict(x, return_states=True)
    parts = [stacked(cell, steps, backend, dtype, masks) for steps in (3, 4)]
    _, between = parts[0].predict(x[:, :3], return_states=True)
    found, last = parts[1].predict(x[:, 3:], initial_states=between, return_states=True)
    assert_same_bits(found, whole)
    assert list(states) == list(last) == [masks, masks + 2]
    for layer, arrays in states.items():
        assert [a.shape for a in arrays] == [(67, 5 if layer == masks else 3)] * CELLS[cell]
        for a, b in zip(arrays, last[layer], strict=True):
            assert_same_bits(a, b)
    assert_same_bits(states[masks + 2][0], whole)
    # a sample's result does not depend on its neighbors, and nothing is left in the model
    one = parts[1].predict(x[5:6, 3:], initial_states={k: [a[5:6] for a in v] for k, v in between.items()})
    assert_same_bits(one, whole[5:6])
    assert_same_bits(parts[0].predict(x[:, :3]), stacked(cell, 3, backend, dtype, masks).predict(x[:, :3]))


@pytest.mark.needs_jit
@pytest.mark.parametrize("cell", CELLS)
def test_both_backends_over_more_samples_than_are_predicted_at_once(cell, monkeypatch):
    monkeypatch.setattr("fastnn.models.sequential._PREDICTED_AT_ONCE", 100)
    x = data(230, 4)[0]
    wrapped = [layers.Bidirectional(getattr(layers, cell)(3, return_sequences=True)), getattr(layers, cell)(2)]
    count = 2 * CELLS[cell]
    initial = {0: list(np.random.default_rng(3).standard_normal((count, 230, 3)))}
    both = [model(wrapped, b).predict(x, initial_states=initial, return_states=True) for b in ("numpy", "numba")]
    assert_same_bits(both[0][0], both[1][0])
    assert [len(v) for v in both[0][1].values()] == [count, CELLS[cell]]
    for layer in (0, 1):
        for a, b in zip(both[0][1][layer], both[1][1][layer], strict=True):
            assert_same_bits(a, b)
    assert (both[0][0] != model(wrapped).predict(x)).all()


@BACKENDS
@pytest.mark.parametrize("cell", CELLS)
def test_gradients_from_given_states(cell, backend):
    x, y = data(5, 4)
    made = stacked(cell, 4, backend)
    rng = np.random.default_rng(2)
    initial = {0: [rng.standard_normal((5, 5)) for _ in range(CELLS[cell])], 2: [rng.standard_normal((5, 3))]}
    if cell == "LSTM":
        initial[2].append(rng.standard_normal((5, 3)))
    given = made.gradients(x, y, initial_states=initial)

    def loss():
        return float(((made.predict(x, initial_states=initial) - y) ** 2).mean(axis=1).mean())

    for name in ("U1", "W1", "b1", "U3"):
        weights, at = made.weights[name], (0,) * made.weights[name].ndim
        old, ends = weights[at], []
        for step in (1e-5, -1e-5):
            weights[at] = old + step
            ends.append(loss())
        weights[at] = old
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(given[name][at], rel=1e-6, abs=1e-9), name
    assert (made.gradients(x, y)["U1"] != given["U1"]).any()


@pytest.mark.needs_jit
def test_training_piece_by_piece_has_the_same_bits():
    x, y = data(66, 8)
    results = []
    for backend in ("numpy", "numba"):
        made = stacked("LSTM", 4, backend)
        states, losses = None, []
        for first in (0, 4):
            loss, states = made.train_on_batch(x[:, first : first + 4], y, initial_states=states, return_states=True)
            losses.append(loss)
        results.append((losses, made.parameters, states[2][1]))
    assert results[0][0] == results[1][0]
    assert_same_bits(results[0][1], results[1][1])
    assert_same_bits(results[0][2], results[1][2])
    apart = stacked("LSTM", 4, "numpy")
    assert apart.train_on_batch(x[:, :4], y) == results[0][0][0]
    assert apart.train_on_batch(x[:, 4:], y) != results[0][0][1]


@BACKENDS
def test_return_state_of_the_last_layer(backend):
    x = data(3, 4)[0]
    for cell, states in CELLS.items():
        layer = getattr(layers, cell)
        found = model([layers.Dense(3), layer(2, return_state=True)], backend).predict(x)
        assert isinstance(found, list) and [a.shape for a in found] == [(3, 2)] * (1 + states)
        assert_same_bits(found[0], model([layers.Dense(3), layer(2)], backend).predict(x))
        assert_same_bits(found[0], found[1])
        both = layers.Bidirectional(layer(2, return_sequences=True, return_state=True))
        found, by_layer = model([both], backend).predict(x, return_states=True)
        assert [a.shape for a in found] == [(3, 4, 4)] + [(3, 2)] * (2 * states)
        for a, b in zip(found[1:], by_layer[0], strict=True):
            assert_same_bits(a, b)
        assert_same_bits(found[0][:, -1, :2], found[1])
        assert_same_bits(found[0][:, 0, 2:], found[1 + states])  # where the backward layer ends
    made = model([layers.LSTM(3, return_state=True)], backend)
    x, y = data(3, 4)
    assert made.fit(x, y, verbose=0).history["loss"][0] > 0
    assert made.predict_classes(x).shape == (3,)
    assert [len(a) for a in made.predict(np.empty((0, 4, 2)))] == [0, 0, 0]


def test_states_in_branches_follow_one_another():
    branches = layers.Add([[layers.LSTM(2)], [layers.Residual([layers.GRU(2, return_sequences=True)]), layers.GRU(2)]])
    made = model([branches, layers.Dense(1)])
    out, states = made.predict(data(3, 4)[0], return_states=True)
    assert list(states) == [0] and len(states[0]) == 4
    assert made.predict(data(3, 4)[0], initial_states=states).shape == out.shape
    assert model([layers.Flatten(), layers.Dense(1)]).predict(data(3, 4)[0], return_states=True)[1] == {}


def test_what_does_not_fit_is_refused():
    x, y = data(5, 4)
    last = layers.LSTM(3, return_state=True)
    with pytest.raises(InvalidValueError, match="layer 0, LSTM with return_state=True, must be the last, got Dense"):
        Sequential([last, layers.Dense(2)])
    for inside in (lambda: layers.Residual([last]), lambda: layers.Concatenate([[last], []])):
        with pytest.raises(InvalidValueError, match="LSTM with return_state=True must be a model's last layer"):
            inside()
    with pytest.raises(InvalidTypeError, match="both layers must have the same return_state"):
        layers.Bidirectional(last, backward_layer=layers.LSTM(3, go_backwards=True))
    made = stacked("LSTM", 4, "numpy")
    half, wrong = np.zeros((5, 5)), np.full((5, 5), np.nan)
    for states, error, message in (
        ([1, 2], InvalidTypeError, "must map layers' indexes to lists of arrays"),
        ({1: [np.zeros((5, 5))]}, InvalidValueError, "layer 1 has no states; layers that have: 0, 2"),
        ({0: np.zeros((5, 5))}, InvalidValueError, "layer 0 has 2 states, got 1"),
        ({0: [half, half[:4]]}, InvalidValueError, r"layer 0, state 1 must have shape \(5, 5\), got \(4, 5\)"),
        ({0: [half, wrong]}, InvalidValueError, "layer 0, state 1 holds nan"),
    ):  # fmt: skip
        for call in (lambda **k: made.predict(x, **k), lambda **k: made.gradients(x, y, **k),
                     lambda **k: made.train_on_batch(x, y, **k)):  # fmt: skip
            with pytest.raises(error, match=message):
                call(initial_states=states)
    held = model([layers.LSTM(3, stateful=True)])
    with pytest.raises(InvalidValueError, match="stateful layers keep their states themselves"):
        held.predict(x, return_states=True)
