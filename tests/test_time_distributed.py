"""TimeDistributed: each step's result is the layer's own; gradients, parity, PyTorch, what is not taken."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits
from networks import Stack, assert_same_quantities, make_data, quantities

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.time_distributed import TAKEN
from fastnn.models import Sequential

L = layers
BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])
CASES = [
    (lambda: L.Dense(3, "tanh"), (4,)),
    (lambda: L.Activation("softmax"), (4,)),
    (lambda: L.Dropout(0.3), (4, 2)),
    (lambda: L.GaussianNoise(0.3), (4,)),
    (lambda: L.ReLU(0.1), (4,)),
    (lambda: L.LeakyReLU(), (4,)),
    (lambda: L.ELU(), (4,)),
    (lambda: L.ActivityRegularization(0.1), (4,)),
    (lambda: L.BatchNormalization(axis=2), (3, 2)),
    (lambda: L.LayerNormalization(axis=2), (3, 2)),
    (lambda: L.Softmax(axis=1), (4,)),
    (lambda: L.Conv1D(3, 3, padding="causal", dilation_rate=2, activation="tanh"), (7, 2)),
    (lambda: L.Conv1D(4, 3, strides=2, padding="same", groups=2), (6, 2)),
    (lambda: L.Conv2D(3, 3, padding="same", strides=2, activation="tanh", activity_regularizer="l2"), (7, 5, 2)),
    (lambda: L.Conv2D(4, (3, 2), groups=2), (6, 5, 2)),
    (lambda: L.Conv2D(2, 3, dilation_rate=2, padding="same", use_bias=False), (5, 6, 1)),
    (lambda: L.DepthwiseConv2D(3, strides=3), (8, 7, 2)),
    (lambda: L.Flatten(), (3, 2)),
    (lambda: L.Reshape((3, -1)), (2, 6)),
    (lambda: L.MaxPooling1D(2), (5, 2)),
    (lambda: L.MaxPooling2D(2, 1), (4, 3, 2)),
    (lambda: L.MaxPooling2D(2, 3), (5, 6, 2)),
    (lambda: L.MaxPooling2D(2), (5, 4, 2)),
    (lambda: L.AveragePooling2D(2, padding="same"), (5, 4, 2)),
    (lambda: L.AveragePooling1D(2, padding="same"), (5, 2)),
    (lambda: L.AveragePooling2D((2, 1)), (5, 3, 2)),
    (lambda: L.GlobalMaxPooling1D(), (5, 2)),
    (lambda: L.GlobalMaxPooling2D(), (3, 2, 2)),
    (lambda: L.GlobalAveragePooling1D(keepdims=True), (5, 2)),
    (lambda: L.GlobalAveragePooling2D(), (3, 2, 2)),
    (lambda: L.SpatialDropout1D(0.4), (3, 2)),
    (lambda: L.SpatialDropout2D(0.4), (3, 2, 2)),
    (lambda: L.ZeroPadding1D(), (3, 2)),
    (lambda: L.ZeroPadding2D(), (2, 3, 2)),
    (lambda: L.Cropping1D(), (4, 2)),
    (lambda: L.Cropping2D(), (4, 3, 2)),
    (lambda: L.UpSampling1D(), (3, 2)),
    (lambda: L.UpSampling2D(), (2, 3, 2)),
    (lambda: L.Permute((2, 1)), (3, 2)),
]
EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{type(case[0]()).__name__}-{case[1]}")


def test_every_layer_that_is_taken_has_a_case():
    assert {type(make()) for make, _ in CASES} == set(TAKEN)


def model(stack, shape, backend="numpy"):
    made = Sequential(stack, dtype="float64", seed=3, backend=backend)
    made.compile("sgd", "mse")
    made.build(shape)
    return made


@EVERY
@pytest.mark.parametrize("steps", [1, 4, 30])
def test_each_step_is_what_the_layer_makes_of_it(case, steps):
    make, shape = case
    x = np.random.default_rng(0).standard_normal((5, steps, *shape))
    over, one = model([L.TimeDistributed(make())], (steps, *shape)), model([make()], shape)
    one.parameters[...] = over.parameters
    assert_same_bits(over.predict(x), np.stack([one.predict(x[:, t]) for t in range(steps)], axis=1))


@pytest.mark.needs_jit
@EVERY
def test_parity(case):
    make, shape = case
    size = int(np.prod((3, *shape)))

    def stack():
        return [L.Dense(size), L.Reshape((3, *shape)), L.TimeDistributed(make()), L.Flatten(), L.Dense(2)]

    plan = Stack(stack, (4,)).plan()
    for dtype, samples in ((np.float32, 65), (np.float64, 17)):
        data = make_data(plan, dtype, samples)
        found = [quantities(b, plan, dtype, data, samples) for b in (numpy_backend, numba_backend)]
        assert_same_quantities(*found, f"{make()}")


@EVERY
def test_gradients_against_differences(case):
    make, shape = case
    if isinstance(make(), (L.Dropout, L.GaussianNoise, L.SpatialDropout1D, L.SpatialDropout2D, L.BatchNormalization)):
        return  # evaluate is another function than what is trained; parity holds, and the ops have their own checks
    size = int(np.prod((3, *shape)))
    made = model(
        [L.Dense(size, "tanh"), L.Reshape((3, *shape)), L.TimeDistributed(make()), L.Flatten(), L.Dense(2)], (4,)
    )
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((5, 4)), rng.standard_normal((5, 2))
    given = made.gradients(x, y)
    for name, weights in made.weights.items():
        at = tuple(n // 2 for n in weights.shape)
        old, ends = weights[at], []
        for step in (1e-6, -1e-6):
            weights[at] = old + step
            ends.append(made.evaluate(x, y))
        weights[at] = old
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(given[name][at], rel=1e-5, abs=1e-8), name


@BACKENDS
def test_images_over_steps_agree_with_pytorch(backend):
    torch = pytest.importorskip("torch")
    made = model(
        [L.TimeDistributed(L.Conv2D(4, 3, strides=2)), L.TimeDistributed(L.GlobalAveragePooling2D()), L.LSTM(3)],
        (5, 9, 8, 2), backend,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((6, 5, 9, 8, 2)), rng.standard_normal((6, 3))
    weights = {k: torch.tensor(v.copy(), requires_grad=True) for k, v in made.weights.items()}
    images = torch.tensor(x).flatten(0, 1).permute(0, 3, 1, 2)
    seen = torch.nn.functional.conv2d(images, weights["W1"], weights["b1"], stride=2).mean((2, 3)).reshape(6, 5, 4)
    cell = torch.nn.LSTM(4, 3, batch_first=True, dtype=torch.float64)
    parts = {"weight_ih_l0": weights["W2"], "weight_hh_l0": weights["U2"], "bias_ih_l0": weights["b2"],
             "bias_hh_l0": torch.zeros_like(weights["b2"])}  # fmt: skip
    out = torch.func.functional_call(cell, parts, (seen,))[0][:, -1]
    np.testing.assert_allclose(made.predict(x), out.detach().numpy(), rtol=0, atol=1e-10)
    torch.nn.functional.mse_loss(out, torch.tensor(y)).backward()
    for name, gradient in made.gradients(x, y).items():
        np.testing.assert_allclose(gradient, weights[name].grad.numpy(), rtol=0, atol=1e-10)


def test_what_is_not_taken():
    for layer in (L.GRU(3), L.Conv2DTranspose(2, 3), L.PReLU(), L.Residual([L.Dense(3)]), L.Masking(), "dense"):
        with pytest.raises(InvalidTypeError, match=r"TimeDistributed takes one of Dense, .* got "):
            L.TimeDistributed(layer)
    for layer, shape, message in (
        (L.Conv2D(3, 3), (4, 5, 2), r"Conv2D takes samples of shape \(height, width, channels\), got \(5, 2\)"),
        (L.Conv2D(3, 3), (4, 2, 5, 2), r"Conv2D .* takes samples of at least \(3, 3\) cells .*, got shape \(2, 5, 2\)"),
        (L.Conv1D(3, 2, groups=3), (4, 5, 2), r"filters \(3\)|channels .* must be divisible by groups"),
        (L.MaxPooling2D(3), (4, 2, 5, 2), r"MaxPooling2D .* got shape \(2, 5, 2\)"),
        (L.Softmax(axis=1), (4, 5, 2), r"Softmax works along the last axis .* \(5, 2\)"),
        (L.Dense(3), (7,), r"TimeDistributed takes samples of shape \(steps, ...\), got \(7,\)"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            model([L.TimeDistributed(layer)], shape)
