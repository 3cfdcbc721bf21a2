"""The backends' functions on arrays: the same names, documented once, and the same bits from both.

Values are checked against loops written out here; parity at awkward sizes (0 samples, blocks of 64 and of
1024, their neighbours) on awkward numbers (zeros of both signs, subnormals, infinities, NaN), in any memory
layout.
"""

from __future__ import annotations

import inspect
from typing import Any

import numba
import numpy as np
import pytest
from bits import assert_same_bits
from networks import awkward, laid_out

from fastnn import activations, losses, optimizers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numba_backend import elementwise
from fastnn.backends.protocol import Backend
from fastnn.contract import combine_pairwise
from fastnn.errors import InvalidTypeError
from fastnn.formulas import FORMULAS

pytestmark = pytest.mark.needs_jit

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
SAMPLES = pytest.mark.parametrize("samples", [0, 1, 2, 3, 17, 63, 64, 65, 130, 1025, 2050])
PROTOCOL = sorted(name for name in vars(Backend) if not name.startswith("_") or name == "random")
FUNCTIONS = [name for name in PROTOCOL if name != "executor"]


def both(name: str, *arguments: Any) -> Any:
    """Call a function of both backends, assert equal bits and unchanged arguments, return the result."""
    before = [np.array(a) if isinstance(a, np.ndarray) else None for a in arguments]
    results = [getattr(backend, name)(*arguments) for backend in (numpy_backend, numba_backend)]
    for a, b in zip(arguments, before, strict=True):
        if b is not None:
            assert_same_bits(b, np.asarray(a), f"an argument of {name}")
    parts = [r if isinstance(r, tuple) else (r,) for r in results]
    for n, (x, y) in enumerate(zip(*parts, strict=True)):
        assert_same_bits(x, y, f"{name}, result {n}")
    return results[0]


def test_both_backends_offer_the_protocol_and_nothing_else():
    offered = {name for name in vars(Backend) if not name.startswith("_")} | {"random"}
    for backend in (numpy_backend, numba_backend):
        assert set(backend.__all__) == offered
    for name in FUNCTIONS:
        a, b = getattr(numpy_backend, name), getattr(numba_backend, name)
        assert a is not b
        assert list(inspect.signature(a).parameters) == list(inspect.signature(b).parameters), name
        wanted = list(inspect.signature(getattr(Backend, name)).parameters)[1:]
        assert list(inspect.signature(a).parameters) == wanted, name


@DTYPES
@SAMPLES
def test_dense(samples, dtype):
    rng = np.random.default_rng(samples)
    for units, features in [(1, 1), (5, 7), (17, 33)]:
        W, b = awkward(rng, (units, features), dtype), awkward(rng, (units,), dtype)
        A, dZ = (rng.normal(size=(n, samples)).astype(dtype) for n in (features, units))
        both("dense_forward", W, b, A)
        both("dense_forward", W, None, A)
        both("dense_backward_input", W, dZ)
        both("dense_backward_weights", dZ, A)
        both("dense_backward_weights", awkward(rng, (units, samples), dtype), A)


@DTYPES
def test_dense_without_units_or_features(dtype):
    for units, features in [(0, 3), (3, 0), (0, 0)]:
        W, b, A, dZ = (np.ones(shape, dtype) for shape in [(units, features), units, (features, 70), (units, 70)])
        both("dense_forward", W, b, A)
        both("dense_backward_input", W, dZ)
        both("dense_backward_weights", dZ, A)


