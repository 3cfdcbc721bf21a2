"""Pooling: values worked out by hand, gradients against differences, PyTorch, the same bits on both backends.

The parity tests put a dense layer in front, position by position, so that gradients flow through the pooling while
infinities and NaN stay in their cell; a rectifier makes ties.
"""

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
from fastnn.backends.numpy_backend import pooling
from fastnn.errors import FastnnError, InvalidTypeError, InvalidValueError
from fastnn.models import Sequential
from fastnn.plan import PlanBuilder
from fastnn.plan.windows import Windows, places_along

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])
KINDS = {
    1: (layers.MaxPooling1D, layers.AveragePooling1D, layers.GlobalMaxPooling1D, layers.GlobalAveragePooling1D),
    2: (layers.MaxPooling2D, layers.AveragePooling2D, layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D),
}


def pooled(layer: Any, x: Any, backend: str = "numpy") -> Any:
    """Return what a layer makes of samples."""
    x = np.asarray(x, np.float64)
    model = Sequential([layer], dtype="float64", backend=backend)
    model.build(x.shape[1:])
    return model.predict(x, allow_nonfinite=True)


IMAGE = [[[[1.0], [5.0], [2.0]], [[3.0], [4.0], [0.0]], [[-1.0], [7.0], [6.0]]]]
SEQUENCE = [[[1.0, -1.0], [4.0, -2.0], [2.0, -3.0], [8.0, -9.0], [3.0, 0.0]]]


@BACKENDS
def test_values_by_hand(backend):
    cases = [
        (layers.MaxPooling2D(), IMAGE, [[[[5.0]]]]),
        (layers.MaxPooling2D(2, 1), IMAGE, [[[[5.0], [5.0]], [[7.0], [7.0]]]]),
        (layers.MaxPooling2D(2, padding="same"), IMAGE, [[[[5.0], [2.0]], [[7.0], [6.0]]]]),
        (layers.MaxPooling2D((1, 3)), IMAGE, [[[[5.0]], [[4.0]], [[7.0]]]]),
        (layers.AveragePooling2D(), IMAGE, [[[[3.25]]]]),
        (layers.AveragePooling2D(2, padding="same"), IMAGE, [[[[3.25], [1.0]], [[3.0], [6.0]]]]),
        (layers.AveragePooling2D(3, 2, "same"), IMAGE, [[[[3.25], [2.75]], [[3.25], [4.25]]]]),
        (layers.GlobalMaxPooling2D(), IMAGE, [[7.0]]),
        (layers.GlobalAveragePooling2D(), IMAGE, [[3.0]]),
        (layers.GlobalMaxPooling2D(keepdims=True), IMAGE, [[[[7.0]]]]),
        (layers.MaxPooling1D(), SEQUENCE, [[[4.0, -1.0], [8.0, -3.0]]]),
        (layers.MaxPooling1D(3, padding="same"), SEQUENCE, [[[4.0, -1.0], [8.0, 0.0]]]),
        (layers.AveragePooling1D(2, padding="same"), SEQUENCE, [[[2.5, -1.5], [5.0, -6.0], [3.0, 0.0]]]),
        (layers.AveragePooling1D(3, 1), SEQUENCE, [[[7 / 3, -2.0], [14 / 3, -14 / 3], [13 / 3, -4.0]]]),
        (layers.GlobalMaxPooling1D(), SEQUENCE, [[8.0, 0.0]]),
        (layers.GlobalAveragePooling1D(), SEQUENCE, [[3.6, -3.0]]),
        (layers.GlobalAveragePooling1D(keepdims=True), SEQUENCE, [[[3.6, -3.0]]]),
    ]
    for layer, x, wanted in cases:
        assert_same_bits(pooled(layer, x, backend), np.array(wanted), repr(layer))


