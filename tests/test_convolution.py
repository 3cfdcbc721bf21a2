"""Convolutions: by hand, against PyTorch, by central differences, and the same bits from both backends."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from bits import assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Stack, assert_same_quantities, make_data, quantities, start, state_of
from test_parity import check, launches  # noqa: F401
from workspaces import BYTES, workspaces_full_of

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numba_backend._convolution_matches import matches
from fastnn.backends.numpy_backend.convolution import (
    convolution_backward_input,
    convolution_backward_weights,
    convolution_forward,
)
from fastnn.backends.numpy_backend.reduction import sum_sample_groups
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential
from fastnn.optimizers import SGD
from fastnn.plan.convolution import Convolution, out_cells, out_places
from fastnn.plan.data import Data

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
needs_jit = pytest.mark.needs_jit

STACKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "same": (lambda: [layers.Conv2D(5, 3, padding="same"), layers.Conv2D(6, (3, 2), activation="tanh")], (6, 7, 2)),
    "strides": (lambda: [layers.Conv2D(5, 3, 2, "same"), layers.Conv2D(3, (2, 3), (3, 1), use_bias=False)], (9, 10, 3)),
    "dilation": (lambda: [layers.Conv2D(4, 3, 1, "same", 2), layers.Conv2D(9, 2, dilation_rate=(3, 1))], (6, 5, 1)),
    "groups": (lambda: [layers.Conv2D(6, 3, padding="same"), layers.Conv2D(4, 2, groups=2)], (4, 5, 4)),
    "depthwise": (lambda: [layers.Conv2D(5, 1), layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)],
                  (5, 4, 2)),
    "transposed": (lambda: [layers.Conv2D(6, 1), layers.Conv2DTranspose(5, 3, 2, "same", activation="relu"),
                            layers.Conv2DTranspose(4, (2, 3), groups=1)], (3, 4, 3)),
    "transposed in groups": (lambda: [layers.Conv2DTranspose(6, 4, (2, 3), "valid", 1, groups=3),
                                      layers.Conv2DTranspose(1, 3, 1, "same", use_bias=False)], (2, 3, 3)),
    "sequence": (lambda: [layers.Conv1D(9, 3, padding="causal"), layers.Conv1D(5, 4, 2, "same"), layers.Conv1D(2, 2)],
                 (11, 3)),
    "kernel larger than the image": (lambda: [layers.Conv2D(3, 5, padding="same"), layers.Conv2D(2, (2, 1))],
                                     (2, 1, 2)),
    "penalized": (lambda: [layers.Conv2D(3, 2, activation="tanh", kernel_regularizer="l2", bias_regularizer="l2",
                                         activity_regularizer="l2")], (3, 3, 2)),
    "wide": (lambda: [layers.Conv2D(19, 3, padding="same"), layers.Conv2D(33, 2, 2)], (4, 4, 17)),
}  # fmt: skip


def plan_of(name: str, flat: bool = True) -> Any:
    stack, shape = STACKS[name]
    tail = [layers.Flatten(), layers.Dense(3)] if flat else []
    return Stack(lambda: [*stack(), *tail], shape).plan()


@needs_jit
@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_both_backends_give_the_same_bits(name, dtype):
    plan = plan_of(name)
    for samples, batch in ((1, 1), (3, 2), (17, 17), (63, 63), (64, 64), (130, 65)):
        data = make_data(plan, dtype, samples, samples, weighted=True, order="permutation")
        results = [quantities(b, plan, dtype, data, batch) for b in (numpy_backend, numba_backend)]
        assert np.isfinite(results[0]["gradients"]).all()
        assert_same_quantities(*results, f"{samples} samples, batch {batch}")


@needs_jit
@pytest.mark.parametrize("name", ["same", "depthwise", "transposed", "sequence"])
@DTYPES
def test_parity_on_two_threads(launches, name, dtype):  # noqa: F811
    plan = plan_of(name)
    for samples, batch in ((3, 2), (130, 100)):
        data = make_data(plan, dtype, samples, weighted=True, order="permutation", special=samples == 3)
        check(launches, plan, dtype, data, batch)


@needs_jit
@pytest.mark.parametrize("name", ["strides", "groups", "transposed in groups"])
def test_no_result_depends_on_what_a_workspace_held(name):
    plan = plan_of(name)
    data, results = make_data(plan, np.float32, 70), []
    for byte in BYTES:
        with workspaces_full_of(byte):
            results.append(quantities(numba_backend, plan, np.float32, data, 70))
    assert_same_quantities(*results, name)
    assert np.isfinite(results[1]["weights"]).all()


SMALL = st.integers(1, 3)


@st.composite
def convolutions(draw: Any) -> tuple[Any, tuple[int, ...]]:
    """Draw a convolution, plain or transposed, and the shape of the samples it takes."""
    groups = draw(SMALL)
    channels, filters = groups * draw(SMALL), groups * draw(SMALL)
    size, padding = (draw(st.integers(1, 4)), draw(SMALL)), draw(st.sampled_from(["valid", "same"]))
    strides, dilation = (draw(SMALL), draw(SMALL)), (1, 1)
    if draw(st.booleans()):
        strides, dilation = dilation, strides
    shape = (draw(st.integers(1, 6)), draw(st.integers(1, 6)), channels)
    settings = {"strides": strides, "padding": padding, "dilation_rate": dilation, "groups": groups,
                "use_bias": draw(st.booleans())}  # fmt: skip
    if draw(st.booleans()):
        return lambda: layers.Conv2DTranspose(filters, size, **settings), shape
    if padding == "valid":
        height, width = (max(n, (k - 1) * d + 1) for n, k, d in zip(shape, size, dilation, strict=False))
        shape = (height, width, channels)
    return lambda: layers.Conv2D(filters, size, **settings), shape


@needs_jit
@given(convolutions(), st.sampled_from([1, 2, 17, 65]), st.sampled_from([np.float32, np.float64]), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_drawn_convolutions_give_the_same_bits(drawn, samples, dtype, seed):
    layer, shape = drawn
    plan = Stack(lambda: [layers.Conv2D(shape[2], 1), layer()], shape).plan()
    data = make_data(plan, dtype, samples, seed)
    assert_same_quantities(
        *(quantities(b, plan, dtype, data, samples) for b in (numpy_backend, numba_backend)), "drawn"
    )


@needs_jit
@pytest.mark.parametrize("samples", [2500, 33])
def test_many_samples_and_awkward_numbers_give_the_same_bits(samples):
    layer = layers.Conv2D(3, 2, padding="same")
    for special in (False, True):
        plan = Stack(lambda: [layer, layers.Conv2DTranspose(2, 2, 2)], (2, 3, 1)).plan()
        data = make_data(plan, np.float32, samples, special=special)
        parameters = start(plan, np.float32, 1, special)
        results = [quantities(b, plan, np.float32, data, samples, parameters=parameters)
                   for b in (numpy_backend, numba_backend)]  # fmt: skip
        assert_same_quantities(*results, f"{samples} samples")


@needs_jit
def test_wide_layers_and_long_kernels_give_the_same_bits():
    """More weights than a panel holds, more taps in a row than a group, a kernel over the whole image, rows longer than
    a chunk."""
    cases = (
        (layers.Conv2D(70, 3, padding="same"), (2, 2, 30)),
        (layers.Conv2D(65, 5), (5, 6, 9)),
        (layers.Conv1D(3, 37), (40, 2)),
        (layers.Conv1D(2, 19, padding="same"), (20, 9)),
        (layers.Conv2D(7, (2, 6), padding="same"), (3, 130, 2)),
        (layers.Conv2D(3, (3, 1), (1, 2)), (4, 240, 6)),
    )
    for layer, shape in cases:
        plan = Stack(lambda layer=layer: [layer], shape).plan()
        data = make_data(plan, np.float32, 18)
        results = [quantities(b, plan, np.float32, data, 18) for b in (numpy_backend, numba_backend)]
        assert_same_quantities(*results, str(shape))


@needs_jit
def test_cells_too_many_to_be_packed_give_the_same_bits():
    """Chunks get smaller while they read too many cells to be packed; where a single place does, none are."""
    cases = (
        (layers.Conv2D(6, 2, dilation_rate=40, groups=2), (41, 42, 4), False, 1),
        (layers.Conv2D(2, 38, use_bias=False), (43, 38, 1), True, 2),
        (layers.Conv1D(2, 3, 20, "same"), (2000, 3), True, 2),
    )
    for layer, shape, packed, chunks in cases:
        plan = Stack(lambda layer=layer: [layer], shape).plan()
        found = matches(plan.forward[0].static["geometry"], 4)
        assert (found.packed, len(found.chunks)) == (packed, chunks)
        data = make_data(plan, np.float32, 18)
        results = [quantities(b, plan, np.float32, data, 18) for b in (numpy_backend, numba_backend)]
        assert_same_quantities(*results, str(shape))


def predicted(backend: Any, plan: Any, dtype: Any, parameters: Any, x: Any, batch: int) -> Any:
    out = np.full((len(x), plan.outputs.rows), np.nan, dtype)
    executor = backend.executor(plan, dtype, state_of(plan, dtype, SGD(), parameters))
    executor.run("predict", Data(x), batch, -(-len(x) // batch), out=out)
    return out


@needs_jit
@pytest.mark.parametrize("name", ["same", "transposed", "depthwise", "sequence"])
@DTYPES
def test_a_prediction_does_not_depend_on_the_batch(name, dtype):
    plan = plan_of(name, flat=False)
    x, parameters = make_data(plan, dtype, 70).x, start(plan, dtype)
    for backend in (numpy_backend, numba_backend):
        whole = predicted(backend, plan, dtype, parameters, x, 70)
        assert_same_bits(whole, predicted(backend, plan, dtype, parameters, x, 16))
        for i in (0, 16, 63, 69):
            assert_same_bits(whole[i : i + 1], predicted(backend, plan, dtype, parameters, x[i : i + 1], 1))


def test_a_convolution_by_hand():
    g = Convolution((1, 4), 1, (1, 4), 1, (1, 3), before=(0, 1))
    W, b = np.array([[[[1.0, 10.0, 100.0]]]]), np.array([0.5])
    A = np.array([[1.0], [2.0], [3.0], [4.0]])
    assert convolution_forward(W, b, A, g).ravel().tolist() == [210.5, 321.5, 432.5, 43.5]
    dZ = np.array([[1.0], [0.0], [0.0], [2.0]])
    assert convolution_backward_input(W, dZ, g).ravel().tolist() == [10.0, 100.0, 2.0, 20.0]
    assert convolution_backward_weights(dZ, A, g).ravel().tolist() == [6.0, 9.0, 2.0]


def test_a_transposed_convolution_by_hand():
    plan = Stack(lambda: [layers.Conv2DTranspose(1, (1, 3), (1, 2))], (1, 2, 1)).plan()
    assert plan.outputs.shape == (1, 5, 1)
    out = predicted(numpy_backend, plan, np.float64, np.array([1.0, 10.0, 100.0, 0.5]), np.array([[1.0, 2.0]]), 1)
    assert out.ravel().tolist() == [1.5, 10.5, 102.5, 20.5, 200.5]


def test_the_order_of_a_sum_is_channel_row_column():
    g = Convolution((2, 2), 2, (1, 1), 1, (2, 2))
    A = np.ones((8, 1), np.float32)
    for places in itertools.combinations(range(8), 3):
        for values, total in (((1, 2**24, -(2**24)), 0), ((2**24, -(2**24), 1), 1)):
            W = np.zeros(8, np.float32)
            W[list(places)] = values
            assert convolution_forward(W.reshape(1, 2, 2, 2), None, A, g) == total, "1 + 2^24 loses the 1"


def test_samples_are_summed_in_groups_of_sixteen():
    x = np.zeros(33, np.float32)
    x[0], x[15], x[16], x[32] = 2**24, 1, 1, 1
    assert sum_sample_groups(x) == 2**24  # 2^24 + 1 is lost in each step
    x[15], x[17] = 0, 1
    assert sum_sample_groups(x) == 2**24 + 4  # 1 + 1 in the second group, and the third group rounds up


@pytest.mark.parametrize("backend", [numpy_backend, pytest.param(numba_backend, marks=needs_jit)])
def test_what_is_not_there_is_not_multiplied(backend):
    """Infinite weights whose taps lie in the padding throughout change nothing, and get no gradient."""
    plan = Stack(lambda: [layers.Conv2D(1, 3, padding="same")], (1, 1, 1)).plan()
    parameters = np.full(10, np.inf, np.float32)
    parameters[4], parameters[9] = 2, 1
    x = np.full((3, 1), 5, np.float32)
    assert predicted(backend, plan, np.float32, parameters, x, 3).ravel().tolist() == [11, 11, 11]
    state = state_of(plan, np.float32, SGD(), parameters)
    backend.executor(plan, np.float32, state, SGD()).run("gradients", Data(x, np.zeros((3, 1), np.float32)), 3)
    assert_same_bits(state.gradients, np.array([0, 0, 0, 0, 110, 0, 0, 0, 0, 22], np.float32))


@pytest.mark.parametrize("name", STACKS)
def test_gradients_are_central_differences(name):
    plan = plan_of(name)
    data, parameters = make_data(plan, np.float64, 3), start(plan, np.float64, 2)
    state = state_of(plan, np.float64, SGD(), parameters)
    executor = numpy_backend.executor(plan, np.float64, state, SGD())
    executor.run("gradients", data, 3)
    rng = np.random.default_rng(0)
    for i in rng.permutation(plan.size)[:60]:
        ends = []
        for step in (1e-6, -1e-6):
            state.parameters[...] = parameters
            state.parameters[i] += step
            loss, penalty = executor.run("evaluate", data, 3)[0]
            ends.append(loss / 3 + penalty)
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(state.gradients[i], rel=2e-5, abs=1e-8), plan.parameters


def test_shapes_are_keras():
    for padding, cells, size, stride, dilation, expected in (
        ("valid", 10, 3, 2, 1, (4, 0)), ("same", 10, 3, 2, 1, (5, 0)), ("same", 9, 3, 2, 1, (5, 1)),
        ("same", 10, 4, 1, 1, (10, 1)), ("valid", 10, 3, 1, 4, (2, 0)), ("causal", 10, 3, 1, 2, (10, 4)),
        ("causal", 10, 3, 3, 1, (4, 2)), ("valid", 2, 3, 1, 1, (0, 0)), ("same", 2, 1, 4, 1, (1, 0)),
    ):  # fmt: skip
        assert out_places(cells, size, stride, dilation, padding) == expected
    for padding, places, size, stride, dilation, more, expected in (
        ("valid", 4, 3, 2, 1, None, (9, 0)), ("valid", 4, 2, 3, 1, None, (12, 0)), ("same", 4, 3, 2, 1, None, (8, 0)),
        ("same", 4, 4, 2, 1, None, (8, 1)), ("same", 4, 3, 1, 1, None, (4, 1)), ("same", 4, 3, 2, 1, 0, (7, 1)),
        ("same", 4, 3, 2, 1, 1, (8, 0)), ("valid", 4, 3, 2, 1, 1, (10, 0)), ("valid", 4, 3, 1, 2, None, (8, 0)),
    ):  # fmt: skip
        assert out_cells(places, size, stride, dilation, padding, more) == expected


def test_weights_have_keras_layout():
    stack = [layers.Conv2D(6, (2, 3), groups=2), layers.DepthwiseConv2D((3, 2), depth_multiplier=2),
             layers.Conv2DTranspose(4, (2, 1)), layers.Reshape((-1, 4)), layers.Conv1D(6, 7)]  # fmt: skip
    model = Sequential(stack, backend="numpy")
    model.build((6, 6, 4))
    arrays = model.get_weights()
    shapes = [(2, 3, 2, 6), (6,), (3, 2, 6, 2), (12,), (2, 1, 4, 12), (4,), (7, 4, 6), (6,)]
    assert [a.shape for a in arrays] == shapes
    views = {p.name: model.parameters[p.offset : p.offset + p.size].reshape(p.shape) for p in model._plan.parameters}
    assert [views[f"W{n}"].shape for n in (1, 2, 3, 4)] == [(6, 2, 2, 3), (12, 1, 3, 2), (12, 4, 2, 1), (6, 4, 7)]
    assert arrays[0][1, 2, 0, 3] == views["W1"][3, 0, 1, 2]
    assert arrays[2][1, 0, 4, 1] == views["W2"][9, 0, 1, 0]
    assert arrays[4][1, 0, 3, 7] == views["W3"][7, 3, 1, 0]
    assert arrays[6][5, 2, 1] == views["W4"][1, 2, 5]
    before = model.parameters.copy()
    model.set_weights([a * 2 for a in arrays])
    assert_same_bits(model.parameters, before * 2)
    with pytest.raises(InvalidValueError, match=r"W1 must have shape \(2, 3, 2, 6\), got \(6, 2, 2, 3\)"):
        model.set_weights([views["W1"], *arrays[1:]])


def test_fans_count_the_kernel():
    builder = Stack(lambda: [layers.Conv2D(6, (2, 3), groups=2)], (6, 6, 4)).plan()
    assert (builder.parameters[0].fan_in, builder.parameters[0].fan_out) == (2 * 3 * 2, 2 * 3 * 3)
    builder = Stack(lambda: [layers.Conv2DTranspose(5, (2, 3))], (6, 6, 4)).plan()
    assert (builder.parameters[0].fan_in, builder.parameters[0].fan_out) == (2 * 3 * 4, 2 * 3 * 5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Conv2D(0, 3), InvalidValueError, "filters must be at least 1, got 0"),
        (lambda: layers.Conv2D(2, 0), InvalidValueError, "kernel_size must be at least 1, got 0"),
        (lambda: layers.Conv2D(2, (3, 3, 3)), InvalidValueError, "kernel_size must hold 2 whole numbers"),
        (lambda: layers.Conv1D(2, (3, 3)), InvalidValueError, "kernel_size must hold 1 whole number, got"),
        (lambda: layers.Conv2D(2, 3, strides=0), InvalidValueError, "strides must be at least 1, got 0"),
        (lambda: layers.Conv2D(2, 3, 1.5), InvalidTypeError, "strides must be a whole number, got 1.5"),
        (lambda: layers.Conv2D(2, 3, padding="causal"), InvalidValueError, "'valid', 'same', got 'causal'"),
        (lambda: layers.Conv2D(2, 3, 2, dilation_rate=2), InvalidValueError, "strides > 1 or dilation_rate > 1"),
        (lambda: layers.Conv2D(3, 3, groups=2), InvalidValueError, r"Conv2D: filters \(3\) must be divisible by gro"),
        (lambda: layers.Conv2D(3, 3, use_bias=1), InvalidTypeError, "use_bias must be True or False, got 1"),
        (lambda: layers.Conv2D(3, 3, activation="rellu"), InvalidValueError, "did you mean 'relu'"),
        (lambda: layers.Conv2DTranspose(3, 3, output_padding=1), InvalidValueError, "less than strides"),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=0), InvalidValueError, "depth_multiplier must be at least"),
    ],
)
def test_wrong_settings(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.Conv2D(2, 3), (2, 5, 1), r"Conv2D of kernel_size \(3, 3\).* at least \(3, 3\) .*got shape \(2, 5, 1"),
        (layers.Conv2D(2, 3, dilation_rate=3), (6, 9, 1), r"at least \(7, 7\) cells .*got shape \(6, 9, 1\)"),
        (layers.Conv1D(2, 4), (3, 2), r"Conv1D of kernel_size \(4,\).* got shape \(3, 2\)"),
        (layers.Conv2D(2, 3), (9, 9), r"Conv2D takes samples of shape \(height, width, channels\), got \(9, 9\)"),
        (layers.Conv1D(2, 3), (9, 9, 1), r"Conv1D takes samples of shape \(steps, channels\), got \(9, 9, 1\)"),
        (layers.Conv2D(2, 1, groups=2), (4, 4, 3), r"channels of samples of shape \(4, 4, 3\) \(3\) must be divisible"),
        (layers.Conv2DTranspose(2, 3), (4, 4), r"Conv2DTranspose takes samples of shape"),
        (layers.Conv2DTranspose(2, 4, 1, "same", 0), (1, 2, 1), r"makes images of \(0, 1\) from .*\(1, 2, 1\)"),
        (layers.DepthwiseConv2D(3), (4, 2, 1), r"DepthwiseConv2D of kernel_size"),
    ],
)  # fmt: skip
def test_wrong_shapes(layer, shape, message):
    with pytest.raises(InvalidValueError, match=message):
        Sequential([layer], backend="numpy").build(shape)


TORCH: dict[str, tuple[Any, str, dict[str, Any], tuple[int, ...]]] = {
    "conv2d": (layers.Conv2D(4, (3, 2)), "conv2d", {}, (5, 6, 3)),
    "strides": (layers.Conv2D(4, 3, (2, 3)), "conv2d", {"stride": (2, 3)}, (7, 8, 3)),
    "same": (layers.Conv2D(4, 5, padding="same"), "conv2d", {"padding": 2}, (5, 6, 3)),
    "dilation": (layers.Conv2D(4, 3, dilation_rate=(2, 1)), "conv2d", {"dilation": (2, 1)}, (7, 6, 3)),
    "groups": (layers.Conv2D(6, 3, groups=3, padding="same"), "conv2d", {"groups": 3, "padding": 1}, (5, 6, 3)),
    "depthwise": (layers.DepthwiseConv2D(3, depth_multiplier=2), "conv2d", {"groups": 3}, (5, 6, 3)),
    "conv1d": (layers.Conv1D(4, 3, 2), "conv1d", {"stride": 2}, (9, 3)),
    "conv1d dilated in groups": (layers.Conv1D(6, 3, dilation_rate=2, groups=3), "conv1d",
                                 {"dilation": 2, "groups": 3}, (9, 3)),
    "transposed": (layers.Conv2DTranspose(4, 3, 2), "conv_transpose2d", {"stride": 2}, (3, 4, 3)),
    "transposed same": (layers.Conv2DTranspose(4, 3, 2, "same"), "conv_transpose2d", {"stride": 2}, (3, 4, 3)),
    "transposed cut": (layers.Conv2DTranspose(4, 3, 2, "same", 0), "conv_transpose2d", {"stride": 2, "padding": 1},
                       (3, 4, 3)),
    "transposed dilated in groups": (layers.Conv2DTranspose(6, 3, dilation_rate=2, groups=3), "conv_transpose2d",
                                     {"dilation": 2, "groups": 3}, (3, 4, 3)),
}  # fmt: skip
"""Layer, PyTorch's function, its settings, the shape of a sample."""


