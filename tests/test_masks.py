"""Masks beyond recurrent layers: what they pass through, how branches combine them, pooling, losses and metrics."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits
from networks import Stack, assert_same_quantities, make_data, quantities

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.errors import InvalidValueError
from fastnn.models import Sequential
from fastnn.plan.data import Data

L = layers
BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])
STACKS = {
    "mean": (lambda: [L.Masking(), L.LSTM(5, return_sequences=True), L.Dense(3)], "mean_squared_error"),
    "labels": (
        lambda: [L.Masking(), L.GRU(5, return_sequences=True), L.Dense(3, "softmax")],
        "sparse_categorical_crossentropy",
    ),
    "normalized": (
        lambda: [L.Masking(), L.Dense(3, "tanh"), L.BatchNormalization(), L.Dense(3, "sigmoid")],
        "binary_crossentropy",
    ),
    "pooled": (
        lambda: [L.Masking(), L.Dense(3, "tanh"), L.GlobalAveragePooling1D(keepdims=True), L.Dense(3)],
        "mean_squared_error",
    ),
    "either": (
        lambda: [
            L.Add([[L.Masking(1.0), L.Dense(2)], [L.Masking(), L.Dense(2)]]),
            L.Dense(3, "tanh"),
            L.Dense(3, "softmax"),
        ],
        "categorical_crossentropy",
    ),
    "joined": (
        lambda: [
            L.Masking(),
            L.Concatenate([[L.Dense(2)], [L.SimpleRNN(3, return_sequences=True)], []]),
            L.Residual([L.Dense(8, "tanh")]),
            L.Dense(1),
        ],
        "mean_absolute_error",
    ),
    "one after another": (
        lambda: [
            L.Masking(),
            L.Concatenate([[L.Dense(3)], [L.SimpleRNN(3, return_sequences=True)]], axis=1),
            L.Dense(2),
        ],
        "huber",
    ),
}


def padded(shape, seed=0):
    """Return sequences in which many steps are all zeros, or all ones."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    x[rng.random(shape[:2]) < 0.4] = 0
    x[rng.random(shape[:2]) < 0.2] = 1
    return x


@pytest.mark.needs_jit
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", STACKS)
def test_parity(name, dtype):
    stack, loss = STACKS[name]
    plan = Stack(stack, (4, 3), loss).plan()
    assert (plan.mask is None) == (name == "pooled")
    for samples in (1, 3, 65, 2100):
        data = make_data(plan, dtype, samples, weighted=samples == 65)
        x = padded((samples, 4, 3)) * (samples != 3)  # of three samples no step counts
        data = Data(x.reshape(samples, 12).astype(dtype), data.y, data.weight, data.order)
        found = [quantities(b, plan, dtype, data, min(samples, 1500)) for b in (numpy_backend, numba_backend)]
        assert_same_quantities(*found, f"{name}, {samples} samples")
        assert np.isfinite(found[0]["weights"]).all()


def compiled(stack, loss="mse", backend="numpy", shape=(4, 3), metrics=(), dtype="float64"):
    model = Sequential(stack, dtype=dtype, seed=4, backend=backend)
    model.compile("sgd", loss, list(metrics))
    model.build(shape)
    return model


