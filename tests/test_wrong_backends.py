"""The parity check goes red against wrong backends: every op an ulp off, every sum in another order.

A wrong backend is the reference with one function replaced; it is compared with the Numba backend just as
``test_parity.py`` compares the right one. A version that the check lets pass is a hole in the suite.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from networks import Network, Stack, assert_same_quantities, make_data, quantities

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numpy_backend import activation, convolution, dense, loss, penalty, recurrent, reduction, update
from fastnn.contract import combine_pairwise
from fastnn.optimizers import SGD, Optimizer
from fastnn.plan.gradients import GRADIENT_RULES

pytestmark = pytest.mark.needs_jit

# the package's attribute of that name is the executor's class
executor = importlib.import_module("fastnn.backends.numpy_backend.executor")

RELU = Network((9, 33, 5), ("relu", "sigmoid"), "binary_crossentropy", penalty=(0.01, 0.02), activity=(0.01, 0.02))
RELU_OUTPUT = Network((9, 33, 5), ("relu", "relu"), "mse")
SOFTMAX = Network((9, 33, 5), ("gelu", "softmax"), "categorical_crossentropy")
SOFTMAX_MSE = Network((9, 33, 5), ("tanh", "softmax"), "mse")
LABELS = Network((9, 33, 5), ("tanh", "softmax"), "sparse_categorical_crossentropy")
BRANCHES = Stack(
    lambda: [layers.Dense(7, "tanh"), layers.Residual([layers.Dense(7, "sigmoid")]), layers.Dense(3)], (9,)
)
NOISE = Stack(
    lambda: [layers.Dense(7, "tanh"), layers.Dropout(0.4), layers.Dense(5), layers.GaussianNoise(0.3), layers.Dense(3)],
    (9,),
)
MASKED = Stack(
    lambda: [
        layers.Dense(2, "relu"),
        layers.Add([[layers.Masking(), layers.Dense(2)], [layers.Dense(2, "relu"), layers.Masking()]]),
        layers.Dense(2),
    ],
    (4, 3),
)
MASKED_MEAN = Stack(
    lambda: [layers.Dense(2, "relu"), layers.Masking(), layers.Dense(2), layers.GlobalAveragePooling1D()], (4, 3)
)
POOLING = Stack(
    lambda: [
        layers.Dense(60),
        layers.Reshape((5, 6, 2)),
        layers.MaxPooling2D(3, 2),
        layers.AveragePooling2D(2, 1, "same"),
        layers.Flatten(),
        layers.Dense(3),
    ],
    (9,),
)
ROWS = Stack(
    lambda: [
        layers.Dense(12),
        layers.Reshape((2, 3, 2)),
        layers.UpSampling2D(),
        layers.ZeroPadding2D(),
        layers.Concatenate([[layers.Dense(3)], []]),
        layers.Flatten(),
        layers.Dense(3),
    ],
    (9,),
)
NORMALIZED = Stack(
    lambda: [layers.Dense(6, "tanh"), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3)], (4, 5)
)
TABLE = Stack(lambda: [layers.Embedding(3, 5, "glorot_uniform"), layers.Flatten(), layers.Dense(3)], (4,))
SLOPES = Stack(
    lambda: [layers.Dense(6), layers.PReLU("random_normal", shared_axes=1), layers.Flatten(), layers.Dense(3)], (4, 5)
)
LAYER_NORMALIZED = Stack(
    lambda: [layers.Dense(6, "tanh"), layers.LayerNormalization(), layers.Flatten(), layers.Dense(3)], (4, 5)
)
INFERENCE = Stack(lambda: [layers.BatchNormalization(scale=False, center=False), layers.Dense(3)], (9,), training=False)
CONVOLUTIONS = Stack(
    lambda: [
        layers.Conv2D(4, 3, padding="same", activation="tanh"),
        layers.Conv2DTranspose(3, 2, 2),
        layers.Conv2D(2, (3, 2), (2, 1)),
        layers.Flatten(),
        layers.Dense(2),
    ],
    (3, 4, 2),
)
RECURRENT = {
    cell.op.removesuffix("_forward"): Stack(
        lambda cell=cell: [cell(5, return_sequences=True), layers.Masking(), cell(3)], (4, 3)
    )
    for cell in (layers.SimpleRNN, layers.LSTM, layers.GRU)
}
STATEFUL = Stack(lambda: [layers.LSTM(3, stateful=True), layers.Dense(2)], (4, 3))
RUNS = ((5, 3), (70, 40), (2600, 2500))
"""Samples and batch; the last holds three blocks of the contract's 1024 samples."""