@BACKENDS
def test_the_first_of_equals_and_the_first_nan_win(backend):
    nan, inf = np.nan, np.inf
    x = [[[-0.0], [0.0], [-inf], [-inf], [nan], [inf], [1.0], [nan]]]
    assert_same_bits(pooled(layers.MaxPooling1D(), x, backend), np.array([[[-0.0], [-inf], [nan], [nan]]]))
    windows = Windows((4, 1), (2, 1), (1, 1), (0, 0), (3, 1))
    dz = np.array([[1.0], [2.0], [4.0]])
    for cells, wanted in (
        ([3.0, 3.0, 3.0, 3.0], [1.0, 2.0, 4.0, 0.0]),
        ([1.0, 3.0, 2.0, 2.0], [0.0, 3.0, 4.0, 0.0]),
        ([nan, nan, 1.0, nan], [1.0, 2.0, 0.0, 4.0]),
        ([0.0, -0.0, inf, -inf], [1.0, 0.0, 6.0, 0.0]),
    ):
        assert_same_bits(pooling.max_pooling_backward(np.array(cells)[:, None], dz, windows), np.array(wanted)[:, None])


def test_a_gradient_of_minus_zero_arrives_as_zero():
    windows = Windows((2, 1), (2, 1), (2, 1), (0, 0), (1, 1))
    x, dz = np.array([[1.0], [2.0]]), np.array([[-0.0]])
    assert_same_bits(pooling.max_pooling_backward(x, dz, windows), np.zeros((2, 1)))
    assert_same_bits(pooling.average_pooling_backward(dz, windows), np.zeros((2, 1)))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.sampled_from(["valid", "same"]))
def test_places_are_keras_s(cells, size, stride, padding):
    places, before = places_along(cells, size, stride, padding)
    if padding == "valid":
        assert (places, before) == (len([at for at in range(0, cells, stride) if at + size <= cells]), 0)
    else:
        total = max((places - 1) * stride + size - cells, 0)
        assert (places, before) == (int(np.ceil(cells / stride)), total // 2)
    windows = Windows((cells, 1), (size, 1), (stride, 1), (before, 0), (places, 1))
    seen = [
        [h for h in range(p * stride - before, p * stride - before + size) if 0 <= h < cells] for p in range(places)
    ]
    assert all(seen)
    starts, table = windows.cells_by_window()
    assert [table[first:last].tolist() for first, last in itertools.pairwise(starts)] == seen
    if places:
        assert windows.cell_counts()[:, 0].tolist() == [len(cells) for cells in seen]
    every = [h for of_one in seen for h in of_one]
    assert windows.overlap >= (len(set(every)) < len(every))


def stack(pool: Any, shape: tuple[int, ...], activation: str = "relu") -> Stack:
    """Return a network with a pooling layer behind a dense one that works position by position."""
    return Stack(lambda: [layers.Dense(shape[-1], activation), pool, layers.Flatten(), layers.Dense(3)], shape)


STACKS = {
    "max": stack(layers.MaxPooling2D(3, 2, "same"), (5, 6, 3)),
    "max, apart": stack(layers.MaxPooling2D(2, 3), (5, 6, 3)),
    "average": stack(layers.AveragePooling2D(3, 2, "same"), (5, 6, 3)),
    "average, apart": stack(layers.AveragePooling2D(2, 3), (5, 6, 3)),
}


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_parity_on_two_threads(launches, name, dtype):  # noqa: F811
    plan = STACKS[name].plan()
    for samples, batch in ((17, 17), (40, 40), (150, 130)):  # 40 samples are shared out in small blocks
        check(launches, plan, dtype, make_data(plan, dtype, samples, weighted=True), batch)


def check_parity(
    network: Stack, dtype: Any, samples: int, batch: int, special: bool = False, ties: bool = False
) -> None:
    plan = network.plan()
    data = make_data(plan, dtype, samples, 3, special=special, weighted=True)
    parameters = start(plan, dtype)
    if ties:  # cells are alike, and who wins shows in the gradient of the weights
        parameters[: plan.parameters[0].size] = 0
    results = [
        quantities(backends.get_backend(name), plan, dtype, data, batch, steps=2, parameters=parameters)
        for name in ("numpy", "numba")
    ]
    assert_same_quantities(*results, f"{samples} samples, batch {batch}")


@pytest.mark.needs_jit
@pytest.mark.parametrize("axes", [1, 2])
@DTYPES
def test_parity(axes, dtype):
    shape = (7, 6, 3)[-axes - 1 :]
    for samples in (1, 2, 3, 17, 63, 64, 65):
        for pool in (*(kind() for kind in KINDS[axes]), KINDS[axes][0](3, 2, "same"), KINDS[axes][1](3, 1, "same")):
            check_parity(stack(pool, shape), dtype, samples, 64)
    for pool in (KINDS[axes][0](2, 1), KINDS[axes][0](3, 3)):
        check_parity(stack(pool, shape, "linear"), dtype, 17, 64, ties=True)


@pytest.mark.needs_jit
@DTYPES
def test_parity_of_many_samples(dtype):
    for pool in (layers.MaxPooling2D(2, 1), layers.AveragePooling2D(3, 2, "same")):
        check_parity(stack(pool, (3, 4, 2)), dtype, 2600, 2500)


@pytest.mark.needs_jit
@pytest.mark.parametrize("pool", [layers.MaxPooling2D(3, 1), layers.AveragePooling2D(3, 1)], ids=repr)
@pytest.mark.parametrize("what", ["_taps", "reversed"])
def test_another_order_is_seen(monkeypatch, pool, what):
    """The parity check fails where a window takes its cells backwards, or a cell its windows."""
    right = pooling._taps
    if what == "_taps":
        monkeypatch.setattr(pooling, what, lambda windows: reversed(list(right(windows))))
    else:
        monkeypatch.setattr(pooling, what, lambda taps: taps, raising=False)
    with pytest.raises(AssertionError, match="differ"):
        check_parity(stack(pool, (6, 7, 2), "linear"), np.float32, 3, 64, ties=pool.op == "max" and what == "_taps")


numbers = st.integers(1, 5)
pairs = st.tuples(numbers, numbers)


@pytest.mark.needs_jit
@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7), numbers), pairs, pairs, st.sampled_from(["valid", "same"]),
    st.sampled_from([layers.MaxPooling2D, layers.AveragePooling2D]), st.sampled_from([np.float32, np.float64]),
    st.sampled_from([1, 5, 30, 66]), st.booleans(),
)  # fmt: skip
def test_parity_of_any_shape(shape, size, strides, padding, kind, dtype, samples, special):
    if padding == "valid":
        size = tuple(min(pair) for pair in zip(size, shape, strict=False))
    activation = "linear" if special else "relu"
    check_parity(stack(kind(size, strides, padding), shape, activation), dtype, samples, 64, special)


