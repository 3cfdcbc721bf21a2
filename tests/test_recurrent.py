"""Recurrent layers: values by hand, gradients against central differences and PyTorch, bits on both backends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bits import assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Stack, assert_same_quantities, make_data, quantities, start

from fastnn import layers
from fastnn.activations import get as activation
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numpy_backend import recurrent
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential

CELLS = {"simple_rnn": layers.SimpleRNN, "lstm": layers.LSTM, "gru": layers.GRU}
EVERY_CELL = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def model_of(stack, shape, backend="numpy", seed=3, **options):
    """Return a built float64 model with weights of moderate size."""
    model = Sequential(stack, dtype=options.pop("dtype", "float64"), backend=backend)
    model.build(shape)
    rng = np.random.default_rng(seed)
    model.parameters[...] = rng.standard_normal(len(model.parameters)) * 0.5
    model.compile("sgd", "mse")
    return model


# --- by hand -----------------------------------------------------------------------------------------

TANH, SIGMOID = activation("tanh"), activation("sigmoid")
FORWARD = ((0, 0), (1, 1), (2, 2))


def column(*values):
    return np.array(values, np.float64)[:, None]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_a_simple_rnn_by_hand():
    z, w = column(0.5, -1.0, 0.25), np.array([[2.0]])
    y = recurrent.simple_rnn_forward(TANH, FORWARD, w, z, None, None)[0]
    h1 = math.tanh(0.5)
    h2 = math.tanh(-1.0 + 2 * h1)
    h3 = math.tanh(0.25 + 2 * h2)
    np.testing.assert_allclose(y, column(h1, h2, h3), rtol=1e-14)


def test_an_lstm_by_hand():
    w = np.array([[1.0], [-0.5], [2.0], [0.25]])
    z = column(0.1, 0.2, 0.3, 0.4, -0.1, -0.2, -0.3, -0.4)
    y = recurrent.lstm_forward(TANH, SIGMOID, ((0, 0), (1, 1)), w, z, None, None)[0]
    c1 = sigmoid(0.1) * math.tanh(0.3)
    h1 = sigmoid(0.4) * math.tanh(c1)
    c2 = sigmoid(-0.2 - 0.5 * h1) * c1 + sigmoid(-0.1 + h1) * math.tanh(-0.3 + 2 * h1)
    h2 = sigmoid(-0.4 + 0.25 * h1) * math.tanh(c2)
    np.testing.assert_allclose(y, column(h1, h2), rtol=1e-14)


def test_a_gru_by_hand():
    w, b = np.array([[1.0], [-0.5], [2.0]]), np.array([0.1, -0.2, 0.3])
    z = column(0.5, -0.5, 1.0, -0.25, 0.75, 0.5)
    y = recurrent.gru_forward(TANH, SIGMOID, ((0, 0), (1, 1)), w, b, z, None, None)[0]
    update, reset = sigmoid(0.5 + 0.1), sigmoid(-0.5 - 0.2)
    h1 = (1 - update) * math.tanh(1.0 + reset * 0.3)
    update, reset = sigmoid(-0.25 + 0.1 + h1), sigmoid(0.75 - 0.2 - 0.5 * h1)
    h2 = update * h1 + (1 - update) * math.tanh(0.5 + reset * (0.3 + 2 * h1))
    np.testing.assert_allclose(y, column(h1, h2), rtol=1e-14)


@EVERY_CELL
def test_backwards_is_the_sequence_reversed(cell):
    x = np.random.default_rng(0).standard_normal((3, 5, 2))
    for sequences in (False, True):
        one = model_of([cell(4, return_sequences=sequences)], (5, 2))
        other = model_of([cell(4, return_sequences=sequences, go_backwards=True)], (5, 2))
        assert_same_bits(one.predict(x[:, ::-1]), other.predict(x))


@EVERY_CELL
def test_the_last_state_is_the_last_of_the_sequence(cell):
    x = np.random.default_rng(0).standard_normal((3, 5, 2))
    one = model_of([cell(4, return_sequences=True)], (5, 2))
    other = model_of([cell(4)], (5, 2))
    assert_same_bits(one.predict(x)[:, -1], other.predict(x))


def test_an_lstm_starts_with_a_forget_bias_of_one():
    model = Sequential([layers.LSTM(3)], backend="numpy")
    model.build((5, 2))
    assert_same_bits(model.weights["b1"], np.repeat(np.array([0, 1, 0, 0], np.float32), 3))
    u = model.weights["U1"]
    np.testing.assert_allclose(u.T @ u, np.eye(3), atol=1e-6)
    model = Sequential([layers.LSTM(3, unit_forget_bias=False)], backend="numpy")
    model.build((5, 2))
    assert not model.weights["b1"].any()


# --- gradients ---------------------------------------------------------------------------------------


def check_gradient(model, x, y):
    """Compare every weight's gradient with central differences of the loss."""
    found = model.gradients(x, y)
    flat = np.concatenate([found[name].reshape(-1) for name in model.weights])
    step = 1e-6
    for i in range(len(flat)):
        before = model.parameters[i]
        losses = []
        for moved in (before + step, before - step):
            model.parameters[i] = moved
            losses.append(model.evaluate(x, y))
        model.parameters[i] = before
        assert abs((losses[0] - losses[1]) / (2 * step) - flat[i]) < 1e-8 + 1e-6 * abs(flat[i]), i