PLAIN = SGD(0.1, momentum=0.9)
BY_VALUE = SGD(0.1, momentum=0.9, clipvalue=1e-3)
BY_NORM = SGD(0.1, momentum=0.9, clipnorm=1e-2)
BY_GLOBAL_NORM = SGD(0.1, momentum=0.9, global_clipnorm=1e-2)


def differs(network: Network | Stack, optimizer: Optimizer, dtype: Any, samples: int, batch: int) -> bool:
    """Return whether the parity check tells the NumPy backend, as it is now, from the Numba backend."""
    plan = network.plan()
    data = make_data(plan, dtype, samples, weighted=True, order="permutation")
    results = [quantities(b, plan, dtype, data, batch, optimizer, 2) for b in (numpy_backend, numba_backend)]
    try:
        assert_same_quantities(*results, "parity")
    except AssertionError as difference:
        assert "differ" in str(difference)
        return True
    return False


def is_seen(network: Network | Stack, optimizer: Optimizer = PLAIN, dtypes: Any = (np.float32, np.float64)) -> bool:
    """Return whether one of a few runs differs."""
    return any(differs(network, optimizer, dtype, *run) for run in RUNS for dtype in dtypes)


def up(x: Any) -> Any:
    """Return the next floats above."""
    with np.errstate(all="ignore"):
        return np.nextafter(x, np.inf).astype(np.asarray(x).dtype)[()]


def first_up(x: Any) -> Any:
    """Return ``x`` with its greatest element, and no other, one ulp greater."""
    y = np.array(x)
    y.flat[y.argmax()] = up(y.flat[y.argmax()])
    return y[()]


def reversed_features(function: Callable[..., Any], *axes: int | None) -> Callable[..., Any]:
    """Return ``function`` seeing argument ``i`` with axis ``axes[i]`` reversed: the same terms, backwards."""

    def wrong(*arguments: Any) -> Any:
        flipped = [a if axis is None or a is None else np.flip(a, axis) for a, axis in zip(arguments, axes)]
        return function(*flipped, *arguments[len(axes) :])

    return wrong


def summed_backwards(term: Callable[..., Any], samples: int, shape: Any, dtype: Any, positions: int = 1) -> Any:
    return reduction_sum_samples(lambda p, j: term(p, samples - 1 - j), samples, shape, dtype, positions)


def in_order(term: Callable[..., Any], first: int, last: int, shape: Any, dtype: Any) -> Any:
    total = np.zeros(shape, dtype)
    for j in range(first, last):
        total = total + term(0, j)
    return total


def with_block(size: int) -> Callable[..., Any]:
    """Return the sum over samples with another block size."""

    def sum_samples(term: Callable[..., Any], samples: int, shape: Any, dtype: Any, positions: int = 1) -> Any:
        starts = range(0, samples, size)
        return combine_pairwise([in_order(term, at, min(at + size, samples), shape, dtype) for at in starts])

    return sum_samples


def blocks_in_order(term: Callable[..., Any], samples: int, shape: Any, dtype: Any, positions: int = 1) -> Any:
    """Sum over samples, the sums of blocks combined from the last on instead of pairwise."""
    sums = [in_order(term, at, min(at + 1024, samples), shape, dtype) for at in range(0, samples, 1024)]
    total = sums[-1]
    for s in reversed(sums[:-1]):
        total = s + total
    return total