@pytest.mark.parametrize("pool", [
    layers.MaxPooling2D(2), layers.MaxPooling2D(3, 2, "same"), layers.AveragePooling2D((2, 3), 1, "same"),
    layers.AveragePooling2D(2), layers.GlobalMaxPooling2D(), layers.GlobalAveragePooling2D(),
], ids=repr)  # fmt: skip
@BACKENDS
def test_gradients_are_differences(pool, backend):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(4, 5, 6, 2)), rng.normal(size=(4, 3))
    model = Sequential(
        [layers.Dense(3, "tanh"), pool, layers.Flatten(), layers.Dense(3)], dtype="float64", backend=backend
    )
    model.compile("sgd", "mse")
    model.build(x.shape[1:])
    found = model.gradients(x, y)
    for name, weights in model.weights.items():
        for at in np.ndindex(weights.shape):
            kept, losses = weights[at], []
            for shift in (1e-6, -1e-6):
                weights[at] = kept + shift
                losses.append(model.evaluate(x, y))
            weights[at] = kept
            np.testing.assert_allclose(found[name][at], (losses[0] - losses[1]) / 2e-6, rtol=1e-6, atol=1e-8)


@BACKENDS
@pytest.mark.parametrize("pool", [layers.MaxPooling2D(3, 2, "same"), layers.AveragePooling2D(3, 2, "same")], ids=repr)
def test_a_prediction_does_not_depend_on_the_batch(backend, pool):
    x = np.random.default_rng(3).normal(size=(131, 5, 7, 3)).astype(np.float32)
    model = Sequential([pool], backend=backend)
    model.build(x.shape[1:])
    whole = model.predict(x)
    for i in (0, 1, 63, 64, 65, 130):
        assert_same_bits(whole[i : i + 1], model.predict(x[i : i + 1]))


