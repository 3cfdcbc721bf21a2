"""Embeddings: rows looked up, rows' gradients, bits on both backends, numbers that stand for no row."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits
from gradient_check import assert_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Stack, assert_same_quantities, make_data, quantities
from test_normalization import same_as_torch
from test_parity import check, launches  # noqa: F401

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numpy_backend.embedding import embedding_backward_weights, embedding_forward, table_rows
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential
from fastnn.plan.data import Data

pytestmark = pytest.mark.needs_jit

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

SMALL = Stack(lambda: [layers.Embedding(3, 2), layers.Flatten(), layers.Dense(3)], (4,))
WIDE = Stack(
    lambda: [layers.Embedding(50, 37, embeddings_regularizer="l2"), layers.Dense(5, "tanh"), layers.Flatten(),
             layers.Dense(3)],
    (2, 3),
)  # fmt: skip
ONE = Stack(lambda: [layers.Embedding(1, 16), layers.Flatten(), layers.Dense(3)], (1,))
STACKS = {"small": SMALL, "wide": WIDE, "one": ONE}


def numbers(plan, dtype, samples, kind=None):
    """Return data whose samples are whole numbers, the low ones more often."""
    data = make_data(plan, dtype, samples, weighted=True, order="permutation")
    rows = plan.parameters[0].shape[0]
    x = np.minimum(np.abs(data.x * rows / 2), rows - 1).astype(kind or np.int64)
    return Data(x if kind else x.astype(dtype), data.y, data.weight, data.order)


def test_by_hand():
    table = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    a = np.array([[2.0, 0.0], [2.0, 1.0]])
    expected = np.array([[5.0, 1.0], [6.0, 2.0], [5.0, 3.0], [6.0, 4.0]])
    assert_same_bits(embedding_forward(a, table), expected)
    dz = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
    assert_same_bits(embedding_backward_weights(dz, a, table), np.array([[10.0, 20.0], [30.0, 40.0], [4.0, 6.0]]))
    assert_same_bits(embedding_backward_weights(-0.0 * dz, a, table), np.zeros((3, 2)))


def test_places_run_outside_samples():
    """1e16 + 1 - 1e16 depends on the order: here place by place, and within a place sample by sample."""
    a = np.zeros((2, 2))
    assert embedding_backward_weights(np.array([[1e16, -1e16], [1.0, 1.0]]), a, np.zeros((1, 1)))[0, 0] == 2.0
    assert embedding_backward_weights(np.array([[1e16, 1.0], [-1e16, 1.0]]), a, np.zeros((1, 1)))[0, 0] == 1.0


@DTYPES
def test_what_a_backend_makes_of_numbers_that_no_model_lets_in(launches, dtype):  # noqa: F811
    a = np.array([np.nan, -np.inf, -1, -0.0, 0.9, 1, 1.5, 2, 2.5, 3, 1e30, np.inf], dtype)
    assert table_rows(a, 3).tolist() == [0, 0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2]
    plan = SMALL.plan()
    check(launches, plan, dtype, make_data(plan, dtype, 66, special=True), 50)


@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_parity(launches, name, dtype):  # noqa: F811
    plan = STACKS[name].plan()
    for samples, batch in ((1, 1), (2, 2), (3, 2), (17, 17), (63, 63), (64, 64), (65, 64), (130, 100)):
        expected = check(launches, plan, dtype, numbers(plan, dtype, samples), batch)
        assert np.isfinite(expected["weights"]).all()
    for kind in (np.int64, np.uint8):
        check(launches, plan, dtype, numbers(plan, dtype, 66, kind), 50)


@DTYPES
def test_parity_of_large_batches(launches, dtype):  # noqa: F811
    plan = WIDE.plan()
    for samples, batch in ((2600, 2500), (1024, 1024), (5200, 5200)):
        check(launches, plan, dtype, numbers(plan, dtype, samples), batch)


@settings(max_examples=15, deadline=None)
@given(steps=st.integers(1, 6), rows=st.integers(1, 40), length=st.integers(1, 40), samples=st.integers(1, 90),
       wide=st.booleans())  # fmt: skip
def test_parity_of_any_shape(steps, rows, length, samples, wide):
    plan = Stack(lambda: [layers.Embedding(rows, length), layers.Flatten(), layers.Dense(2)], (steps,)).plan()
    dtype = np.float64 if wide else np.float32
    data = numbers(plan, dtype, samples)
    results = [quantities(b, plan, dtype, data, max(1, samples * 2 // 3)) for b in (numpy_backend, numba_backend)]
    assert_same_quantities(*results, f"{steps} {rows} {length} {samples}")


@pytest.mark.parametrize("name", ["small", "one"])
def test_gradients(name):
    plan = STACKS[name].plan()
    assert_gradients(plan, numbers(plan, np.float64, 11), tolerance=1e-6)


def test_rows_not_used_have_no_gradient():
    plan = SMALL.plan()
    data = Data(np.ones((9, 4), np.float32), np.zeros((9, 3), np.float32))
    gradient = quantities(numba_backend, plan, np.float32, data, 9)["gradients"][:6].reshape(3, 2)
    assert_same_bits(gradient[[0, 2]], np.zeros((2, 2), np.float32))
    assert (gradient[1] != 0).all()


def test_as_pytorch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    plan = WIDE.plan()
    data = numbers(plan, np.float64, 50)
    rng = np.random.default_rng(1)
    data = Data(data.x, rng.standard_normal((50, 3)))
    stack = Stack(lambda: [layers.Embedding(50, 37), *WIDE.layers()[1:]], WIDE.shape)

    def build(x, w):
        a = f.embedding(x.long().reshape(-1, 2, 3), w["E1"])
        a = torch.tanh(f.linear(a, w["W2"], w["b2"]))
        return f.linear(a.reshape(-1, 30), w["W3"], w["b3"])

    same_as_torch(stack.plan(), [], data, torch, build)


def texts(samples=70, steps=6, words=12):
    return np.random.default_rng(1).integers(0, words, (samples, steps))


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_in_a_model(backend):
    model = Sequential([layers.Embedding(12, 8, input_shape=6), layers.Flatten(), layers.Dense(3)], backend=backend)
    model.build()
    x = texts()
    whole = model.predict(x)
    for kind in (np.float32, np.float64, np.int8):
        assert_same_bits(whole, model.predict(x.astype(kind)))
    for i in (0, 1, 63, 64, 69):
        assert_same_bits(whole[i : i + 1], model.predict(x[i : i + 1]))
    table = model.get_weights()[0]
    assert table.shape == (12, 8)
    assert_same_bits(table, model.weights["E1"])
    assert np.abs(table).max() <= 0.05
    model.set_weights([2 * table, *model.get_weights()[1:]])
    assert_same_bits(model.weights["E1"], 2 * table)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_zeros_are_passed_over(backend):
    """A text and the same text with zeros behind it give the same bits."""

    def model(steps):
        made = Sequential([layers.Embedding(12, 8, mask_zero=True), layers.LSTM(5), layers.Dense(3)],
                          backend=backend, seed=2)  # fmt: skip
        made.build(steps)
        return made

    x = 1 + texts(words=11)
    padded = np.concatenate([x, np.zeros((len(x), 3), x.dtype)], axis=1)
    short, long = model(6), model(9)
    assert_same_bits(short.predict(x), long.predict(padded))
    y = np.random.default_rng(2).standard_normal((len(x), 3))
    for each, samples in ((short, x), (long, padded)):
        each.compile("sgd", "mse")
        each.fit(samples, y, epochs=2, verbose=0)
    assert_same_bits(short.parameters[12 * 8 :], long.parameters[12 * 8 :])
    assert_same_bits(short.weights["E1"], long.weights["E1"])


@pytest.mark.parametrize("bad", [-1, 12, 1.5, np.nan, np.inf, 2**40])
def test_a_number_that_stands_for_no_row(bad):
    model = Sequential([layers.Embedding(12, 8), layers.Flatten(), layers.Dense(3)], backend="numpy", dtype="float64")
    model.compile("sgd", "mse")
    model.build(6)
    before = model.parameters.copy()
    x, y = texts().astype(np.float64), np.zeros((70, 3))
    x[64, 3] = bad
    calls = (model.predict, lambda x, **o: model.fit(x, y, verbose=0, **o), lambda x, **o: model.evaluate(x, y, **o),
             lambda x, **o: model.gradients(x, y, **o), lambda x, **o: model.train_on_batch(x, y, **o))  # fmt: skip
    for call in calls:
        with pytest.raises(InvalidValueError, match=r"whole numbers 0 to 11 for Embedding, got .* in sample 64"):
            call(x, allow_nonfinite=True)
    assert_same_bits(model.parameters, before)
    with pytest.raises(InvalidValueError, match="validation x must hold whole numbers"):
        model.fit(texts(), y, validation_data=(np.full((3, 6), 12), y[:3]), verbose=0)


def test_errors_name_what_is_wrong():
    for arguments in ((0, 3), (3, 0)):
        with pytest.raises(InvalidValueError, match="put_dim must be at least 1"):
            layers.Embedding(*arguments)
    with pytest.raises(InvalidTypeError, match="mask_zero must be True or False"):
        layers.Embedding(3, 3, mask_zero=1)
    for stack in ([layers.Dense(3), layers.Embedding(3, 3)], [layers.Residual([layers.Embedding(3, 5)])]):
        with pytest.raises(InvalidValueError, match="Embedding must be the first layer"):
            Sequential(stack).build(5)
    with pytest.raises(
        InvalidValueError, match=r"Embedding with mask_zero takes samples of shape \(steps,\), got \(5, 2\)"
    ):
        Sequential([layers.Embedding(3, 3, mask_zero=True)]).build((5, 2))
    model = Sequential([layers.Embedding(2**24 + 1, 1)], backend="numpy")
    model.build(2)
    with pytest.raises(InvalidValueError, match="float32 model holds whole numbers below 16777216"):
        model.predict(np.zeros((1, 2)))
