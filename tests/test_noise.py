"""Dropout and noise: what is drawn, for which element, when, and that both backends draw it."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits
from gradient_check import assert_gradients
from networks import Stack, make_data, quantities, scalars_of, start, state_of
from test_parity import check, launches  # noqa: F401

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numpy_backend.noise import dropout_backward, dropout_forward, gaussian_noise_forward
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential
from fastnn.optimizers import SGD
from fastnn.plan.data import Data
from fastnn.plan.executor import Draw
from fastnn.random import Purpose, bernoulli, bernoulli_threshold, normal_f64

pytestmark = pytest.mark.needs_jit

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
BACKENDS = pytest.mark.parametrize("backend", [numpy_backend, numba_backend], ids=["numpy", "numba"])

DROPOUT = Stack(lambda: [layers.Dense(7, "tanh"), layers.Dropout(0.4), layers.Dense(5), layers.Dropout(0.2)], (9,))
SPATIAL_1D = Stack(
    lambda: [layers.Dense(4, "tanh"), layers.SpatialDropout1D(0.5), layers.Flatten(), layers.Dense(3)], (5, 3)
)
SPATIAL_2D = Stack(
    lambda: [layers.Dense(4, "tanh"), layers.SpatialDropout2D(0.3), layers.Flatten(), layers.Dense(3)], (2, 3, 3)
)
NOISE = Stack(lambda: [layers.Dense(7, "tanh"), layers.GaussianNoise(0.5), layers.Dense(3)], (9,))
FIRST = Stack(lambda: [layers.Dropout(0.25), layers.GaussianNoise(0.1), layers.Dense(3)], (33,))
STACKS = {"dropout": DROPOUT, "spatial 1d": SPATIAL_1D, "spatial 2d": SPATIAL_2D, "noise": NOISE, "first": FIRST}


def element(row, position, rows):
    """Return the number of an element, as the module's docstring states it."""
    return np.uint64((position // 64 * rows + row) * 64 + position % 64)


def of(seed, purpose, step, stream):
    return np.uint64(seed), np.uint64(purpose), np.uint64(step), np.uint64(stream)


@DTYPES
def test_the_mask_is_the_generators_element_by_element(dtype):
    rows, samples, rate, seed = 3, 70, 0.3, 2**64 - 9
    a = np.random.default_rng(0).standard_normal((2 * rows, samples)).astype(dtype)
    z, mask = dropout_forward(a, rate, seed, 11, 4, positions=2)
    factor = dtype(1 / 0.7)
    for i in range(rows):
        for q in range(samples):
            drop = bernoulli(*of(seed, Purpose.DROPOUT, 11, 4), element(i, q, rows), bernoulli_threshold(rate))
            assert mask[i, q] == (0 if drop else factor)
            for p in range(2):
                assert z[p * rows + i, q] == (0 if drop else a[p * rows + i, q] * factor)
    assert_same_bits(dropout_backward(mask, a, 2), z)


def test_what_is_dropped_is_plus_zero_whatever_it_was():
    a = np.array([np.nan, np.inf, -1.0, -0.0])[:, None] * np.ones(100)
    z, mask = dropout_forward(a, 0.5, 1, 2, 3)
    dropped = mask == 0
    assert dropped.any(axis=1).all() and not dropped.all(axis=1).any()
    assert_same_bits(z[dropped], np.zeros(dropped.sum()))


@DTYPES
def test_the_noise_is_the_generators_element_by_element(dtype):
    a = np.random.default_rng(0).standard_normal((3, 70)).astype(dtype)
    z = gaussian_noise_forward(a, 0.3, 5, 11, 4)
    for i in range(3):
        for q in range(70):
            drawn = dtype(normal_f64(*of(5, Purpose.NOISE, 11, 4), element(i, q, 3)))
            assert z[i, q] == a[i, q] + dtype(0.3) * drawn


def test_shares_and_moments():
    ones = np.ones((500, 1000))
    for rate in (0.1, 0.5, 0.9):
        z, mask = dropout_forward(ones, rate, 3, 1, 0)
        sigma = np.sqrt(rate * (1 - rate) / z.size)
        assert abs((mask == 0).mean() - rate) < 4 * sigma
        assert abs(z.mean() - 1) < 4 * np.sqrt(rate / (1 - rate) / z.size)
        kept = (mask != 0) * 1.0
        for other in (np.roll(kept, 1, 0), np.roll(kept, 1, 1), np.roll(kept, 64, 1)):
            assert abs(np.corrcoef(kept.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(z.size)
    z = gaussian_noise_forward(0 * ones, 2.0, 3, 1, 0) / 2
    assert abs(z.mean()) < 4 / np.sqrt(z.size)
    assert abs(z.var() - 1) < 4 * np.sqrt(2 / z.size)
    assert abs((z**3).mean()) < 4 * np.sqrt(15 / z.size)
    assert abs((z**4).mean() - 3) < 4 * np.sqrt(96 / z.size)


def test_steps_seeds_and_layers_draw_differently():
    ones = np.ones((20, 100))
    masks = [dropout_forward(ones, 0.5, *name)[1] for name in ((1, 1, 0), (1, 2, 0), (2, 1, 0), (1, 1, 1))]
    for i in range(4):
        for j in range(i):
            assert abs((masks[i] == masks[j]).mean() - 0.5) < 0.06
    plan = DROPOUT.plan()
    assert [op.static["stream"] for op in plan.forward if op.kind == "dropout_forward"] == [0, 1]


@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_parity(launches, name, dtype):  # noqa: F811
    """Steps of up to 64 samples lie in blocks of 16 or 32 on two threads, of 64 on one."""
    plan = STACKS[name].plan()
    for samples, batch in ((1, 1), (2, 2), (3, 3), (17, 17), (40, 33), (63, 63), (64, 64), (65, 65), (130, 100)):
        data = make_data(plan, dtype, samples, weighted=True, order="permutation")
        check(launches, plan, dtype, data, batch)
    check(launches, plan, dtype, make_data(plan, dtype, 66, special=True), 50)


@pytest.mark.parametrize("name", ["spatial 1d", "noise"])
def test_parity_of_a_large_batch(launches, name):  # noqa: F811
    plan = STACKS[name].plan()
    check(launches, plan, np.float32, make_data(plan, np.float32, 2600), 2500)


@pytest.mark.parametrize("name", STACKS)
def test_gradients(name):
    plan = STACKS[name].plan()
    assert_gradients(plan, make_data(plan, np.float64, 70))


@BACKENDS
@pytest.mark.parametrize("name", STACKS)
def test_a_step_trains_on_the_mask_of_its_number(backend, name):
    """Step k moves the weights by the gradient that the program ``gradients`` gives for step k, and no other."""
    plan, optimizer = STACKS[name].plan(), SGD(0.5)
    data = make_data(plan, np.float64, 40)
    weights = start(plan, np.float64)
    after, gradients = [], []
    for k in (3, 4):
        state = state_of(plan, np.float64, optimizer, weights)
        executor = backend.executor(plan, np.float64, state, optimizer)
        executor.run("gradients", data, 40, draw=Draw(9, k))
        gradients.append(state.gradients.copy())
        executor.run("train", data, 40, scalars=scalars_of(optimizer, np.float64, 1, 1), draw=Draw(9, k))
        after.append(state.parameters)
    for k in (0, 1):
        np.testing.assert_allclose(after[k], weights - 0.5 * gradients[k], rtol=1e-13)
    assert not np.allclose(gradients[0], gradients[1])


@BACKENDS
def test_a_draw_depends_on_the_place_in_the_minibatch_alone(backend):
    """The first samples of a larger minibatch see what they see in a smaller one, where no block is shared."""
    plan, weights = FIRST.plan(), start(FIRST.plan(), np.float32)
    x = make_data(plan, np.float32, 200).x
    found = []
    for n in (200, 100, 64, 17, 1):
        out = np.empty((n, 3), np.float32)
        executor = backend.executor(plan, np.float32, state_of(plan, np.float32, SGD(), weights))
        executor.run("predict", Data(x[:n]), n, out=out, draw=Draw(1, 6))
        found.append(out)
    for out in found:
        assert_same_bits(found[0][: len(out)], out)


@BACKENDS
@pytest.mark.parametrize("seed", [2**63 - 1, 2**63, 2**64 - 1])
def test_every_seed_is_one_of_its_own(backend, seed):
    plan = DROPOUT.plan()
    data = make_data(plan, np.float32, 20)
    executor = backend.executor(plan, np.float32, state_of(plan, np.float32, SGD(), start(plan, np.float32)))
    out = np.empty((2, 20, 5), np.float32)
    executor.run("predict", data, 20, out=out[0], draw=Draw(seed, 1))
    executor.run("predict", data, 20, out=out[1], draw=Draw(seed - 1, 1))
    assert (out[0] != out[1]).any()
    reference = numpy_backend.executor(plan, np.float32, state_of(plan, np.float32, SGD(), start(plan, np.float32)))
    reference.run("predict", data, 20, out=out[1], draw=Draw(seed, 1))
    assert_same_bits(out[0], out[1])


def model(extra, backend, seed=3):
    stack = [layers.Dense(8, "tanh"), *extra, layers.Dense(3)]
    made = Sequential(stack, seed=seed, backend=backend)
    made.compile("sgd", "mse", ["mae"])
    made.build(5)
    return made


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("layer", [layers.Dropout(0.5), layers.GaussianNoise(0.5)])
def test_nothing_is_drawn_outside_training(backend, layer):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((70, 5)).astype(np.float32), rng.standard_normal((70, 3)).astype(np.float32)
    noisy, plain = model([layer], backend), model([], backend)
    assert_same_bits(noisy.parameters, plain.parameters)
    assert_same_bits(noisy.predict(x), plain.predict(x))
    assert noisy.evaluate(x, y) == plain.evaluate(x, y)
    assert (noisy.gradients(x, y)["W1"] != plain.gradients(x, y)["W1"]).any()
    noisy.fit(x, y, epochs=2, verbose=0)
    whole = noisy.predict(x)
    for i in (0, 1, 63, 64, 69):
        assert_same_bits(whole[i : i + 1], noisy.predict(x[i : i + 1]))
    again = model([layer], backend)
    again.fit(x, y, epochs=2, verbose=0)
    assert_same_bits(again.parameters, noisy.parameters)
    other = model([layer], backend)
    other.fit(x, y, epochs=2, verbose=0, seed=4, shuffle=False)
    third = model([layer], backend)
    third.fit(x, y, epochs=2, verbose=0, seed=5, shuffle=False)
    assert (other.parameters != third.parameters).any()


def test_a_rate_of_zero_is_no_op():
    for layer in (layers.Dropout(0), layers.GaussianNoise(0.0)):
        plan = Stack(lambda layer=layer: [layer, layers.Dense(2)], (3,)).plan()
        assert [op.kind for op in plan.forward] == ["dense_forward"]


@DTYPES
def test_nearly_everything_dropped(launches, dtype):  # noqa: F811
    for rate in (1e-12, 1 - 1e-9):
        plan = Stack(lambda rate=rate: [layers.Dense(4), layers.Dropout(rate), layers.Dense(2)], (3,)).plan()
        check(launches, plan, dtype, make_data(plan, dtype, 66), 50)


@pytest.mark.parametrize("layer", [layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D])
def test_wrong_rates(layer):
    for rate in (1, 1.0, -0.1, np.nan, np.inf):
        with pytest.raises(InvalidValueError, match="rate"):
            layer(rate)
    for rate in ("a", None, True):
        with pytest.raises(InvalidTypeError, match="rate must be a number"):
            layer(rate)
    with pytest.raises(InvalidValueError, match="stddev must be at least 0"):
        layers.GaussianNoise(-1.0)


def test_wrong_ranks():
    with pytest.raises(
        InvalidValueError, match=r"SpatialDropout1D takes samples of shape \(steps, channels\), got \(9,\)"
    ):
        Stack(lambda: [layers.SpatialDropout1D(0.5)], (9,)).plan()
    with pytest.raises(InvalidValueError, match=r"SpatialDropout2D takes samples of shape \(height, .* got \(9, 2\)"):
        Stack(lambda: [layers.SpatialDropout2D(0.5)], (9, 2)).plan()


def test_no_result_depends_on_what_a_step_drew_before():
    plan = DROPOUT.plan()
    data = make_data(plan, np.float32, 30)
    first, second = (quantities(numba_backend, plan, np.float32, data, 20) for _ in range(2))
    for name in first:
        assert_same_bits(first[name], second[name])