@EVERY_CELL
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"activation": "gelu"}, {"use_bias": False}])
def test_gradients_against_differences(cell, sequences, options):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3, 4, 2))
    stack = [layers.Dense(2, "tanh"), layers.Masking(), cell(3, return_sequences=sequences, **options)]
    model = model_of(stack, (4, 2), "numba")
    check_gradient(model, x, rng.standard_normal((3, *((4, 3) if sequences else (3,)))))


# --- PyTorch -----------------------------------------------------------------------------------------


def swapped(w, units):
    """Return PyTorch's rows of gates r, z, n in our order z, r, h, and back."""
    return np.concatenate([w[units : 2 * units], w[:units], w[2 * units :]])


@EVERY_CELL
def test_outputs_and_gradients_are_pytorchs(cell):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    samples, steps, features, units = 6, 7, 5, 4
    x, target = rng.standard_normal((samples, steps, features)), rng.standard_normal((samples, steps, units))
    model = model_of([cell(units, return_sequences=True)], (steps, features))
    kind = {layers.SimpleRNN: torch.nn.RNN, layers.LSTM: torch.nn.LSTM, layers.GRU: torch.nn.GRU}[cell]
    theirs = kind(features, units, batch_first=True).double()
    names = {"W1": "weight_ih_l0", "U1": "weight_hh_l0", "b1": "bias_ih_l0", "bU1": "bias_hh_l0"}
    order = (lambda w: swapped(w, units)) if cell is layers.GRU else (lambda w: w)
    with torch.no_grad():
        theirs.bias_hh_l0.zero_()
        for name, w in model.weights.items():
            getattr(theirs, names[name]).copy_(torch.tensor(order(w)))
    out, _ = theirs(torch.tensor(x))
    torch.nn.functional.mse_loss(out, torch.tensor(target)).backward()
    np.testing.assert_allclose(model.predict(x), out.detach().numpy(), rtol=1e-10, atol=1e-12)
    for name, gradient in model.gradients(x, target).items():
        wanted = order(getattr(theirs, names[name]).grad.numpy())
        np.testing.assert_allclose(gradient, wanted, rtol=1e-10, atol=1e-12, err_msg=name)


# --- bits --------------------------------------------------------------------------------------------


def check_parity(stack, shape, dtype, runs, special=False, loss="mean_squared_error"):
    plan = Stack(stack, shape, loss).plan()
    for samples, batch in runs:
        data = make_data(plan, dtype, samples, weighted=True, order="permutation", special=special)
        parameters = start(plan, dtype)
        a, b = (
            quantities(backend, plan, dtype, data, batch, parameters=parameters)
            for backend in (numpy_backend, numba_backend)
        )
        assert_same_quantities(a, b, f"{samples} samples, batch {batch}")


@pytest.mark.needs_jit
@EVERY_CELL
@DTYPES
def test_parity_at_awkward_sizes(cell, dtype):
    stack = lambda: [cell(5, return_sequences=True), cell(3)]  # noqa: E731
    check_parity(stack, (4, 3), dtype, [(n, n) for n in (1, 2, 3, 17, 63, 64, 65)] + [(130, 40)])
    check_parity(stack, (4, 3), dtype, [(70, 70)], special=True)


@pytest.mark.needs_jit
@EVERY_CELL
def test_parity_over_several_blocks_of_the_contract(cell):
    check_parity(lambda: [cell(3)], (3, 2), np.float32, [(2500, 2500)])


