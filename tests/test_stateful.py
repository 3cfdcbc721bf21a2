"""Stateful recurrent layers: a sequence in pieces is the sequence in one piece; what is carried, and when it is not."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits
from networks import Stack, assert_same_quantities, make_data, quantities
from test_parity import launches  # noqa: F401

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential

BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])
CELLS = pytest.mark.parametrize("cell", [layers.SimpleRNN, layers.LSTM, layers.GRU])


def model(cell, backend, stateful=True, steps=3, dtype="float64", **options):
    stack = [cell(4, stateful=stateful, return_sequences=True, **options), cell(3, stateful=stateful), layers.Dense(2)]
    made = Sequential(stack, dtype=dtype, seed=4, backend=backend)
    made.compile("adam", "mse")
    made.build((steps, 2))
    return made


@BACKENDS
@CELLS
def test_a_sequence_in_pieces_ends_as_in_one_piece(cell, backend):
    x = np.random.default_rng(0).standard_normal((5, 12, 2))
    expected = model(cell, backend, stateful=False, steps=12).predict(x)
    pieces = model(cell, backend)
    for first in range(0, 12, 3):
        found = pieces.predict(x[:, first : first + 3])
    assert_same_bits(found, expected)
    pieces.reset_states()
    again = model(cell, backend).predict(x[:, :3])
    assert_same_bits(pieces.predict(x[:, :3]), again)


@BACKENDS
def test_batches_follow_one_another_in_every_program(backend):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((8, 3, 2)), rng.standard_normal((8, 2))
    made = model(layers.GRU, backend)
    first = made.predict(x, batch_size=4)
    assert_same_bits(first[:4], model(layers.GRU, backend).predict(x[:4]))
    assert (made.predict(x, batch_size=4) != first).all()
    made.reset_states()
    before = made.gradients(x[:4], y[:4])
    assert_same_bits(made.gradients(x[:4], y[:4])["W1"], before["W1"])  # which carries nothing on
    loss = made.evaluate(x, y, batch_size=4)
    assert made.evaluate(x, y, batch_size=4) != loss
    made.reset_states()
    assert made.evaluate(x, y, batch_size=4) == loss


@pytest.mark.needs_jit
@CELLS
def test_training_has_the_same_bits(cell):
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((40, 3, 2)), rng.standard_normal((40, 2))
    both = [model(cell, backend, recurrent_dropout=0.2) for backend in ("numpy", "numba")]
    losses = [made.fit(x, y, batch_size=20, epochs=3, shuffle=False, verbose=0).history for made in both]
    assert losses[0] == losses[1]
    assert_same_bits(both[0].parameters, both[1].parameters)
    assert_same_bits(both[0].predict(x[:20]), both[1].predict(x[:20]))
    apart = model(cell, "numpy", recurrent_dropout=0.2)
    for _ in range(3):
        apart.fit(x, y, batch_size=20, shuffle=False, verbose=0)
        apart.reset_states()
    assert (apart.parameters != both[0].parameters).any()


@pytest.mark.needs_jit
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@CELLS
def test_parity_on_two_threads(launches, cell, dtype):  # noqa: F811
    stack = Stack(lambda: [layers.Masking(), cell(5, stateful=True), layers.Dense(2)], (4, 3))
    plan = stack.plan()
    for samples, batch in ((1, 1), (17, 17), (70, 35), (200, 130)):
        data = make_data(plan, dtype, samples)
        found = [quantities(b, plan, dtype, data, batch) for b in (numpy_backend, numba_backend)]
        assert_same_quantities(*found, f"{samples} samples")


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidTypeError, match="stateful must be True or False"):
        layers.LSTM(3, stateful=1)
    x, y = np.ones((8, 3, 2)), np.ones((8, 2))
    made = model(layers.SimpleRNN, "numpy")
    with pytest.raises(InvalidValueError, match="shuffle=False"):
        made.fit(x, y, batch_size=4, verbose=0)
    with pytest.raises(InvalidValueError, match="validation would go on"):
        made.fit(x, y, batch_size=4, shuffle=False, validation_data=(x, y), verbose=0)
    with pytest.raises(InvalidValueError, match="8 samples are no multiple of 3"):
        made.predict(x, batch_size=3)
    made.predict(x)
    with pytest.raises(InvalidValueError, match="hold the states of 8 samples, got a batch of 4; call reset_states"):
        made.predict(x[:4])
    made.reset_states()
    made.gradients(x, y)  # which leaves no states behind
    assert made.predict(x[:4]).shape == (4, 2)
    unbuilt = Sequential([layers.GRU(2, stateful=True)], backend="numpy")
    unbuilt.compile("sgd", "mse")
    with pytest.raises(InvalidValueError, match="shuffle=False"):
        unbuilt.fit(x, y, verbose=0)
    assert not unbuilt.built