def fused_multiply_add(W: Any, b: Any, A: Any, positions: int = 1) -> Any:
    """Return ``W A + b`` with each product unrounded before it is added: what an FMA does to float32."""
    Z = np.zeros((len(W), A.shape[1]), A.dtype)
    if b is not None:
        Z[...] = b[:, None]
    for k in range(len(A)):
        Z = (Z.astype(np.float64) + W[:, k, None].astype(np.float64) * A[k].astype(np.float64)).astype(A.dtype)
    return Z


def bias_last(W: Any, b: Any, A: Any, positions: int = 1) -> Any:
    return dense_forward(W, None, A) + b[:, None]


def channels_backwards(W: Any, b: Any, A: Any, geometry: Any) -> Any:
    flipped = np.flip(A.reshape(-1, geometry.channels, A.shape[1]), 1).reshape(A.shape)
    return convolution_forward(np.flip(W, 1), b, flipped, geometry)


def places_backwards(dZ: Any, A: Any, geometry: Any) -> Any:
    """Sum the gradient of a convolution's weights with the rows of the image, and of the kernel, upside down."""
    flipped = [np.flip(x.reshape(rows, -1, x.shape[1]), 0).reshape(x.shape)
               for x, rows in ((dZ, geometry.places[0]), (A, geometry.cells[0]))]  # fmt: skip
    used = (geometry.places[0] - 1) * geometry.strides[0] + geometry.size[0]
    after = used - geometry.before[0] - geometry.cells[0]
    turned = dataclasses.replace(geometry, before=(after, geometry.before[1]))
    return np.flip(convolution_backward_weights(*flipped, turned), 2)


def by_blas(W: Any, b: Any, A: Any, positions: int = 1) -> Any:
    return W @ A + b[:, None]


reduction_sum_samples, sum_features = reduction.sum_samples, activation.sum_features
dense_forward = dense.dense_forward
convolution_forward = convolution.convolution_forward
convolution_backward_weights = convolution.convolution_backward_weights

# Every op of the reference's table, an ulp up in all elements or in one, and the network that runs it.
OPS: dict[str, Network | Stack] = {
    "dense_forward": SOFTMAX,
    "dense_backward_input": SOFTMAX,
    "activation_forward": RELU,
    "activation_backward": SOFTMAX_MSE,
    "loss_value": RELU,
    "loss_gradient": RELU,
    "softmax_crossentropy_value": SOFTMAX,
    "softmax_crossentropy_gradient": SOFTMAX,
    "activity_penalty_value": RELU,
    "activity_penalty_gradient": RELU,
    "add": BRANCHES,
    "add_in_place": BRANCHES,
    "copy": BRANCHES,
    "carry_in": STATEFUL,
    "carry_out": STATEFUL,
    "convolution_forward": CONVOLUTIONS,
    "convolution_backward_input": CONVOLUTIONS,
    "transposed_convolution_forward": CONVOLUTIONS,
    "transposed_convolution_backward_input": CONVOLUTIONS,
    "dropout_forward": NOISE,
    "dropout_backward": NOISE,
    "gaussian_noise_forward": NOISE,
    "position_sums": NORMALIZED,
    "batch_sums": NORMALIZED,
    "squared_deviations": NORMALIZED,
    "batch_statistics": NORMALIZED,
    "batch_normalization_forward": NORMALIZED,
    "batch_normalization_inference": INFERENCE,
    "batch_normalization_products": NORMALIZED,
    "batch_normalization_backward_input": NORMALIZED,
    "layer_normalization_forward": LAYER_NORMALIZED,
    "embedding_forward": TABLE,
    "prelu_forward": SLOPES,
    "prelu_backward_input": SLOPES,
    "prelu_products": SLOPES,
    "layer_normalization_products": LAYER_NORMALIZED,
    "layer_normalization_backward_input": LAYER_NORMALIZED,
    "max_pooling_forward": POOLING,
    "max_pooling_backward": POOLING,
    "average_pooling_forward": POOLING,
    "average_pooling_backward": POOLING,
    "gather_rows": ROWS,
    "sum_rows": ROWS,
    "concatenate": ROWS,
    **{f"{name}_{way}": network for name, network in RECURRENT.items() for way in ("forward", "backward")},
    "sequence_mask": RECURRENT["gru"],
    "mask_gradient": RECURRENT["gru"],
    "mask_either": MASKED,
    "mask_weight": MASKED,
    "masked_mean_forward": MASKED_MEAN,
    "masked_mean_backward": MASKED_MEAN,
    "dropout_mask": Stack(lambda: [layers.GRU(5, recurrent_dropout=0.4)], (4, 3)),
    "multiply": Stack(lambda: [layers.Bidirectional(layers.GRU(4), "mul")], (4, 3)),
}