@pytest.mark.parametrize("name", TORCH)
@pytest.mark.parametrize("backend", [numpy_backend, pytest.param(numba_backend, marks=needs_jit)])
def test_outputs_and_gradients_are_pytorch_s(name, backend):
    torch = pytest.importorskip("torch")
    layer, function, options, shape = TORCH[name]
    channels = shape[-1]
    first = layers.Conv1D(channels, 1) if len(shape) == 2 else layers.Conv2D(channels, 1)
    plan = Stack(lambda: [first, layer], shape).plan()
    data, parameters = make_data(plan, np.float64, 5), start(plan, np.float64)
    state = state_of(plan, np.float64, SGD(), parameters)
    backend.executor(plan, np.float64, state, SGD()).run("gradients", data, 5)
    out = predicted(backend, plan, np.float64, parameters, data.x, 5)

    def channels_first(x: Any, of: tuple[int, ...]) -> Any:
        return torch.tensor(np.moveaxis(np.asarray(x).reshape(-1, *of), -1, 1).copy())

    weights = [torch.tensor(parameters[p.offset : p.offset + p.size].reshape(p.shape), requires_grad=True)
               for p in plan.parameters]  # fmt: skip
    one = torch.nn.functional.conv1d if len(shape) == 2 else torch.nn.functional.conv2d
    z = one(channels_first(data.x, shape), weights[0], weights[1])
    z = getattr(torch.nn.functional, function)(z, weights[2], weights[3], **options)
    z = z[(..., *(slice(n) for n in plan.outputs.shape[:-1]))]  # Keras cuts an odd cell off the end
    torch.nn.functional.mse_loss(z, channels_first(data.y, plan.outputs.shape)).backward()
    np.testing.assert_allclose(channels_first(out, plan.outputs.shape), z.detach(), rtol=1e-10, atol=1e-12)
    for p, w in zip(plan.parameters, weights, strict=True):
        gradient = state.gradients[p.offset : p.offset + p.size].reshape(p.shape)
        np.testing.assert_allclose(gradient, w.grad, rtol=1e-10, atol=1e-12)