@pytest.mark.parametrize("name", STACKS)
def test_gradients_against_differences(name):
    stack, loss = STACKS[name]
    if name == "normalized":  # whose statistics differ between training and use
        stack = lambda: [L.Masking(), L.Dense(3, "tanh"), L.LayerNormalization(), L.Dense(3, "sigmoid")]  # noqa: E731
    model = compiled(stack(), loss)
    x, rng = padded((5, 4, 3)), np.random.default_rng(1)
    outputs = model.predict(x).shape
    y = rng.integers(0, 3, outputs[:-1]) if "sparse" in loss else rng.random(outputs)
    weight = rng.random(5)
    given = model.gradients(x, y, weight)
    for key, weights in model.weights.items():
        at = tuple(n // 2 for n in weights.shape)
        old, ends = weights[at], []
        for step in (1e-6, -1e-6):
            weights[at] = old + step
            ends.append(model.evaluate(x, y, sample_weight=weight))
        weights[at] = old
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(given[key][at], rel=1e-5, abs=1e-8), key


@BACKENDS
@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy", "hinge", "sparse_categorical_crossentropy"])
def test_a_loss_is_the_mean_over_steps_that_count(loss, backend):
    x = padded((40, 6, 3))
    counts = (x != 0).any(axis=2)
    last = L.Dense(4, "softmax" if "sparse" in loss else "sigmoid")
    model = compiled([L.Masking(), L.SimpleRNN(5, return_sequences=True), last], loss, backend, (6, 3))
    rng = np.random.default_rng(2)
    y = rng.integers(0, 4, (40, 6)) if "sparse" in loss else rng.integers(0, 2, (40, 6, 4)).astype(float)
    p = model.predict(x)
    if loss == "mse":
        each = ((p - y) ** 2).mean(axis=2)
    elif loss == "hinge":
        each = np.maximum(0, 1 - np.where(y == 0, -1, y) * p).mean(axis=2)
    elif loss == "binary_crossentropy":
        each = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=2)
    else:
        each = -np.log(np.take_along_axis(p, y[..., None], 2))[..., 0]
    assert model.evaluate(x, y) == pytest.approx(each[counts].mean(), rel=1e-12)
    # what stands at steps that do not count is of no account
    before = model.evaluate(x, y), model.gradients(x, y)
    y[~counts] = 3 if "sparse" in loss else 0.5
    assert model.evaluate(x, y) == before[0]
    for name, gradient in model.gradients(x, y).items():
        assert_same_bits(gradient, before[1][name])


def test_padding_changes_no_gradient():
    rng = np.random.default_rng(3)
    stack = lambda: [L.Masking(), L.LSTM(4, return_sequences=True), L.Dense(2)]  # noqa: E731
    x, y = rng.standard_normal((7, 3, 2)), rng.standard_normal((7, 3, 2))
    short = compiled(stack(), shape=(3, 2))
    long = compiled(stack(), shape=(8, 2))
    wide = np.zeros((7, 8, 2)), np.full((7, 8, 2), 9.0)
    wide[0][:, :3], wide[1][:, :3] = x, y
    assert long.evaluate(*wide) == pytest.approx(short.evaluate(x, y), rel=1e-14)
    for name, gradient in long.gradients(*wide).items():
        np.testing.assert_allclose(gradient, short.gradients(x, y)[name], rtol=1e-12, atol=1e-15)


@BACKENDS
def test_metrics_leave_masked_steps_out(backend):
    x = padded((50, 6, 3))
    counts = (x != 0).any(axis=2)
    y = np.random.default_rng(2).integers(0, 4, (50, 6))
    stack = [L.Masking(), L.GRU(5, return_sequences=True), L.Dense(4, "softmax")]
    model = compiled(stack, "sparse_categorical_crossentropy", backend, (6, 3), ["accuracy"])
    right = (model.predict(x).argmax(axis=2) == y)[counts].mean()
    assert model.evaluate(x, y)[1] == pytest.approx(right, rel=1e-12)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    model.optimizer.learning_rate = 0.0
    history = model.fit(x, y, batch_size=16, epochs=1, verbose=0, validation_data=(x, y)).history
    assert history["val_accuracy"][0] >= 0
    first = compiled([*stack], "sparse_categorical_crossentropy", backend, (6, 3), ["accuracy"])
    once = first.fit(x, y, batch_size=50, verbose=0).history
    assert once["accuracy"][0] == pytest.approx(right, rel=1e-12)


def test_masks_made_behind_weights_do_not_serve_metrics():
    x, y = padded((5, 4, 3)), np.zeros((5, 4, 2))
    stack = [L.Dense(3, "relu"), L.Masking(), L.Dense(2)]
    compiled(stack).evaluate(x, y)
    with pytest.raises(InvalidValueError, match="masks that depend on the samples alone"):
        compiled(stack, metrics=["mae"]).evaluate(x, y)


@BACKENDS
def test_the_mean_of_a_padded_sequence_is_that_of_the_sequence(backend):
    x = padded((30, 5, 3), seed=5)
    x[4] = 0
    found = compiled([L.Masking(), L.GlobalAveragePooling1D()], backend=backend, shape=(5, 3)).predict(x)
    for sample, mean in zip(x, found, strict=True):
        kept = sample[(sample != 0).any(axis=1)]
        expected = np.add.accumulate(kept)[-1] / len(kept) if len(kept) else np.zeros(3)
        assert_same_bits(mean, expected)