@pytest.mark.needs_jit
@EVERY_CELL
@DTYPES
def test_parity_of_masks_and_activations(cell, dtype):
    options = {} if cell is layers.SimpleRNN else {"recurrent_activation": "hard_sigmoid"}

    def stack():
        return [layers.Dense(3, "relu"), layers.Masking(0.0), cell(4, "elu", return_sequences=True, **options),
                cell(3, go_backwards=True)]  # fmt: skip

    check_parity(stack, (6, 2), dtype, [(1, 1), (70, 33)])


@pytest.mark.needs_jit
@settings(deadline=None, max_examples=30)  # some compile
@given(
    cell=st.sampled_from(list(CELLS.values())),
    steps=st.integers(1, 6),
    features=st.integers(1, 9),
    units=st.integers(1, 9),
    samples=st.integers(1, 70),
    sequences=st.booleans(),
    backwards=st.booleans(),
    bias=st.booleans(),
)
def test_parity_of_any_shape(cell, steps, features, units, samples, sequences, backwards, bias):
    def stack():
        return [cell(units, return_sequences=sequences, go_backwards=backwards, use_bias=bias)]

    check_parity(stack, (steps, features), np.float32, [(samples, samples)])


@pytest.mark.needs_jit
@EVERY_CELL
@DTYPES
def test_a_prediction_does_not_depend_on_the_batch(cell, dtype):
    x = np.random.default_rng(4).standard_normal((131, 5, 3)).astype(dtype)
    stack = [layers.Masking(), cell(7, return_sequences=True), cell(4)]
    for backend in ("numpy", "numba"):
        model = model_of(stack, (5, 3), backend, dtype=np.dtype(dtype).name)
        whole = model.predict(x)
        for i in (0, 1, 63, 64, 130):
            assert_same_bits(whole[i : i + 1], model.predict(x[i : i + 1]))


# --- masks -------------------------------------------------------------------------------------------


@pytest.mark.needs_jit
@EVERY_CELL
@pytest.mark.parametrize("where", ["end", "start", "both", "between"])
def test_padding_changes_no_bit(cell, where):
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((7, 4, 3)).astype(np.float32), rng.standard_normal((7, 2)).astype(np.float32)
    value = np.float32(-9.5)
    padded = np.full((7, 9, 3), value)
    places = {"end": [0, 1, 2, 3], "start": [5, 6, 7, 8], "both": [2, 3, 4, 5], "between": [0, 3, 4, 8]}[where]
    padded[:, places] = x
    for backend in ("numpy", "numba"):
        stack = [layers.Masking(-9.5), cell(5, return_sequences=True), layers.Activation("relu"), cell(2)]
        short, long = (model_of(stack, (steps, 3), backend, dtype="float32") for steps in (4, 9))
        assert_same_bits(short.predict(x), long.predict(padded))
        ours, theirs = short.gradients(x, y), long.gradients(padded, y)
        for name in ours:
            assert_same_bits(ours[name], theirs[name], name)


# --- errors ------------------------------------------------------------------------------------------


@EVERY_CELL
def test_errors(cell):
    name = cell.__name__
    with pytest.raises(InvalidValueError, match="units must be at least 1, got 0"):
        cell(0)
    with pytest.raises(InvalidValueError, match=rf"{name} takes samples of shape \(steps, features\), got \(7,\)"):
        Sequential([cell(3)], backend="numpy").build((7,))
    with pytest.raises(InvalidValueError, match=rf"{name} takes samples of shape .* got \(2, 3, 4\)"):
        Sequential([cell(3)], backend="numpy").build((2, 3, 4))
    with pytest.raises(InvalidValueError, match="at least 1, got 0"):
        Sequential([cell(3)], backend="numpy").build((0, 4))
    with pytest.raises(InvalidValueError, match=f"{name} takes an elementwise activation, got 'softmax'"):
        cell(3, "softmax")
    with pytest.raises(InvalidTypeError, match="return_sequences must be True or False"):
        cell(3, return_sequences=1)


def test_errors_of_one_layer():
    with pytest.raises(InvalidValueError, match="GRU knows reset_after=True only, got False"):
        layers.GRU(3, reset_after=False)
    with pytest.raises(InvalidTypeError, match="unit_forget_bias must be True or False"):
        layers.LSTM(3, unit_forget_bias=None)
    with pytest.raises(InvalidValueError, match=r"Masking takes samples of shape \(steps, features\), got \(7,\)"):
        Sequential([layers.Masking()], backend="numpy").build((7,))
    with pytest.raises(InvalidValueError, match="mask_value must be finite"):
        layers.Masking(float("nan"))