# Every function that the reference's executor calls outside the table: module global, its version an ulp off.
FUNCTIONS: dict[str, tuple[Network, Optimizer]] = {
    "dense_backward_weights": (SOFTMAX, PLAIN),
    "sum_row": (SOFTMAX, PLAIN),
    "mean_gradient": (SOFTMAX, PLAIN),
    "add_penalty_gradient": (RELU, PLAIN),
    "penalty_sum": (RELU, PLAIN),
    "clip_by_value": (SOFTMAX, BY_VALUE),
    "clip_by_norm": (SOFTMAX, BY_NORM),
    "optimizer_update": (SOFTMAX, PLAIN),
}

# Every op that sums gradients of weights, and a network that runs it.
GRADIENTS: dict[str, Network | Stack] = {
    "dense_backward_weights": SOFTMAX,
    "convolution_backward_weights": CONVOLUTIONS,
    "transposed_convolution_backward_weights": CONVOLUTIONS,
    "batch_sums_gradient": NORMALIZED,
    "sample_sums": LAYER_NORMALIZED,
    "embedding_backward_weights": TABLE,
}

# One sum in another order, or another rounding: (module, function, its wrong version, network, optimizer).
ORDERS: dict[str, tuple[Any, str, Any, Network, Optimizer]] = {
    "features backwards": (
        executor, "dense_forward", reversed_features(dense_forward, 1, None, 0), SOFTMAX, PLAIN
    ),
    "bias last": (executor, "dense_forward", bias_last, SOFTMAX, PLAIN),
    "fused multiply-add": (executor, "dense_forward", fused_multiply_add, SOFTMAX, PLAIN),
    "BLAS": (executor, "dense_forward", by_blas, SOFTMAX, PLAIN),
    "units backwards": (
        executor, "dense_backward_input", reversed_features(dense.dense_backward_input, 0, 0), SOFTMAX, PLAIN
    ),
    "samples backwards": (dense, "sum_samples", summed_backwards, SOFTMAX, PLAIN),
    "blocks of 512 samples": (dense, "sum_samples", with_block(512), SOFTMAX, PLAIN),
    "blocks of 2048 samples": (dense, "sum_samples", with_block(2048), SOFTMAX, PLAIN),
    "blocks from the last on": (dense, "sum_samples", blocks_in_order, SOFTMAX, PLAIN),
    "states backwards": (
        recurrent, "add_products", reversed_features(recurrent.add_products, None, 1, 0), RECURRENT["lstm"], PLAIN
    ),
    "gates backwards": (
        recurrent, "products_back", reversed_features(recurrent.products_back, 0, 0), RECURRENT["lstm"], PLAIN
    ),
    "steps of weights' gradients backwards": (
        dense, "sum_samples",
        lambda term, n, shape, dtype, steps=1: reduction_sum_samples(
            lambda p, j: term(steps - 1 - p, j), n, shape, dtype, steps
        ),
        RECURRENT["lstm"], PLAIN,
    ),
    "channels backwards": (convolution, "convolution_forward", channels_backwards, CONVOLUTIONS, PLAIN),
    "places backwards": (convolution, "convolution_backward_weights", places_backwards, CONVOLUTIONS, PLAIN),
    "samples not in groups": (
        convolution, "sum_sample_groups", lambda x: np.add.accumulate(x, -1)[..., -1], CONVOLUTIONS, PLAIN
    ),
    "losses backwards": (executor, "sum_row", reversed_features(reduction.sum_row, 0), SOFTMAX, PLAIN),
    "losses by np.sum": (executor, "sum_row", np.sum, SOFTMAX, PLAIN),
    "softmax backwards": (activation, "sum_features", reversed_features(sum_features, 0), SOFTMAX_MSE, PLAIN),
    "outputs of a loss backwards": (loss, "sum_features", reversed_features(sum_features, 0), RELU, PLAIN),
    "classes of a loss backwards": (loss, "sum_features", reversed_features(sum_features, 0), SOFTMAX, PLAIN),
    "activities backwards": (penalty, "sum_features", reversed_features(sum_features, 0), RELU, PLAIN),
    "penalties backwards": (update, "sum_vector", reversed_features(reduction.sum_vector, 0), RELU, PLAIN),
    "norm backwards": (update, "sum_vector", reversed_features(reduction.sum_vector, 0), SOFTMAX, BY_NORM),
    "global norm in plain order": (
        update, "sum_vector", lambda x: np.add.accumulate(x)[-1], SOFTMAX, BY_GLOBAL_NORM
    ),
    "norm by np.sum": (update, "sum_vector", np.sum, SOFTMAX, BY_NORM),
    "gradient times 1 / samples": (
        executor, "mean_gradient", lambda total, n: total * (1 / total.dtype.type(n)), SOFTMAX, PLAIN
    ),
}  # fmt: skip