@pytest.mark.parametrize("size", [(2, 2), (3, 2), (3, 3)])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_pytorch_agrees(size, strides, padding):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(4)
    h, w, c, n = 7, 6, 3, 4
    x = rng.normal(size=(h * w * c, n))
    along = [places_along(*axis, padding) for axis in zip((h, w), size, strides, strict=True)]
    windows = Windows((h, w), size, strides, (along[0][1], along[1][1]), (along[0][0], along[1][0]))
    dz = rng.normal(size=(windows.places[0] * windows.places[1] * c, n))
    images = torch.tensor(x.reshape(h, w, c, n).transpose(3, 2, 0, 1).copy(), requires_grad=True)
    gradient = torch.tensor(dz.reshape(*windows.places, c, n).transpose(3, 2, 0, 1).copy())

    def rows(t: Any) -> Any:
        return t.detach().numpy().transpose(2, 3, 1, 0).reshape(-1, n)

    ends = [  # Keras pads the odd cell behind, which PyTorch cannot
        (before, max(0, (places - 1) * s + k - before - cells))
        for (places, before), k, s, cells in zip(along, size, strides, (h, w), strict=True)
    ]
    pad = (*ends[1], *ends[0])
    padded = torch.nn.functional.pad(images, pad, value=-np.inf)
    torch.nn.functional.max_pool2d(padded, size, strides).backward(gradient)
    np.testing.assert_allclose(pooling.max_pooling_backward(x, dz, windows), rows(images.grad), atol=1e-10)
    z = torch.nn.functional.max_pool2d(padded, size, strides)
    np.testing.assert_allclose(pooling.max_pooling_forward(x, windows), rows(z), atol=1e-10)
    images.grad = None
    padded = torch.nn.functional.pad(images, pad)
    there = torch.nn.functional.pad(torch.ones_like(images), pad)
    sums = torch.nn.functional.avg_pool2d(padded, size, strides, divisor_override=1)
    z = sums / torch.nn.functional.avg_pool2d(there, size, strides, divisor_override=1)
    z.backward(gradient)
    np.testing.assert_allclose(pooling.average_pooling_forward(x, windows), rows(z), atol=1e-10)
    np.testing.assert_allclose(pooling.average_pooling_backward(dz, windows), rows(images.grad), atol=1e-10)


@pytest.mark.parametrize("make, shape, error, message", [
    (lambda: layers.MaxPooling2D(0), (4, 4, 1), InvalidValueError, "pool_size must be at least 1, got 0"),
    (lambda: layers.MaxPooling2D(2, 0), (4, 4, 1), InvalidValueError, "strides must be at least 1, got 0"),
    (lambda: layers.MaxPooling2D((2, 2, 2)), (4, 4, 1), InvalidValueError, "pool_size must hold 2 whole numbers"),
    (lambda: layers.MaxPooling1D((2, 2)), (4, 1), InvalidValueError, "pool_size must hold 1 whole number, got"),
    (lambda: layers.AveragePooling2D(2.5), (4, 4, 1), InvalidTypeError, "pool_size must be a whole number, got 2.5"),
    (lambda: layers.AveragePooling2D(2, 2, "full"), (4, 4, 1), InvalidValueError, "'valid' or 'same', got 'full'"),
    (lambda: layers.GlobalMaxPooling2D(keepdims=1), (4, 4, 1), InvalidTypeError, "keepdims must be True or False"),
    (layers.MaxPooling2D, (4, 4), InvalidValueError, r"MaxPooling2D takes samples of shape \(height, width, chann"),
    (layers.GlobalAveragePooling1D, (4, 4, 2), InvalidValueError, r"GlobalAveragePooling1D .* \(steps, channels\)"),
    (lambda: layers.MaxPooling2D((2, 5)), (4, 4, 1), InvalidValueError,
     r"MaxPooling2D of pool_size \(2, 5\) takes samples of at least \(2, 5\) cells .*got shape \(4, 4, 1\)"),
    (lambda: layers.AveragePooling1D(6), (5, 2), InvalidValueError, r"at least \(6,\) cells .*got shape \(5, 2\)"),
])  # fmt: skip
def test_bad_settings_are_named(make, shape, error, message):
    with pytest.raises(error, match=message):
        make().build(PlanBuilder(shape), PlanBuilder(shape).inputs)
    assert issubclass(error, FastnnError)
