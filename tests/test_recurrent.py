"""Recurrent layers: values by hand, gradients against central differences and PyTorch, bits on both backends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from bits import assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Stack, assert_same_quantities, make_data, quantities, start
from test_parity import check, launches  # noqa: F401

from fastnn import layers
from fastnn.activations import Activation
from fastnn.activations import get as activation
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numpy_backend import recurrent
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.formulas import cos, sin
from fastnn.models import Sequential
from fastnn.sequences import mask_beyond, pad_sequences

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


@pytest.mark.parametrize("sequences", [False, True])
@EVERY_CELL
def test_the_way_back_against_differences_with_dropout_and_masks(cell, sequences):
    rng = np.random.default_rng(6)
    steps, units, samples = 4, 3, 5
    z = rng.standard_normal((steps * cell.gates * units, samples))
    w, b = rng.standard_normal((cell.gates * units, units)), rng.standard_normal(cell.gates * units)
    factor, mask = rng.choice([0.0, 2.0], (units, samples)), rng.choice([0.0, 1.0], (steps, samples))
    visits = tuple((t, t if sequences else 0) for t in (3, 2, 1, 0))
    dy = rng.standard_normal(((steps if sequences else 1) * units, samples))
    if cell is layers.SimpleRNN:
        forward = lambda z: recurrent.simple_rnn_forward(TANH, visits, w, z, factor, mask)  # noqa: E731
        _, pre, g, _, _ = forward(z)
        dz = recurrent.simple_rnn_backward(TANH, visits, w, pre, g, dy, factor, mask)
    elif cell is layers.LSTM:
        forward = lambda z: recurrent.lstm_forward(TANH, SIGMOID, visits, w, z, factor, mask)  # noqa: E731
        _, pre, g, _, _, c, f = forward(z)
        dz = recurrent.lstm_backward(TANH, SIGMOID, visits, w, pre, g, c, f, dy, factor, mask)
    else:
        forward = lambda z: recurrent.gru_forward(TANH, SIGMOID, visits, w, b, z, factor, mask)  # noqa: E731
        _, pre, g, _, h, s = forward(z)
        dz, _ = recurrent.gru_backward(TANH, SIGMOID, visits, w, pre, g, h, s, dy, factor, mask)
    for i in range(len(z)):
        moved = np.zeros_like(z)
        moved[i] = 1e-6
        slope = ((forward(z + moved)[0] - forward(z - moved)[0]) * dy).sum(axis=0) / 2e-6
        np.testing.assert_allclose(slope, dz[i], rtol=1e-6, atol=1e-8)


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


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave"])
def test_bidirectional_outputs_and_gradients_are_pytorchs(mode):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    x = rng.standard_normal((6, 7, 5))
    model = model_of(
        [layers.Dense(3, "tanh"), layers.Bidirectional(layers.GRU(4, return_sequences=True), mode)], (7, 5)
    )
    target = rng.standard_normal((6, *model.predict(x).shape[1:]))
    dense, theirs = torch.nn.Linear(5, 3).double(), torch.nn.GRU(3, 4, batch_first=True, bidirectional=True).double()
    names = {"W": "weight_ih_l0", "U": "weight_hh_l0", "b": "bias_ih_l0", "bU": "bias_hh_l0"}

    def theirs_of(name):
        if name in ("W1", "b1"):
            return dense.weight if name == "W1" else dense.bias
        return getattr(theirs, names[name[:-1]] + ("_reverse" if name[-1] == "3" else ""))

    def order(name, w):
        return w if name in ("W1", "b1") else swapped(w, 4)

    with torch.no_grad():
        for name, w in model.weights.items():
            theirs_of(name).copy_(torch.tensor(order(name, w)))
    out = theirs(torch.tanh(dense(torch.tensor(x))))[0]
    a, b = out[..., :4], out[..., 4:]
    out = {"concat": out, "sum": a + b, "mul": a * b, "ave": (a + b) / 2}[mode]
    torch.nn.functional.mse_loss(out, torch.tensor(target)).backward()
    np.testing.assert_allclose(model.predict(x), out.detach().numpy(), rtol=1e-10, atol=1e-12)
    for name, gradient in model.gradients(x, target).items():
        wanted = order(name, theirs_of(name).grad.numpy())
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


STACKS = {
    **{
        f"{name}, masked and dropped out": Stack(
            lambda cell=cell: [
                layers.Dense(3, "relu"),
                layers.Masking(),
                cell(5, return_sequences=True, dropout=0.3, recurrent_dropout=0.4),
                cell(4, "gelu", go_backwards=True),
            ],
            (5, 2),
        )
        for name, cell in CELLS.items()
    },
    **{name: Stack(lambda cell=cell: [cell(17, return_sequences=True)], (3, 33)) for name, cell in CELLS.items()},
    "both ways": Stack(
        lambda: [layers.Bidirectional(layers.LSTM(3, return_sequences=True), "ave"),
                 layers.Bidirectional(layers.SimpleRNN(3), "mul")], (4, 2)
    ),
}  # fmt: skip


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_parity_on_two_threads(launches, name, dtype):  # noqa: F811
    plan = STACKS[name].plan()
    for samples, batch in ((3, 2), (130, 100)):
        data = make_data(plan, dtype, samples, weighted=True, order="permutation", special=samples == 3)
        check(launches, plan, dtype, data, batch)


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


def wave(z):
    return sin(z)


def wave_slope(z, a):
    return cos(z)


WAVE = Activation("wave", wave, wave_slope)


@pytest.mark.needs_jit
@EVERY_CELL
@DTYPES
def test_parity_of_activations_that_vectors_cannot_run(cell, dtype):
    from fastnn.backends.numba_backend._vector_loops import widest

    assert not widest(dtype, wave, 1, 1)  # sin has a table
    options = {} if cell is layers.SimpleRNN else {"recurrent_activation": WAVE}

    def stack():
        return [layers.Masking(), cell(4, WAVE, return_sequences=True, recurrent_dropout=0.4, **options),
                cell(3, WAVE)]  # fmt: skip

    check_parity(stack, (4, 3), dtype, [(2, 2), (70, 33)])


@pytest.mark.needs_jit
@EVERY_CELL
@DTYPES
def test_parity_of_dropout(cell, dtype):
    def stack():
        return [layers.Masking(), cell(5, dropout=0.3, recurrent_dropout=0.4, return_sequences=True),
                layers.Bidirectional(cell(3, recurrent_dropout=0.2), "mul")]  # fmt: skip

    check_parity(stack, (4, 3), dtype, [(1, 1), (70, 33)])


@pytest.mark.needs_jit
@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("sequences", [False, True])
def test_parity_of_both_ways(mode, sequences):
    def stack():
        return [layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
                layers.Bidirectional(layers.GRU(3, return_sequences=sequences), mode),
                layers.TimeDistributed(layers.Dense(2)) if sequences else layers.Dense(2)]  # fmt: skip

    check_parity(stack, (4, 3), np.float32, [(1, 1), (70, 33)])


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


# --- wrappers and dropout ---------------------------------------------------------------------------


def test_both_ways_by_hand():
    x = np.random.default_rng(0).standard_normal((3, 5, 2))
    for sequences in (False, True):
        both = model_of([layers.Bidirectional(layers.LSTM(4, return_sequences=sequences))], (5, 2))
        ends = []
        for number, backwards in ((1, False), (2, True)):
            one = model_of([layers.LSTM(4, return_sequences=sequences, go_backwards=backwards)], (5, 2))
            for name, w in one.weights.items():
                w[...] = both.weights[f"{name[:-1]}{number}"]
            out = one.predict(x)
            ends.append(out[:, ::-1] if backwards and sequences else out)
        assert_same_bits(both.predict(x), np.concatenate(ends, axis=-1))


def test_a_backward_layer_of_its_own():
    stack = [layers.Bidirectional(layers.LSTM(4), backward_layer=layers.GRU(2, go_backwards=True))]
    model = model_of(stack, (5, 2))
    assert model.predict(np.zeros((3, 5, 2))).shape == (3, 6)
    assert list(model.weights) == ["W1", "U1", "b1", "W2", "U2", "b2", "bU2"]


def test_time_distributed():
    x = np.random.default_rng(0).standard_normal((3, 4, 2, 3))
    one = model_of(
        [layers.TimeDistributed(layers.Flatten()), layers.TimeDistributed(layers.Dense(5, "tanh"))], (4, 2, 3)
    )
    other = model_of([layers.Reshape((4, 6)), layers.Dense(5, "tanh")], (4, 2, 3))
    assert_same_bits(one.predict(x), other.predict(x))
    shaped = model_of([layers.TimeDistributed(layers.Reshape((3, -1)))], (4, 2, 3))
    assert_same_bits(shaped.predict(x), x.reshape(3, 4, 3, 2))


@EVERY_CELL
def test_dropout_is_one_draw_for_all_steps_and_off_in_predict(cell):
    x, y = np.ones((40, 6, 5)), np.zeros((40, 3))
    plain, dropping = (
        model_of([cell(3, **options)], (6, 5)) for options in ({}, {"dropout": 0.5, "recurrent_dropout": 0.5})
    )
    assert_same_bits(plain.predict(x), dropping.predict(x))
    assert plain.evaluate(x, y) == dropping.evaluate(x, y)
    one, other = plain.gradients(x, y), dropping.gradients(x, y)
    assert not np.allclose(one["U1"], other["U1"]) and not np.allclose(one["W1"], other["W1"])
    drawn = recurrent.dropout_mask(4, 0.5, 1, 2, 3, np.zeros((1, 1000)))
    assert set(np.unique(drawn)) == {0.0, 2.0} and 0.4 < drawn.mean() / 2 < 0.6


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


@pytest.mark.parametrize("between", [[], [layers.Dense(5, "tanh"), layers.Dropout(0.5)]])
def test_a_mask_goes_through_both_ways_and_dense_layers(between):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((7, 4, 3))
    padded = np.zeros((7, 6, 3))
    padded[:, [0, 1, 3, 4]] = x
    stack = [layers.Masking(), layers.Bidirectional(layers.LSTM(5, return_sequences=True)), *between, layers.GRU(2)]
    short, long = (model_of(stack, (steps, 3)) for steps in (4, 6))
    assert_same_bits(short.predict(x), long.predict(padded))


def test_sequences_of_several_lengths():
    padded = pad_sequences([[[1.0], [2.0], [3.0]], [[4.0]]], maxlen=2, value=-1)
    assert_same_bits(padded[:, :, 0], np.array([[2, 3], [-1, 4]], np.float32))
    padded = pad_sequences([[1, 2, 3], [4]], 2, "int64", padding="post", truncating="post")
    assert_same_bits(padded, np.array([[1, 2], [4, 0]]))
    x = np.random.default_rng(0).standard_normal((3, 5, 2))
    model = model_of([layers.Masking(), layers.LSTM(4)], (5, 2))
    out = model.predict(mask_beyond(x, [5, 2, 0]))
    short = model_of([layers.Masking(), layers.LSTM(4)], (2, 2))
    assert_same_bits(out[1:2], short.predict(x[1:2, :2]))
    assert_same_bits(out[2], np.zeros(4))
    with pytest.raises(InvalidValueError, match="lengths must be 0 to 5, the steps of the data, got 6 for sequence 1"):
        mask_beyond(x, [1, 6, 2])
    with pytest.raises(InvalidValueError, match=r"lengths must have shape \(3,\), one for each sequence, got \(2,\)"):
        mask_beyond(x, [1, 2])
    with pytest.raises(InvalidTypeError, match="lengths must be whole numbers, got dtype float64"):
        mask_beyond(x, [1.0, 2.0, 3.0])
    with pytest.raises(InvalidValueError, match=r"must have shape \(samples, steps, ...\), got \(3,\)"):
        mask_beyond([1, 2, 3], [1, 2, 3])
    with pytest.raises(InvalidValueError, match="no padding 'end'"):
        pad_sequences([[1]], padding="end")
    with pytest.raises(InvalidTypeError, match="takes at least one sequence"):
        pad_sequences([])
    with pytest.raises(InvalidValueError, match="steps are alike in shape"):
        pad_sequences([[[1, 2]], [[1]]])
    with pytest.raises(InvalidValueError, match="maxlen must be at least 1, got 0"):
        pad_sequences([[1]], 0)


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
    with pytest.raises(InvalidValueError, match=r"at least 1 along every axis, got \(0, 4\)"):
        Sequential([cell(3)], backend="numpy").build((0, 4))
    with pytest.raises(InvalidValueError, match=f"{name} takes an elementwise activation, got 'softmax'"):
        cell(3, "softmax")
    with pytest.raises(InvalidTypeError, match="return_sequences must be True or False"):
        cell(3, return_sequences=1)


def test_errors_of_one_layer():
    with pytest.raises(InvalidValueError, match=r"rate must be in \[0, 1\), got 1.0"):
        layers.GRU(3, recurrent_dropout=1.0)
    with pytest.raises(InvalidValueError, match="no merge_mode 'cat'; did you mean 'concat'"):
        layers.Bidirectional(layers.GRU(3), "cat")
    with pytest.raises(InvalidTypeError, match="layer must be a SimpleRNN, LSTM or GRU, got Dense"):
        layers.Bidirectional(layers.Dense(3))
    with pytest.raises(InvalidTypeError, match="must read the other way"):
        layers.Bidirectional(layers.GRU(3), backward_layer=layers.GRU(3))
    with pytest.raises(InvalidTypeError, match="same return_sequences"):
        layers.Bidirectional(layers.GRU(3), backward_layer=layers.GRU(3, go_backwards=True, return_sequences=True))
    with pytest.raises(InvalidTypeError, match=r"TimeDistributed takes one of Dense, .* got GRU"):
        layers.TimeDistributed(layers.GRU(3))
    with pytest.raises(InvalidValueError, match=r"TimeDistributed takes samples of shape \(steps, ...\), got \(7,\)"):
        Sequential([layers.TimeDistributed(layers.Dense(3))], backend="numpy").build((7,))
    with pytest.raises(InvalidValueError, match="GRU knows reset_after=True only, got False"):
        layers.GRU(3, reset_after=False)
    with pytest.raises(InvalidTypeError, match="unit_forget_bias must be True or False"):
        layers.LSTM(3, unit_forget_bias=None)
    with pytest.raises(InvalidValueError, match=r"Masking takes samples of shape \(steps, features\), got \(7,\)"):
        Sequential([layers.Masking()], backend="numpy").build((7,))
    with pytest.raises(InvalidValueError, match="mask_value must be finite"):
        layers.Masking(float("nan"))