# -0.0 for +0.0, another dtype on the way, other rows: what is no ulp and no sum.
SLIPS: dict[str, tuple[str, Any]] = {
    "negative zeros": ("activation_forward", lambda result: np.where(result == 0, -result, result)),
    "rounded through float16": (
        "activation_forward",
        lambda result: result.astype(np.float16).astype(result.dtype),
    ),
    "one NaN": ("activation_backward", lambda result: np.where(result == result.max(), np.nan, result)),
    "samples shifted": ("dense_forward", lambda result: np.roll(result, 1, axis=1)),
}


def wrong_op(monkeypatch: Any, kind: str, alter: Callable[[Any], Any]) -> None:
    right = executor._OPS[kind]

    def wrong(o: Any, s: Any) -> Any:
        found = right(o, s)
        first, *others = found if isinstance(found, tuple) else (found,)
        altered = alter(first).astype(first.dtype)
        return (altered, *others) if isinstance(found, tuple) else altered

    monkeypatch.setitem(executor._OPS, kind, wrong)


@pytest.mark.parametrize("network", [RELU, RELU_OUTPUT, SOFTMAX, SOFTMAX_MSE, LABELS])
@pytest.mark.parametrize("optimizer", [PLAIN, BY_VALUE, BY_NORM, BY_GLOBAL_NORM])
def test_the_right_backend_passes(network, optimizer):
    assert not is_seen(network, optimizer)