def masked(*stack, shape=(4, 3)):
    return Stack(lambda: [L.Masking(), *stack], shape).plan().mask is not None


def test_what_a_mask_passes_through():
    for through in (L.Dense(3, "relu"), L.Dropout(0.1), L.GaussianNoise(0.1), L.BatchNormalization(), L.PReLU(),
                    L.SpatialDropout1D(0.2), L.LayerNormalization(), L.LeakyReLU(),
                    L.ActivityRegularization(0.1), L.Softmax(), L.TimeDistributed(L.Dense(2)), L.Activation("tanh"),
                    L.SimpleRNN(3, return_sequences=True), L.Bidirectional(L.GRU(3, return_sequences=True)),
                    L.Residual([L.Dense(3)]), L.Add([[], [L.Dense(3)]]),
                    L.Concatenate([[], [L.Dense(3)]])):  # fmt: skip
        assert masked(through, L.Dense(2)), through
        assert not Stack(lambda through=through: [through, L.Dense(2)], (4, 3)).plan().mask
    for end in (L.Conv1D(3, 1), L.MaxPooling1D(1), L.AveragePooling1D(1), L.Permute((2, 1)), L.ZeroPadding1D(),
                L.UpSampling1D(2), L.Cropping1D((0, 1)), L.Reshape((2, 6)), L.Reshape((4, 3, 1)), L.Flatten(),
                L.SimpleRNN(3), L.SimpleRNN(3, return_sequences=True, go_backwards=True), L.GlobalMaxPooling1D(),
                L.Add([[], [L.Conv1D(3, 1)]]), L.Concatenate([[], [L.Conv1D(3, 1)]])):  # fmt: skip
        assert not masked(end, L.Dense(2)), end
    # steps that are taken apart and put together otherwise have lost their mask
    assert not masked(L.Reshape((2, 6)), L.Dense(6), L.Reshape((4, 3)), L.Dense(2))


def test_a_masked_loss_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(7)
    x, y, lengths = rng.standard_normal((9, 6, 3)), rng.integers(0, 4, (9, 6)), rng.integers(1, 7, 9)
    counts = np.arange(6) < lengths[:, None]
    x[~counts] = 0
    stack = [L.Masking(), L.LSTM(5, return_sequences=True), L.Dense(4, "softmax")]
    model = compiled(stack, "sparse_categorical_crossentropy", shape=(6, 3))
    weights = {k: torch.tensor(v.copy(), requires_grad=True) for k, v in model.weights.items()}
    parts = {"weight_ih_l0": weights["W1"], "weight_hh_l0": weights["U1"], "bias_ih_l0": weights["b1"],
             "bias_hh_l0": torch.zeros_like(weights["b1"])}  # fmt: skip
    cell = torch.nn.LSTM(3, 5, batch_first=True, dtype=torch.float64)
    h = torch.func.functional_call(cell, parts, (torch.tensor(x),))[0]
    logits = torch.nn.functional.linear(h, weights["W2"], weights["b2"])
    kept = torch.tensor(counts)
    loss = torch.nn.functional.cross_entropy(logits[kept], torch.tensor(y)[kept])
    loss.backward()
    assert model.evaluate(x, y) == pytest.approx(loss.item(), abs=1e-12)
    for name, gradient in model.gradients(x, y).items():
        np.testing.assert_allclose(gradient, weights[name].grad.numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("masked", [True, False])
def test_many_branches_behind_one_another_are_built_at_once(masked):
    """Each block reads what is before it twice: followed anew each time, sixty would take 2^60 steps."""
    ends = [] if masked else [L.Reshape((2, 6)), L.Reshape((4, 3))]
    layers = [L.Masking(), *ends, *(L.Residual([L.Dense(3)]) for _ in range(60)), L.LSTM(2)]
    model = Sequential(layers, backend="numpy")
    model.build((4, 3))
    x = np.ones((2, 4, 3), np.float32)
    x[1, 2:] = 0
    full, short = model.predict(x), model.predict(x[1:])
    assert full.shape == (2, 2) and full[1].tobytes() == short[0].tobytes()
