"""Layer normalization: values, gradients, bits on both backends, PyTorch's numbers."""

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
from fastnn.backends.numpy_backend.layer_normalization import layer_normalization_forward
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential
from fastnn.plan.data import Data

pytestmark = pytest.mark.needs_jit

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

DENSE = Stack(lambda: [layers.Dense(7, "tanh"), layers.LayerNormalization(), layers.Dense(3)], (9,))
SEQUENCE = Stack(
    lambda: [
        layers.LayerNormalization(scale=False),
        layers.Dense(18, "tanh"),
        layers.LayerNormalization(epsilon=0.1, gamma_regularizer="l2", beta_regularizer="l1"),
        layers.Dense(5),
        layers.LayerNormalization(center=False),
        layers.Flatten(),
        layers.Dense(3),
    ],
    (6, 4),
)
PLAIN = Stack(lambda: [layers.Dense(70), layers.LayerNormalization(scale=False, center=False), layers.Dense(3)], (4,))
STACKS = {"dense": DENSE, "sequence": SEQUENCE, "plain": PLAIN}


def test_by_hand():
    a = np.array([[1.0], [3.0], [8.0], [0.0], [0.0], [0.0]])
    z, mean, scale = layer_normalization_forward(a, np.array([1.0, 2, 3]), np.array([0.5, 0, 0]), 2, 0.25)
    assert_same_bits(mean, np.array([[4.0], [0.0]]))
    root = np.sqrt(26 / 3 + 0.25)
    np.testing.assert_allclose(scale, [[1 / root], [2.0]], rtol=1e-15)
    np.testing.assert_allclose(z[:, 0], [-3 / root + 0.5, -2 / root, 12 / root, 0.5, 0, 0], rtol=1e-14)


@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_parity(launches, name, dtype):  # noqa: F811
    plan = STACKS[name].plan()
    for samples, batch in ((1, 1), (2, 2), (3, 2), (17, 17), (63, 63), (64, 64), (65, 64), (130, 100)):
        data = make_data(plan, dtype, samples, weighted=True, order="permutation")
        expected = check(launches, plan, dtype, data, batch)
        assert np.isfinite(expected["weights"]).all()
    check(launches, plan, dtype, make_data(plan, dtype, 66, special=True), 50)


@DTYPES
def test_parity_of_a_large_batch(launches, dtype):  # noqa: F811
    for stack in (DENSE, SEQUENCE):
        plan = stack.plan()
        check(launches, plan, dtype, make_data(plan, dtype, 2600), 2500)


@settings(max_examples=15, deadline=None)
@given(
    shape=st.lists(st.integers(1, 5), min_size=0, max_size=2), channels=st.integers(1, 40), samples=st.integers(1, 90),
    center=st.booleans(), scale=st.booleans(), wide=st.booleans(),
)  # fmt: skip
def test_parity_of_any_shape(shape, channels, samples, center, scale, wide):
    stack = Stack(
        lambda: [layers.Dense(channels), layers.LayerNormalization(center=center, scale=scale), layers.Flatten(),
                 layers.Dense(2)],
        (*shape, 3),
    )  # fmt: skip
    plan, dtype = stack.plan(), np.float64 if wide else np.float32
    data = make_data(plan, dtype, samples)
    results = [quantities(b, plan, dtype, data, max(1, samples * 2 // 3)) for b in (numpy_backend, numba_backend)]
    assert_same_quantities(*results, f"{shape} {channels} {samples}")


@pytest.mark.parametrize("name", STACKS)
def test_gradients(name):
    plan = STACKS[name].plan()
    assert_gradients(plan, make_data(plan, np.float64, 11, weighted=True), tolerance=1e-6)


def test_as_pytorch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    stack = Stack(
        lambda: [layers.Dense(6, "tanh"), layers.LayerNormalization(), layers.Flatten(), layers.Dense(2)], (3, 4)
    )
    rng = np.random.default_rng(1)
    data = Data(rng.standard_normal((50, 12)), rng.standard_normal((50, 2)))

    def build(x, w):
        a = torch.tanh(f.linear(x.reshape(-1, 3, 4), w["W1"], w["b1"]))
        a = f.layer_norm(a, (6,), w["gamma2"], w["beta2"], 1e-3)
        return f.linear(a.reshape(-1, 18), w["W3"], w["b3"])

    same_as_torch(stack.plan(), [], data, torch, build)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_prediction_does_not_depend_on_the_batch(backend):
    model = Sequential([layers.Dense(8, "tanh"), layers.LayerNormalization(), layers.Dense(3)], backend=backend)
    model.build((4, 5))
    x = np.random.default_rng(1).standard_normal((70, 4, 5)).astype(np.float32)
    whole = model.predict(x)
    for i in (0, 1, 63, 64, 69):
        assert_same_bits(whole[i : i + 1], model.predict(x[i : i + 1]))
    assert [a.shape for a in model.get_weights()] == [(5, 8), (8,), (8,), (8,), (8, 3), (3,)]


def test_errors_name_what_is_wrong():
    with pytest.raises(InvalidValueError, match="epsilon must be positive"):
        layers.LayerNormalization(epsilon=0)
    with pytest.raises(InvalidTypeError, match="axis"):
        layers.LayerNormalization(axis="last")
    with pytest.raises(
        InvalidValueError, match=r"LayerNormalization works along the last axis of samples of shape \(3, 4\)"
    ):
        Sequential([layers.LayerNormalization(axis=1)]).build((3, 4))
