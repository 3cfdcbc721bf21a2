"""Rows put elsewhere, and branches joined: values by hand, gradients, the same bits on both backends."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from bits import assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Stack, assert_same_quantities, make_data, quantities, start
from test_parity import check, launches  # noqa: F401

from fastnn import backends, layers
from fastnn.backends.numpy_backend import rearrange
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers.branches import MOST_PARTS
from fastnn.models import Sequential
from fastnn.plan import PlanBuilder

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])

X1 = np.arange(1.0, 25.0).reshape(2, 4, 3)
X2 = np.arange(1.0, 49.0).reshape(2, 4, 3, 2)

CASES: dict[str, tuple[Any, Any, Any]] = {
    "ZeroPadding1D": (layers.ZeroPadding1D(), X1, np.pad(X1, ((0, 0), (1, 1), (0, 0)))),
    "ZeroPadding1D (0, 2)": (layers.ZeroPadding1D((0, 2)), X1, np.pad(X1, ((0, 0), (0, 2), (0, 0)))),
    "ZeroPadding2D": (layers.ZeroPadding2D(), X2, np.pad(X2, ((0, 0), (1, 1), (1, 1), (0, 0)))),
    "ZeroPadding2D (2, 1)": (layers.ZeroPadding2D((2, 1)), X2, np.pad(X2, ((0, 0), (2, 2), (1, 1), (0, 0)))),
    "ZeroPadding2D ((0, 1), (2, 3))": (
        layers.ZeroPadding2D(((0, 1), (2, 3))), X2, np.pad(X2, ((0, 0), (0, 1), (2, 3), (0, 0)))
    ),
    "no padding": (layers.ZeroPadding2D(0), X2, X2),
    "Cropping1D": (layers.Cropping1D(), X1, X1[:, 1:3]),
    "Cropping1D (2, 0)": (layers.Cropping1D((2, 0)), X1, X1[:, 2:]),
    "Cropping2D ((1, 0), (0, 2))": (layers.Cropping2D(((1, 0), (0, 2))), X2, X2[:, 1:, :1]),
    "UpSampling1D": (layers.UpSampling1D(3), X1, X1[:, np.arange(12) // 3]),
    "UpSampling2D": (layers.UpSampling2D(), X2, X2[:, np.arange(8) // 2][:, :, np.arange(6) // 2]),
    "UpSampling2D (1, 3)": (layers.UpSampling2D((1, 3)), X2, X2[:, :, np.arange(9) // 3]),
    "Permute (2, 1)": (layers.Permute((2, 1)), X1, X1.transpose(0, 2, 1)),
    "Permute (3, 1, 2)": (layers.Permute((3, 1, 2)), X2, X2.transpose(0, 3, 1, 2)),
    "Permute (1, 2, 3)": (layers.Permute((1, 2, 3)), X2, X2),
    "Concatenate": (
        layers.Concatenate([[], [layers.Permute((2, 1, 3)), layers.Permute((2, 1, 3))], [layers.Permute((1, 2, 3))]]),
        X2, np.concatenate([X2, X2, X2], 3),
    ),
    "Concatenate along -2": (
        layers.Concatenate([[layers.Cropping2D((0, 1))], [], [layers.UpSampling2D((1, 2))]], -2),
        X2, np.concatenate([X2[:, :, 1:2], X2, X2[:, :, [0, 0, 1, 1, 2, 2]]], 2),
    ),
    "Concatenate along 1": (layers.Concatenate([[layers.ZeroPadding1D()], []], axis=1), X1, np.concatenate(
        [np.pad(X1, ((0, 0), (1, 1), (0, 0))), X1], 1
    )),
    "Concatenate of many": (
        layers.Concatenate([[layers.Cropping1D((k % 4, 0))] for k in range(2 * MOST_PARTS + 3)], 1),
        X1, np.concatenate([X1[:, k % 4 :] for k in range(2 * MOST_PARTS + 3)], 1),
    ),
}  # fmt: skip
"""Layer, samples, what it makes of them."""

REARRANGING = {name: case for name, case in CASES.items() if not np.array_equal(case[1], case[2])}


@BACKENDS
@pytest.mark.parametrize("name", CASES)
def test_values_by_hand(name, backend):
    layer, x, wanted = CASES[name]
    model = Sequential([layer], dtype="float64", backend=backend)
    model.build(x.shape[1:])
    assert_same_bits(model.predict(x), wanted)


@pytest.mark.parametrize("name", CASES)
def test_what_moves_nothing_is_no_op(name):
    layer, x, wanted = CASES[name]
    builder = PlanBuilder(x.shape[1:])
    layer.build(builder, builder.inputs)
    assert bool(builder.forward) == (name in REARRANGING)


def test_gradients_of_rows_by_hand():
    table = np.array([2, 0, -1, 2, 2])
    dz = np.array([[-0.0, 1e16], [3.0, 4.0], [5.0, 6.0], [-0.0, 1.0], [-0.0, -1e16]])
    # the first of the readers plus the others in order: minus zero stays, the one is lost
    wanted = np.array([[3.0, 4.0], [0.0, 0.0], [-0.0, 0.0], [0.0, 0.0]])
    assert_same_bits(rearrange.sum_rows(dz, table, 4), wanted)


def stack(layer: Any, shape: tuple[int, ...]) -> Stack:
    """Return a network with the layer behind a dense one that works position by position."""
    return Stack(lambda: [layers.Dense(shape[-1], "tanh"), layer, layers.Flatten(), layers.Dense(3)], shape)


STACKS = {
    "padding": stack(layers.ZeroPadding2D(), (3, 4, 2)),
    "cropping": stack(layers.Cropping2D(), (3, 4, 2)),
    "upsampling": stack(layers.UpSampling2D(), (3, 4, 2)),
    "permuting": stack(layers.Permute((3, 1, 2)), (3, 4, 2)),
    "joining": stack(layers.Concatenate([[layers.Dense(3)], [], [layers.Dense(1)]]), (3, 4, 2)),
}


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_parity_on_two_threads(launches, name, dtype):  # noqa: F811
    plan = STACKS[name].plan()
    for samples, batch in ((17, 17), (40, 40), (150, 130)):  # 40 samples are shared out in small blocks
        check(launches, plan, dtype, make_data(plan, dtype, samples, weighted=True), batch)


def check_parity(network: Stack, dtype: Any, samples: int, batch: int, special: bool = False) -> None:
    plan = network.plan()
    data = make_data(plan, dtype, samples, 3, special=special, weighted=True)
    results = [
        quantities(backends.get_backend(name), plan, dtype, data, batch, steps=2, parameters=start(plan, dtype))
        for name in ("numpy", "numba")
    ]
    assert_same_quantities(*results, f"{samples} samples, batch {batch}")


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", REARRANGING)
def test_parity(name):
    layer, x, _ = CASES[name]
    for (samples, special), dtype in zip(
        [(1, False), (2, True), (3, False), (17, True), (63, False), (64, True), (65, False)],
        itertools.cycle([np.float32, np.float64]),
        strict=False,
    ):
        check_parity(stack(layer, x.shape[1:]), dtype, samples, 64, special)


@pytest.mark.needs_jit
@DTYPES
def test_parity_of_many_samples(dtype):
    two = layers.Concatenate([[layers.UpSampling2D()], [layers.ZeroPadding2D(((1, 1), (0, 2)))]])
    check_parity(stack(two, (2, 2, 3)), dtype, 2600, 2500)


edges = st.tuples(st.integers(0, 2), st.integers(0, 2))
shapes = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
any_layer = st.one_of(
    st.builds(layers.ZeroPadding2D, st.tuples(edges, edges)),
    st.builds(layers.UpSampling2D, st.tuples(st.integers(1, 3), st.integers(1, 3))),
    st.builds(layers.Permute, st.permutations([1, 2, 3])),
    st.just(layers.Cropping2D(((0, 0), (0, 0)))),
)


@pytest.mark.needs_jit
@settings(max_examples=40, deadline=None)
@given(
    shapes, st.lists(any_layer, min_size=1, max_size=3), st.sampled_from([np.float32, np.float64]),
    st.sampled_from([1, 5, 30, 66]), st.booleans(),
)  # fmt: skip
def test_parity_of_any_shape(shape, some, dtype, samples, special):
    network = Stack(lambda: [layers.Dense(2), *some, layers.Dense(2), layers.Flatten(), layers.Dense(3)], shape)
    check_parity(network, dtype, samples, 64, special)


@BACKENDS
@pytest.mark.parametrize("name", REARRANGING)
def test_gradients_are_differences(name, backend):
    layer, x, _ = CASES[name]
    y = np.random.default_rng(2).normal(size=(2, 2))
    model = Sequential(
        [layers.Dense(2, "tanh"), layer, layers.Flatten(), layers.Dense(2)], dtype="float64", backend=backend
    )
    model.compile("sgd", "mse")
    model.build(x.shape[1:])
    x = x / 30
    found = model.gradients(x, y)
    for weights, gradient in zip(model.weights.values(), found.values(), strict=True):
        for at in list(np.ndindex(weights.shape))[:20]:
            kept, losses = weights[at], []
            for shift in (1e-6, -1e-6):
                weights[at] = kept + shift
                losses.append(model.evaluate(x, y))
            weights[at] = kept
            np.testing.assert_allclose(gradient[at], (losses[0] - losses[1]) / 2e-6, rtol=1e-6, atol=1e-8)


@BACKENDS
def test_a_prediction_does_not_depend_on_the_batch(backend):
    x = np.random.default_rng(3).normal(size=(131, 3, 4, 2)).astype(np.float32)
    model = Sequential(
        [layers.UpSampling2D(), layers.Concatenate([[layers.ZeroPadding2D()], [layers.ZeroPadding2D()]])],
        backend=backend,
    )
    model.build(x.shape[1:])
    whole = model.predict(x)
    for i in (0, 1, 63, 64, 65, 130):
        assert_same_bits(whole[i : i + 1], model.predict(x[i : i + 1]))


def inception() -> list[Any]:
    """Return blocks of branches that see an image through windows of several sizes."""
    block = [
        [layers.Conv2D(3, 1, activation="relu")],
        [layers.Conv2D(2, 1, activation="relu"), layers.Conv2D(4, 3, padding="same", activation="relu")],
        [layers.MaxPooling2D(3, 1, "same"), layers.Conv2D(2, 1, activation="relu")],
    ]
    return [
        layers.Concatenate(block),
        layers.MaxPooling2D(),
        layers.Concatenate([*block, []]),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, "softmax"),
    ]


def resnet() -> list[Any]:
    """Return residual blocks, the second of which halves the image."""
    return [
        layers.Conv2D(4, 3, padding="same"),
        layers.Residual(
            [
                layers.Conv2D(4, 3, padding="same"),
                layers.BatchNormalization(),
                layers.Activation("relu"),
                layers.Conv2D(4, 3, padding="same"),
                layers.BatchNormalization(),
            ]
        ),
        layers.Activation("relu"),
        layers.Residual(
            [
                layers.ZeroPadding2D(),
                layers.Conv2D(6, 3, 2, activation="relu"),
                layers.Conv2D(6, 3, padding="same"),
                layers.BatchNormalization(),
            ],
            [layers.Conv2D(6, 1, 2), layers.BatchNormalization()],
        ),
        layers.Activation("relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, "softmax"),
    ]


@pytest.mark.needs_jit
@pytest.mark.parametrize("make", [inception, resnet])
@DTYPES
def test_networks_of_branches_train_to_the_same_bits(make, dtype):
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(100, 6, 7, 2)).astype(dtype), rng.integers(0, 3, 100)
    x[np.arange(100), y] += 2  # a row that tells the class
    models = [Sequential(make(), dtype=dtype, seed=4, backend=backend) for backend in ("numpy", "numba")]
    for model in models:
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=32, epochs=4, verbose=0)
    assert_same_bits(models[0].parameters, models[1].parameters)
    assert models[0].history.history == models[1].history.history
    losses = models[0].history.history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("make, shape, error, message", [
    (lambda: layers.ZeroPadding2D(-1), (4, 4, 1), InvalidValueError, "padding must be at least 0, got -1"),
    (lambda: layers.ZeroPadding2D((1, 2, 3)), (4, 4, 1), InvalidValueError, "padding must hold 2 numbers or pairs"),
    (lambda: layers.ZeroPadding1D(1.5), (4, 1), InvalidTypeError, "padding must be whole numbers"),
    (lambda: layers.ZeroPadding2D(((1, 2, 3), 1)), (4, 4, 1), InvalidTypeError, "padding must be whole numbers or"),
    (layers.ZeroPadding2D, (4, 4), InvalidValueError, r"ZeroPadding2D takes samples of shape \(height, width, ch"),
    (lambda: layers.Cropping2D((1, 2)), (4, 4, 1), InvalidValueError,
     r"Cropping2D by \(\(1, 1\), \(2, 2\)\) leaves nothing of samples of shape \(4, 4, 1\)"),
    (layers.Cropping1D, (2, 4), InvalidValueError, "Cropping1D .* leaves nothing"),
    (lambda: layers.UpSampling2D(0), (4, 4, 1), InvalidValueError, "size must be at least 1, got 0"),
    (lambda: layers.UpSampling2D(2, interpolation="cubic"), (4, 4, 1), InvalidValueError, "'nearest', got 'cubic'"),
    (lambda: layers.UpSampling1D((2, 2)), (4, 4), InvalidValueError, "size must hold 1 whole number"),
    (lambda: layers.Permute((1, 1)), (4, 4), InvalidValueError, r"dims must hold 1 to 2, each once, got \(1, 1\)"),
    (lambda: layers.Permute((0, 1)), (4, 4), InvalidValueError, "dims must be at least 1, got 0"),
    (lambda: layers.Permute((2, 1)), (4, 4, 2), InvalidValueError,
     r"Permute of dims \(2, 1\) takes samples of 2 axes, got shape \(4, 4, 2\)"),
    (lambda: layers.Concatenate([[]]), (4,), InvalidTypeError, "at least two branches"),
    (lambda: layers.Concatenate([[], [3]]), (4,), InvalidTypeError, "a branch of Concatenate takes layers"),
    (lambda: layers.Concatenate([[], []], 0), (4,), InvalidValueError, "axis 0 are the samples"),
    (lambda: layers.Concatenate([[], []], "last"), (4,), InvalidTypeError, "axis must be a whole number"),
    (lambda: layers.Concatenate([[], []], 2), (4,), InvalidValueError, r"have no axis 2, they end in \(4,\), \(4,\)"),
    (lambda: layers.Concatenate([[], [layers.MaxPooling2D()]]), (4, 4, 2), InvalidValueError,
     r"alike but for axis -1, got \(4, 4, 2\), \(2, 2, 2\)"),
    (lambda: layers.Concatenate([[], [layers.Flatten()]]), (4, 4, 2), InvalidValueError, "alike but for axis -1"),
])  # fmt: skip
def test_bad_settings_are_named(make, shape, error, message):
    with pytest.raises(error, match=message):
        builder = PlanBuilder(shape)
        make().build(builder, builder.inputs)
