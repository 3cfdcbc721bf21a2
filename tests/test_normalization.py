"""Batch normalization: the minibatch's statistics, the moving ones, gradients through both, on both backends."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits
from gradient_check import assert_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Stack, assert_same_quantities, make_data, quantities, start, state_of
from test_parity import check, launches  # noqa: F401

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numpy_backend.normalization import (
    batch_normalization_forward,
    batch_statistics,
    squared_deviations,
)
from fastnn.backends.numpy_backend.sums import batch_sums, position_sums
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential
from fastnn.optimizers import SGD
from fastnn.plan import PlanBuilder
from fastnn.plan.data import Data

pytestmark = pytest.mark.needs_jit

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

DENSE = Stack(lambda: [layers.Dense(7, "tanh"), layers.BatchNormalization(), layers.Dense(3)], (9,))
IMAGE = Stack(
    lambda: [
        layers.BatchNormalization(momentum=0.5),
        layers.Dense(20, "tanh"),
        layers.BatchNormalization(epsilon=0.1, gamma_regularizer="l2", beta_regularizer="l1"),
        layers.Flatten(),
        layers.Dense(3),
    ],
    (2, 3, 4),
)
PLAIN = Stack(lambda: [layers.Dense(70), layers.BatchNormalization(scale=False, center=False), layers.Dense(3)], (4,))
HALVES = Stack(
    lambda: [
        layers.BatchNormalization(scale=False),
        layers.Residual([layers.Dense(5, "tanh"), layers.BatchNormalization(center=False)]),
        layers.BatchNormalization(),
    ],
    (5,),
)
STACKS = {"dense": DENSE, "image": IMAGE, "plain": PLAIN, "halves": HALVES}


def test_by_hand():
    """Channels (1, 2, 3, 4, 5, 8) and 0: mean 23/6 and 0, mean square deviation of the first 185/36."""
    a = np.array([[1.0, 2.0, 3.0], [0, 0, 0], [4.0, 5.0, 8.0], [0, 0, 0]])
    s = position_sums(a, 2)
    assert_same_bits(s, np.array([[5.0, 7.0, 11.0], [0, 0, 0]]))
    total, mean = batch_sums(s, 2)
    assert_same_bits(total, np.array([[23.0], [0]]))
    assert_same_bits(mean, np.array([[23 / 6], [0]]))
    squares = squared_deviations(a, mean)
    scale, moving_mean, moving_variance = batch_statistics(
        squares, mean, np.full(2, 10.0), np.full(2, 20.0), 2, 0.5, 0.9
    )
    variance = 185 / 36
    np.testing.assert_allclose(scale, [[1 / np.sqrt(variance + 0.5)], [1 / np.sqrt(0.5)]], rtol=1e-15)
    np.testing.assert_allclose(moving_mean, [9 + 23 / 60, 9], rtol=1e-15)
    np.testing.assert_allclose(moving_variance, [18 + variance / 10, 18], rtol=1e-15)
    z = batch_normalization_forward(a, mean, scale, np.array([2.0, 3]), np.array([0.25, -1]))
    np.testing.assert_allclose(z[0], (a[0] - 23 / 6) * scale[0] * 2 + 0.25, rtol=1e-15)
    np.testing.assert_allclose(z[3], [-1, -1, -1])


def test_a_sum_goes_over_positions_first_then_samples():
    """Each sample's own sums are +0 here; added sample by sample, the small terms would be lost."""
    a = np.array([[1e16, 1.0], [-1e16, 1.0]])
    total, _ = batch_sums(position_sums(a, 2), 2)
    assert total[0, 0] == 2.0


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
    for stack in (DENSE, IMAGE):
        plan = stack.plan()
        check(launches, plan, dtype, make_data(plan, dtype, 2600), 2500)


