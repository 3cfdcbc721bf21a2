"""Rectifiers with trained slopes, and the activations that are layers of their own."""

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
from fastnn.backends.numpy_backend.prelu import prelu_backward_input, prelu_forward, prelu_products
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.initializers import RandomNormal
from fastnn.models import Sequential
from fastnn.plan.data import Data

pytestmark = pytest.mark.needs_jit

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

DENSE = Stack(lambda: [layers.Dense(7), layers.PReLU(), layers.Dense(3)], (9,))
IMAGE = Stack(
    lambda: [
        layers.PReLU(shared_axes=[1, 2]),
        layers.Dense(18),
        layers.PReLU(shared_axes=[2, 3], alpha_regularizer="l2"),
        layers.Flatten(),
        layers.Dense(3),
        layers.PReLU(shared_axes=1),
    ],
    (2, 3, 4),
)
STACKS = {"dense": DENSE, "image": IMAGE}


def test_by_hand():
    a, dz = np.array([[-2.0, 3.0], [0.0, -5.0], [-0.0, 7.0]]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    alpha, index = np.array([10.0, 100.0]), np.array([1, 0, 1])
    assert_same_bits(prelu_forward(a, alpha, index), np.array([[-200.0, 3.0], [0.0, -50.0], [-0.0, 7.0]]))
    assert_same_bits(prelu_backward_input(a, alpha, dz, index), np.array([[100.0, 2.0], [30.0, 40.0], [500.0, 6.0]]))
    assert_same_bits(prelu_products(a, dz, index, 2), np.array([[0.0, -20.0], [-2.0, 0.0]]))


@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_parity(launches, name, dtype):  # noqa: F811
    plan = STACKS[name].plan()
    for samples, batch in ((1, 1), (2, 2), (3, 2), (17, 17), (63, 63), (64, 64), (65, 64), (130, 100)):
        data = make_data(plan, dtype, samples, weighted=True, order="permutation")
        expected = check(launches, plan, dtype, data, batch)
        assert np.isfinite(expected["weights"]).all()
    check(launches, plan, dtype, make_data(plan, dtype, 66, special=True), 50)
    check(launches, plan, dtype, make_data(plan, dtype, 2600), 2500)


@settings(max_examples=15, deadline=None)
@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), data=st.data(), samples=st.integers(1, 90))
def test_parity_of_any_shape(shape, data, samples):
    axes = data.draw(st.lists(st.integers(1, len(shape)), unique=True))
    stack = Stack(
        lambda: [layers.Dense(shape[-1]), layers.PReLU(shared_axes=axes), layers.Flatten(), layers.Dense(2)],
        tuple(shape),
    )
    plan = stack.plan()
    assert plan.parameters[2].shape == tuple(1 if i + 1 in axes else n for i, n in enumerate(shape))
    what = make_data(plan, np.float32, samples)
    results = [quantities(b, plan, np.float32, what, samples) for b in (numpy_backend, numba_backend)]
    assert_same_quantities(*results, f"{shape} {axes} {samples}")


@pytest.mark.parametrize("name", STACKS)
def test_gradients(name):
    plan = STACKS[name].plan()
    assert_gradients(plan, make_data(plan, np.float64, 11, weighted=True), tolerance=1e-6)


def test_as_pytorch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    stack = Stack(lambda: [layers.Dense(6), layers.PReLU(shared_axes=1), layers.Flatten(), layers.Dense(2)], (3, 4))
    rng = np.random.default_rng(1)
    data = Data(rng.standard_normal((50, 12)), rng.standard_normal((50, 2)))

    def build(x, w):
        a = f.linear(x.reshape(-1, 3, 4), w["W1"], w["b1"]).transpose(1, 2)
        a = f.prelu(a, w["alpha2"].reshape(-1)).transpose(1, 2)
        return f.linear(a.reshape(-1, 18), w["W3"], w["b3"])

    same_as_torch(stack.plan(), [], data, torch, build)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_in_a_model(backend):
    model = Sequential([layers.PReLU(RandomNormal(), shared_axes=1), layers.Flatten(), layers.Dense(3)],
                       backend=backend)  # fmt: skip
    model.build((4, 5, 2))
    x = np.random.default_rng(1).standard_normal((70, 4, 5, 2)).astype(np.float32)
    whole = model.predict(x)
    for i in (0, 1, 63, 64, 69):
        assert_same_bits(whole[i : i + 1], model.predict(x[i : i + 1]))
    alpha = model.get_weights()[0]
    assert alpha.shape == (1, 5, 2)
    assert_same_bits(alpha, model.weights["alpha1"])
    model.set_weights([alpha + 1, *model.get_weights()[1:]])
    assert_same_bits(model.weights["alpha1"], alpha + 1)


def predictions(*stack, shape=5):
    model = Sequential(list(stack), backend="numpy", dtype="float64")
    model.build(shape)
    x = np.random.default_rng(3).standard_normal((20, shape))
    return x, model.predict(x)


def test_activations_as_layers():
    x, y = predictions(layers.ReLU())
    assert_same_bits(y, np.where(x > 0, x, 0.0))
    x, y = predictions(layers.ReLU(0.25))
    assert_same_bits(y, np.where(x > 0, x, 0.25 * x))
    x, y = predictions(layers.LeakyReLU())
    assert_same_bits(y, np.where(x > 0, x, 0.3 * x))
    x, y = predictions(layers.ELU(2.0))
    np.testing.assert_allclose(y, np.where(x > 0, x, 2 * np.expm1(x)), rtol=1e-14)
    x, y = predictions(layers.Softmax())
    np.testing.assert_allclose(y, np.exp(x) / np.exp(x).sum(1, keepdims=True), rtol=1e-14)


def test_a_softmax_layer_at_the_end_is_fused_with_its_loss():
    stack = Stack(lambda: [layers.Dense(3), layers.Softmax()], (5,), "categorical_crossentropy")
    assert [op.kind for op in stack.plan().value] == ["softmax_crossentropy_value"]


def test_activity_regularization_is_a_part_of_the_loss():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((20, 5)), rng.standard_normal((20, 5))
    model = Sequential([layers.ActivityRegularization(0.5, 0.25)], dtype="float64", backend="numpy")
    model.compile("sgd", "mse")
    model.build(5)
    penalty = (0.5 * np.abs(x) + 0.25 * x**2).sum(1).mean()
    assert model.evaluate(x, y) == pytest.approx(((x - y) ** 2).mean() + penalty, rel=1e-13)
    stack = Stack(lambda: [layers.Dense(4, "tanh"), layers.ActivityRegularization(0.1, 0.2), layers.Dense(2)], (3,))
    plan = stack.plan()
    assert_gradients(plan, make_data(plan, np.float64, 9), tolerance=1e-6)


def test_errors_name_what_is_wrong():
    with pytest.raises(
        InvalidValueError, match=r"PReLU's shared_axes must be in 1 to 2 for samples of shape \(3, 4\), got 3"
    ):
        Sequential([layers.PReLU(shared_axes=[1, 3])]).build((3, 4))
    with pytest.raises(InvalidTypeError, match="shared_axes must be whole numbers, got 'all'"):
        layers.PReLU(shared_axes="all")
    with pytest.raises(InvalidValueError, match="negative_slope must be at least 0"):
        layers.ReLU(-1)
    with pytest.raises(InvalidValueError, match="l1 must be at least 0"):
        layers.ActivityRegularization(-1)
    with pytest.raises(InvalidValueError, match="Softmax works along the last axis"):
        Sequential([layers.Softmax(axis=1)]).build((3, 4))