@pytest.mark.parametrize("kind", OPS)
@pytest.mark.parametrize("alter", [up, first_up], ids=["all an ulp up", "one element an ulp up"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_an_op_off_by_an_ulp_is_seen(monkeypatch, kind, alter, dtype):
    if alter is first_up and kind not in ("activation_forward", "dense_forward"):
        # the sum over samples may round one ulp of one of them away: raise a whole feature
        def alter(x):
            return np.concatenate([up(x[:1]), x[1:]])

    wrong_op(monkeypatch, kind, alter)
    assert is_seen(OPS[kind], PLAIN, (dtype,))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_off_by_an_ulp_is_seen(monkeypatch, name):
    right = getattr(executor, name)
    network, optimizer = FUNCTIONS[name]

    def wrong(*arguments):
        result = right(*arguments)
        if name == "optimizer_update":
            weights = arguments[1]
            weights[...] = first_up(weights)
        elif name == "dense_backward_weights":
            return first_up(result[0]), result[1]
        return None if result is None else up(result)

    monkeypatch.setattr(executor, name, wrong)
    assert is_seen(network, optimizer)


@pytest.mark.parametrize("kind", GRADIENTS)
def test_a_gradient_off_by_an_ulp_is_seen(monkeypatch, kind):
    right = executor._GRADIENTS[kind]
    for name in right_names(monkeypatch, kind):

        def wrong(o: Any, s: Any, name: str = name) -> Any:
            found = right(o, s)
            return {**found, name: first_up(found[name])}

        monkeypatch.setitem(executor._GRADIENTS, kind, wrong)
        assert is_seen(GRADIENTS[kind]), name


def right_names(monkeypatch: Any, kind: str) -> set[str]:
    """Return the parameters whose gradients an op sums, as a run of its network shows."""
    names: set[str] = set()
    right = executor._GRADIENTS[kind]

    def note(o: Any, s: Any) -> Any:
        names.update(found := right(o, s))
        return found

    with monkeypatch.context() as patch:
        patch.setitem(executor._GRADIENTS, kind, note)
        assert not is_seen(GRADIENTS[kind])
    assert names
    return names


@pytest.mark.parametrize("name", ORDERS)
def test_another_order_is_seen(monkeypatch, name):
    module, function, wrong, network, optimizer = ORDERS[name]
    monkeypatch.setattr(module, function, wrong)
    assert is_seen(network, optimizer)


@pytest.mark.parametrize("name", SLIPS)
def test_other_slips_are_seen(monkeypatch, name):
    kind, alter = SLIPS[name]
    wrong_op(monkeypatch, kind, alter)
    assert is_seen(RELU_OUTPUT)


def test_a_label_off_by_one_is_seen(monkeypatch):
    right = executor.NumpyExecutor._targets
    monkeypatch.setattr(executor.NumpyExecutor, "_targets", lambda *a: np.roll(right(*a), 1, axis=0))
    assert is_seen(LABELS)


def test_every_op_and_function_has_its_wrong_version():
    assert set(OPS) == set(executor._OPS), "an op of the reference without a wrong version"
    numba_kinds = importlib.import_module("fastnn.backends.numba_backend._recipes").LOWER
    assert set(OPS) == set(numba_kinds), "the backends have different ops"
    assert set(GRADIENT_RULES) - {"activity_penalty"} <= set(OPS)
    imported = {
        name
        for name, value in vars(executor).items()
        if callable(value) and getattr(value, "__module__", "").startswith("fastnn.backends.numpy_backend.")
        and not isinstance(value, type)
    }  # fmt: skip
    assert set(FUNCTIONS) <= imported <= {*OPS, *FUNCTIONS}, "a function of the reference without a wrong version"
    numba_gradients = importlib.import_module("fastnn.backends.numba_backend._recipes").LOWER_GRADIENTS
    assert set(GRADIENTS) == set(executor._GRADIENTS) == set(numba_gradients), "a gradient without a wrong version"


@pytest.mark.parametrize("kind", OPS)
def test_the_network_of_each_op_runs_it(monkeypatch, kind):
    def never(o, s):
        raise AssertionError(f"{kind} ran")

    monkeypatch.setitem(executor._OPS, kind, never)
    with pytest.raises(AssertionError, match="ran"):
        is_seen(OPS[kind])