@settings(max_examples=15, deadline=None)
@given(
    shape=st.lists(st.integers(1, 5), min_size=0, max_size=2), channels=st.integers(1, 40), samples=st.integers(1, 90),
    center=st.booleans(), scale=st.booleans(), wide=st.booleans(),
)  # fmt: skip
def test_parity_of_any_shape(shape, channels, samples, center, scale, wide):
    stack = Stack(
        lambda: [layers.Dense(channels), layers.BatchNormalization(center=center, scale=scale), layers.Flatten(),
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


@pytest.mark.parametrize("backend", [numpy_backend, numba_backend], ids=["numpy", "numba"])
def test_only_training_moves_the_statistics(backend):
    plan = IMAGE.plan()
    data = make_data(plan, np.float64, 30)
    state = state_of(plan, np.float64, SGD(), start(plan, np.float64))
    before = state.statistics.copy()
    executor = backend.executor(plan, np.float64, state, SGD())
    for program in ("predict", "evaluate", "gradients"):
        executor.run(program, data, 30)
    assert_same_bits(state.statistics, before)
    executor.run("train", data, 30, scalars=np.array([[1.0, 0.0]]))
    x = data.x.reshape(30, 6, 4)
    np.testing.assert_allclose(state.statistics[:4], 0.5 * before[:4] + 0.5 * x.mean((0, 1)), rtol=1e-13)
    np.testing.assert_allclose(state.statistics[4:8], 0.5 * before[4:8] + 0.5 * x.var((0, 1)), rtol=1e-13)


def trained(backend, dtype="float32"):
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((77, 3, 4)) * 3 + 1, rng.standard_normal((77, 2))
    stack = [layers.BatchNormalization(momentum=0.7), layers.Dense(6, "tanh"),
             layers.BatchNormalization(momentum=0.7), layers.Flatten(), layers.Dense(2)]  # fmt: skip
    model = Sequential(stack, seed=3, backend=backend, dtype=dtype)
    model.compile("adam", "mse")
    model.fit(x.astype(dtype), y.astype(dtype), epochs=3, batch_size=20, verbose=0)
    return model, x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_models_use_the_moving_statistics(dtype):
    (a, x, y), (b, _, _) = (trained(backend, dtype) for backend in ("numpy", "numba"))
    assert_same_bits(a.parameters, b.parameters)
    for name, values in a.statistics.items():
        assert_same_bits(values, b.statistics[name])
    whole = b.predict(x)
    assert_same_bits(a.predict(x), whole)
    assert a.evaluate(x, y) == b.evaluate(x, y)
    for i in (0, 1, 16, 63, 64, 76):
        assert_same_bits(whole[i : i + 1], b.predict(x[i : i + 1]))
    z = x
    for i in (1, 3):
        s, w = b.statistics, b.weights
        z = (z - s[f"mean{i}"]) / np.sqrt(s[f"variance{i}"] + 1e-3) * w[f"gamma{i}"] + w[f"beta{i}"]
        z = np.tanh(z @ w["W2"].T + w["b2"]) if i == 1 else z.reshape(len(z), -1) @ w["W4"].T + w["b4"]
    np.testing.assert_allclose(whole, z, rtol=1e-4 if dtype == "float32" else 1e-10, atol=1e-6)


def test_weights_stand_in_keras_order():
    model, x, _ = trained("numpy")
    arrays = model.get_weights()
    assert [a.shape for a in arrays] == [(4,)] * 4 + [(4, 6), (6,)] + [(6,)] * 4 + [(18, 2), (2,)]
    assert_same_bits(arrays[2], model.statistics["mean1"])
    assert_same_bits(arrays[9], model.statistics["variance3"])
    other = Sequential(model.layers, backend="numpy", seed=9)
    other.build((3, 4))
    assert_same_bits(other.get_weights()[3], np.ones(4, np.float32))
    other.set_weights(arrays)
    assert_same_bits(other.predict(x), model.predict(x))
    with pytest.raises(InvalidValueError, match="12 weight arrays, got 8"):
        other.set_weights(arrays[:8])
    with pytest.raises(InvalidValueError, match=r"variance3 must have shape \(6,\), got \(5,\)"):
        other.set_weights([*arrays[:9], np.ones(5), *arrays[10:]])
    text = model.summary(print_fn=None)
    assert "Not trained: 20" in text
    assert "BatchNormalization" in text


def test_errors_name_what_is_wrong():
    for argument, value in (("momentum", 1.5), ("epsilon", 0.0), ("epsilon", -1)):
        with pytest.raises(InvalidValueError, match=argument):
            layers.BatchNormalization(**{argument: value})
    for argument, value in (("momentum", "a"), ("center", 1), ("scale", None), ("axis", 1.5)):
        with pytest.raises(InvalidTypeError, match=argument):
            layers.BatchNormalization(**{argument: value})
    with pytest.raises(InvalidValueError, match=r"last axis of samples of shape \(3, 4\): axis must be -1 or 2, got 1"):
        Sequential([layers.BatchNormalization(axis=1)]).build((3, 4))
    layers.BatchNormalization(axis=[2])


def same_as_torch(plan, statistics, data, torch, build):
    """Assert that loss gradients and outputs of a plan in float64 are PyTorch's, for the same weights."""
    state = state_of(plan, np.float64, SGD(), start(plan, np.float64))
    state.statistics[:] = statistics
    executor = numba_backend.executor(plan, np.float64, state, SGD())
    out = np.empty((data.samples, plan.outputs.rows))
    executor.run("gradients", data, data.samples, out=out)
    weights = {
        p.name: torch.tensor(state.parameters[p.offset : p.offset + p.size].reshape(p.shape), requires_grad=True)
        for p in plan.parameters
    }
    y = build(torch.tensor(data.x), weights)
    loss = ((y - torch.tensor(data.y)) ** 2).mean()
    loss.backward()
    np.testing.assert_allclose(out, y.detach().numpy(), rtol=0, atol=1e-10)
    found = np.concatenate([weights[p.name].grad.numpy().reshape(-1) for p in plan.parameters])
    np.testing.assert_allclose(state.gradients, found, rtol=0, atol=1e-10)
    return executor, state


def test_as_pytorch():
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    stack = Stack(
        lambda: [layers.Dense(6, "tanh"), layers.BatchNormalization(), layers.Flatten(), layers.Dense(2)], (3, 4)
    )
    plan = stack.plan()
    rng = np.random.default_rng(1)
    data = Data(rng.standard_normal((50, 12)), rng.standard_normal((50, 2)))
    mean, variance = torch.full((6,), 0.5, dtype=torch.float64), torch.full((6,), 2.0, dtype=torch.float64)

    def network(training):
        def build(x, w):
            a = torch.tanh(f.linear(x.reshape(-1, 3, 4), w["W1"], w["b1"])).transpose(1, 2)
            a = f.batch_norm(a, mean, variance, w["gamma2"], w["beta2"], training, 0.01, 1e-3).transpose(1, 2)
            return f.linear(a.reshape(-1, 18), w["W3"], w["b3"])

        return build

    executor, state = same_as_torch(plan, np.repeat([0.5, 2.0], 6), data, torch, network(True))
    parameters = state.parameters.copy()
    executor.run("train", data, 50, scalars=np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(state.statistics[:6], mean.numpy(), rtol=0, atol=1e-10)
    # PyTorch's running variance is the unbiased one
    unbiased = (state.statistics[6:] - 0.99 * 2) * (150 / 149) + 0.99 * 2
    np.testing.assert_allclose(unbiased, variance.numpy(), rtol=0, atol=1e-10)
    state.statistics[6:] = variance.numpy()
    use = Stack(stack.layers, stack.shape, training=False)
    builder_plan = use_plan(use)
    out = np.empty((50, 2))
    state.parameters[:] = parameters
    numba_backend.executor(builder_plan, np.float64, state).run("predict", data, 50, out=out)
    weights = {p.name: torch.tensor(parameters[p.offset : p.offset + p.size].reshape(p.shape)) for p in plan.parameters}
    expected = network(False)(torch.tensor(data.x), weights).numpy()
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-10)


def use_plan(stack):
    """Return the plan of a stack that is used, not trained."""
    builder = PlanBuilder(stack.shape)
    x = builder.inputs
    for builder.layer, layer in enumerate(stack.layers()):
        x = layer.build(builder, x)
    return builder.finish(x)