def test_dense_sums_in_the_contracts_order():
    rng = np.random.default_rng(0)
    W, b, A = rng.normal(size=(2, 3)), rng.normal(size=2), rng.normal(size=(3, 1030))
    dZ = rng.normal(size=(2, 1030))
    Z = both("dense_forward", W, b, A)
    dA = both("dense_backward_input", W, dZ)
    dW, db = both("dense_backward_weights", dZ, A)
    z, d = b[1], 0.0
    for k in range(3):
        z = z + W[1, k] * A[k, 1029]
    for i in range(2):
        d = d + W[i, 2] * dZ[i, 5]
    assert z == Z[1, 1029]
    assert d == dA[2, 5]
    blocks = [0.0, 0.0]
    biases = [0.0, 0.0]
    for j in range(1030):
        blocks[j // 1024] += dZ[1, j] * A[0, j]
        biases[j // 1024] += dZ[1, j]
    assert dW[1, 0] == combine_pairwise(blocks)
    assert db[1] == combine_pairwise(biases)


@DTYPES
@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed", "readonly", "broadcast"])
def test_any_memory_layout(layout, dtype):
    rng = np.random.default_rng(1)
    W, A, dZ = (laid_out(rng.normal(size=s).astype(dtype), layout, dtype) for s in [(5, 7), (7, 70), (5, 70)])
    Z = both("dense_forward", W, W[:, 0], A)
    both("dense_backward_input", W, dZ)
    both("dense_backward_weights", dZ, A)
    both("activation_backward", activations.get("tanh"), Z, np.tanh(Z), dZ)
    both("sigmoid", A)
    both("apply_formula", "pow", abs(A), A)
    both("sum_row", A[0])
    both("sum_vector", A[1])
    both("clip_by_norm", A[2], 0.5)
    assert both_ints("first_outside", W, -9.0, 9.0) == -1


def both_ints(name: str, *arguments: Any) -> int:
    a, b = (getattr(backend, name)(*arguments) for backend in (numpy_backend, numba_backend))
    assert a == b
    return int(a)


@DTYPES
@SAMPLES
@pytest.mark.parametrize("name", ["sigmoid", "leaky_relu", "softmax", "log_softmax"])
def test_activations(name, samples, dtype):
    rng = np.random.default_rng(samples)
    activation = activations.get(name)
    Z, dA = awkward(rng, (5, samples), dtype), rng.normal(size=(5, samples)).astype(dtype)
    A = both("activation_forward", activation, Z)
    both("activation_backward", activation, Z, A, dA)


@DTYPES
@SAMPLES
def test_losses(samples, dtype):
    rng = np.random.default_rng(samples)
    P, Y = rng.random((4, samples)).astype(dtype), rng.random((4, samples)).astype(dtype)
    Y[rng.random(Y.shape) < 0.3] = 0
    Z, weight = awkward(rng, P.shape, dtype), rng.random(samples).astype(dtype)
    for name in ("mean_squared_error", "huber", "crossentropy_cost"):
        loss = losses.get(name)
        both("loss_value", loss.value, loss.mean, loss.delta, Y, P, weight)
        both("loss_gradient", loss.derivative, loss.mean, loss.delta, False, Y, P, P, weight)
    fused = losses.get("binary_crossentropy").fused["sigmoid"]
    both("loss_value", fused[0], True, None, Y, Z, weight)
    both("loss_gradient", fused[1], True, None, True, Y, Z, P, weight)
    both("softmax_crossentropy_value", Y, Z, weight)
    both("softmax_crossentropy_gradient", Y, Z, weight)
    terms = both("activity_penalty_value", 0.1, 0.2, Z, weight, weight)
    assert terms.shape == (samples,)
    both("activity_penalty_gradient", 0.1, 0.2, Z, weight, P)


@DTYPES
@pytest.mark.parametrize("size", [0, 1, 63, 64, 65, 130, 4095, 4096, 4097])
def test_vectors(size, dtype):
    rng = np.random.default_rng(size)
    w, g = rng.normal(size=size).astype(dtype), rng.normal(size=size).astype(dtype)
    special = awkward(rng, (size,), dtype)
    for x in (g, special):
        both("sum_row", x)
        both("sum_vector", x)
        both("mean_gradient", x, 7)
        both("add_penalty_gradient", x, w, 0.1, 0.2)
        both("clip_by_value", x, 0.5)
    for most in (0.5, 1e9):
        both("clip_by_norm", g, most)
    assert both("penalty_sum", w, 0.1, 0.2) >= 0
    matrix = both("mean_gradient", g.reshape(1, -1), 3)
    assert matrix.shape == (1, size)


@DTYPES
@pytest.mark.parametrize("optimizer", [optimizers.SGD(0.1), optimizers.Adam(0.1), optimizers.Adam(0.1, amsgrad=True)])
@pytest.mark.parametrize("size", [1, 65, 5000])
def test_optimizer_update_works_in_place(size, optimizer, dtype):
    rng = np.random.default_rng(size)
    g = rng.normal(size=size).astype(dtype)
    start = [rng.random(size).astype(dtype) for _ in range(1 + len(optimizer.rule.slots))]
    scalars = optimizer.scalars([3], [0.1])[0].astype(dtype)
    states = [[x.copy() for x in start] for _ in range(2)]
    for backend, (w, *slots) in zip((numpy_backend, numba_backend), states, strict=True):
        backend.optimizer_update(optimizer.rule, w, g, tuple(slots), scalars)
    for a, b, old in zip(*states, start, strict=True):
        assert_same_bits(a, b)
        assert (a != old).any()


@DTYPES
@pytest.mark.parametrize("name", list(FORMULAS))
def test_formulas(name, dtype):
    rng = np.random.default_rng(0)
    for shape in [(), (0,), (1,), (17,), (3, 0, 2), (2, 3, 65), (elementwise.PARALLEL_FROM + 65,)]:
        arguments = [awkward(rng, shape, dtype) for _ in range(FORMULAS[name].arity)]
        result = both("apply_formula", name, *arguments)
        assert result.shape == shape
        assert result.dtype == dtype


def test_formulas_of_two_arrays_broadcast():
    x, y = np.linspace(0.1, 2, 5)[:, None], np.array([-1.0, 0.5, 2.0])
    assert both("apply_formula", "pow", x, y).shape == (5, 3)
    np.testing.assert_allclose(numba_backend.apply_formula("pow", x, y), x**y, rtol=1e-15)


def test_large_arrays_are_shared_out(monkeypatch):
    calls = []
    parallel = elementwise._run_parallel
    monkeypatch.setattr(elementwise, "_run_parallel", lambda *a: (calls.append(a[-1]), parallel(*a)))
    numba.set_num_threads(2)
    numba_backend.sigmoid(np.zeros(elementwise.PARALLEL_FROM))
    numba_backend.sigmoid(np.zeros(elementwise.PARALLEL_FROM - 1))
    assert calls == [2]


@DTYPES
def test_first_outside(dtype):
    x = np.linspace(0, 1, 300).reshape(3, 100).astype(dtype)
    assert both_ints("first_outside", x, 0.0, 1.0) == -1
    assert both_ints("first_outside", x[:0], 0.0, 1.0) == -1
    for bad in (np.nan, np.inf, -np.inf, -1e-9, 1.1):
        y = x.copy()
        y[1, 7] = y[2, 3] = bad
        assert both_ints("first_outside", y, 0.0, 1.0) == 107
        assert both_ints("first_outside", y.T, 0.0, 1.0) == 11


def test_other_dtypes_are_refused():
    with pytest.raises(InvalidTypeError, match="float16"):
        numba_backend.sigmoid(np.zeros(3, np.float16))
    with pytest.raises(InvalidTypeError, match="int64"):
        numba_backend.dense_forward(np.ones((2, 2)), None, np.ones((2, 2), np.int64))


@pytest.mark.needs_jit
@pytest.mark.parametrize("factors", [(0.0, 0.0), (1e-60, 0.0), (0.0, 1e-60), (-0.0, 0.0), (0.1, 0.2)])
def test_a_penalty_counts_by_its_factor_as_given(factors):
    g, w = np.array([-0.0, 1.0, 2.0], np.float32), np.array([3.0, 0.0, np.inf], np.float32)
    results = [backend.add_penalty_gradient(g, w, *factors) for backend in (numpy_backend, numba_backend)]
    assert_same_bits(*results)
    assert np.signbit(results[0][0]) == (factors in ((0.0, 0.0), (-0.0, 0.0)))
