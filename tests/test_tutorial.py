"""The tutorial's functions: its own script with the imports replaced, gradients, bits, and every refusal.

``TUTORIAL`` is a network as the classic tutorials write it, in plain NumPy, its usual slips corrected. The
script below it is run twice, once with those functions and once with fastnn's.
"""

from __future__ import annotations

import copy
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from bits import assert_same_bits
from networks import laid_out

import fastnn
from fastnn import activations
from fastnn.errors import InvalidTypeError, InvalidValueError, UnknownNameError

TUTORIAL = """
import numpy as np

def initialize_parameters(n_x, n_h, n_y):
    W1 = np.random.randn(n_h, n_x) * 0.01
    b1 = np.zeros((n_h, 1))
    W2 = np.random.randn(n_y, n_h) * 0.01
    b2 = np.zeros((n_y, 1))
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}

def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))

def forward_propagation(X, parameters):
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = sigmoid(Z1)
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}

def compute_cost(A2, Y):
    m = Y.shape[1]
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / m

def backward_propagation(parameters, cache, X, Y):
    m = X.shape[1]
    dZ2 = cache["A2"] - Y
    dW2 = np.dot(dZ2, cache["A1"].T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = np.dot(parameters["W2"].T, dZ2) * cache["A1"] * (1 - cache["A1"])
    dW1 = np.dot(dZ1, X.T) / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}

def update_parameters(parameters, grads, learning_rate):
    return {k: parameters[k] - learning_rate * grads["d" + k] for k in parameters}
"""

SCRIPT = """
import numpy as np
rng = np.random.default_rng(5)
X = rng.normal(size=(3, 200))
Y = (X[:1] * X[1:2] > 0).astype(int)
parameters = initialize_parameters(3, 5, 1)
for name in sorted(parameters):
    parameters[name] = rng.normal(size=parameters[name].shape)
costs = []
for i in range(300):
    A2, cache = forward_propagation(X, parameters)
    costs.append(compute_cost(A2, Y))
    grads = backward_propagation(parameters, cache, X, Y)
    parameters = update_parameters(parameters, grads, learning_rate=1.2)
predictions = forward_propagation(X, parameters)[0] > 0.5
"""

IMPORTS = (
    "from fastnn import (initialize_parameters, sigmoid, forward_propagation, compute_cost,\n"
    "    backward_propagation, update_parameters)\n"
)

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])


def run(definitions: str) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    exec(definitions + SCRIPT, scope)
    return scope


@BACKENDS
def test_the_tutorials_script_with_its_imports_replaced(backend):
    theirs = run(TUTORIAL)
    with fastnn.use_backend(backend):
        ours = run(IMPORTS)
    assert ours["forward_propagation"] is fastnn.forward_propagation
    np.testing.assert_allclose(ours["costs"], theirs["costs"], rtol=1e-12, atol=0)
    for dictionary in ("parameters", "cache", "grads"):
        assert ours[dictionary].keys() == theirs[dictionary].keys()
        for name, expected in theirs[dictionary].items():
            got = ours[dictionary][name]
            assert got.shape == expected.shape
            assert got.dtype == np.float64
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
    assert theirs["costs"][-1] < 0.5 * theirs["costs"][0]
    assert (ours["predictions"] == theirs["predictions"]).all()


def problem(widths: tuple[int, ...], samples: int, dtype: Any, seed: int = 0) -> tuple[dict[str, Any], Any, Any]:
    """Return parameters, X and Y."""
    rng = np.random.default_rng(seed)
    parameters = {}
    for n, (d, m) in enumerate(pairwise(widths), start=1):
        parameters[f"W{n}"] = rng.normal(size=(m, d)).astype(dtype)
        parameters[f"b{n}"] = rng.normal(size=(m, 1)).astype(dtype)
    X = rng.normal(size=(widths[0], samples)).astype(dtype)
    return parameters, X, (rng.random((widths[-1], samples)) > 0.5).astype(dtype)


def one_round(parameters: Any, X: Any, Y: Any, **options: Any) -> dict[str, Any]:
    """Call every function once; return all results by name."""
    backend = options.get("backend")
    A, cache = fastnn.forward_propagation(X, parameters, **options)
    result = dict(cache)
    assert A is cache[f"A{len(cache) // 2}"]
    if np.asarray(X).shape[1]:
        result["cost"] = np.float64(fastnn.compute_cost(A, Y, backend=backend))
        grads = fastnn.backward_propagation(parameters, cache, X, Y, **options)
        result |= grads
        updated = fastnn.update_parameters(parameters, grads, 0.3, backend=backend)
        result |= {f"new {k}": v for k, v in updated.items()}
    return result


def assert_same_results(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert_same_bits(a[name], b[name], name)


@pytest.mark.needs_jit
@DTYPES
@pytest.mark.parametrize("samples", [0, 1, 2, 3, 17, 63, 64, 65, 130, 1025, 2050])
def test_parity_of_every_function(samples, dtype):
    parameters, X, Y = problem((3, 5, 2), samples, dtype)
    results = [one_round(parameters, X, Y, backend=b) for b in ("numpy", "numba")]
    assert_same_results(*results)
    assert results[0]["Z1"].dtype == dtype


@pytest.mark.needs_jit
@pytest.mark.parametrize("widths", [(1, 1), (7, 3), (2, 4, 1), (5, 17, 33, 4, 3)])
@pytest.mark.parametrize("hidden", ["sigmoid", "tanh", "relu", "linear", "leaky_relu", "softmax"])
def test_parity_at_any_depth_and_activation(widths, hidden):
    parameters, X, Y = problem(widths, 70, np.float64)
    output = "softmax" if hidden == "tanh" and widths[-1] > 1 else "sigmoid"
    options = {"activation": hidden, "output_activation": output}
    results = [one_round(parameters, X, Y, backend=b, **options) for b in ("numpy", "numba")]
    assert_same_results(*results)
    trained = [fastnn.gradient_descent(X, Y, parameters, 0.1, 3, backend=b, **options) for b in ("numpy", "numba")]
    assert_same_results(*(t[0] for t in trained))
    assert_same_bits(trained[0][1], trained[1][1], "costs")


@pytest.mark.needs_jit
def test_parity_on_two_threads():
    import numba

    numba.set_num_threads(2)
    parameters, X, Y = problem((40, 128, 16, 3), 3000, np.float32)
    assert_same_results(*(one_round(parameters, X, Y, backend=b) for b in ("numpy", "numba")))


@BACKENDS
@DTYPES
@pytest.mark.parametrize("samples", [4, 1030])
def test_gradient_descent_is_the_loop_of_the_functions(samples, dtype, backend):
    start, X, Y = problem((2, 4, 1), samples, dtype, seed=samples)
    iterations = 40 if backend == "numba" else 5
    trained, costs = fastnn.gradient_descent(X, Y, start, 0.7, iterations, backend=backend)
    parameters, expected = start, []
    for _ in range(iterations):
        A, cache = fastnn.forward_propagation(X, parameters, backend=backend)
        expected.append(fastnn.compute_cost(A, Y, backend=backend))
        grads = fastnn.backward_propagation(parameters, cache, X, Y, backend=backend)
        parameters = fastnn.update_parameters(parameters, grads, 0.7, backend=backend)
    assert_same_results(parameters, trained)
    assert_same_bits(np.array(expected), costs, "costs")
    assert costs[-1] < costs[0]


@BACKENDS
@pytest.mark.parametrize("hidden", ["sigmoid", "tanh", "softplus", "softmax"])
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
def test_gradients_against_central_differences(output, hidden, backend):
    parameters, X, _ = problem((3, 4, 3, 2), 6, np.float64, seed=4)
    Y = np.random.default_rng(1).random((2, 6))
    options = {"activation": hidden, "output_activation": output, "backend": backend}
    cache = fastnn.forward_propagation(X, parameters, **options)[1]
    grads = fastnn.backward_propagation(parameters, cache, X, Y, **options)
    h = 1e-5
    for name, values in parameters.items():
        for at in np.ndindex(values.shape):
            cost = []
            for step in (h, -h):
                moved = copy.deepcopy(parameters)
                moved[name][at] += step
                A = fastnn.forward_propagation(X, moved, **options)[0]
                cost.append(fastnn.compute_cost(A, Y, backend=backend))
            numeric = (cost[0] - cost[1]) / (2 * h)
            assert abs(grads[f"d{name}"][at] - numeric) < 1e-8 * max(1.0, abs(numeric))


@BACKENDS
def test_inputs_of_any_kind_give_the_bits_of_plain_arrays(backend):
    parameters, X, Y = problem((3, 5, 2), 9, np.float64)
    X = np.round(X * 8)
    expected = one_round(parameters, X, Y, backend=backend)
    variants = [
        (parameters, X.tolist(), Y.astype(bool).tolist()),
        (parameters, X.astype(np.int8), Y.astype(bool)),
        (parameters, X.astype(">f8"), Y.astype(np.uint64)),
        ({k: v.tolist() for k, v in parameters.items()}, X, Y),
        ({k: v[:, 0] if k[0] == "b" else v for k, v in parameters.items()}, X, Y),
        (parameters, X.astype(np.float16), Y.astype(np.float32)),
        (dict(reversed(parameters.items())), X, Y),
    ]
    for layout in ("fortran", "strided", "reversed", "readonly"):
        moved = {k: laid_out(v, layout, np.float64) for k, v in parameters.items()}
        variants.append((moved, laid_out(X, layout, np.float64), laid_out(Y, layout, np.float64)))
    for p, x, y in variants:
        result = one_round(p, x, y, backend=backend)
        for name, value in expected.items():
            assert_same_bits(value.reshape(result[name].shape), result[name], name)
        assert fastnn.gradient_descent(x, y, p, 0.1, 2, backend=backend)[1].shape == (2,)


@BACKENDS
def test_precision_follows_the_floats(backend):
    parameters, X, Y = problem((2, 3, 1), 5, np.float32)
    halves = {k: v.astype(np.float16) for k, v in parameters.items()}

    def kind(p: Any, x: Any) -> Any:
        return fastnn.forward_propagation(x, p, backend=backend)[0].dtype

    assert kind(parameters, X) == np.float32
    assert kind(halves, X.astype(np.float16)) == np.float32
    assert kind(parameters, X.astype(int)) == np.float32
    assert kind(parameters, X.astype(np.float64)) == np.float64
    assert kind(parameters, X.tolist()) == np.float64
    assert kind({k: v.astype(int) for k, v in parameters.items()}, X.astype(int)) == np.float64
    trained = fastnn.gradient_descent(X, Y.astype(int), parameters, 0.1, 1, backend=backend)[0]
    assert trained["W1"].dtype == np.float32


@BACKENDS
def test_nothing_passed_is_changed_and_nothing_returned_is_shared(backend):
    parameters, X, Y = problem((2, 3, 1), 5, np.float64)
    kept = copy.deepcopy((parameters, X, Y))
    first = one_round(parameters, X, Y, backend=backend)
    kept_first = copy.deepcopy(first)
    trained, _ = fastnn.gradient_descent(X, Y, parameters, 0.5, 3, backend=backend)
    assert trained.keys() == parameters.keys()
    other, X2, Y2 = problem((2, 3, 1), 5, np.float64, seed=9)
    one_round(other, X2, Y2, backend=backend)
    assert_same_results(first, kept_first)
    assert_same_results(parameters, kept[0])
    assert_same_bits(X, kept[1])
    assert_same_bits(Y, kept[2])
    for value in first.values():
        if isinstance(value, np.ndarray):
            value += 1
    assert_same_results(one_round(parameters, X, Y, backend=backend), kept_first)


@pytest.mark.needs_jit
def test_threads_do_not_share_workspaces():
    problems = [problem((4, 9, 2), 65, np.float64, seed=s) for s in range(4)]
    expected = [one_round(*p, backend="numpy") for p in problems]
    failures: list[BaseException] = []

    def work(mine: int) -> None:
        try:
            for _ in range(30):
                assert_same_results(expected[mine], one_round(*problems[mine], backend="numba"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.needs_jit
def test_more_networks_than_are_kept():
    from fastnn.backends.numba_backend import network

    for n in range(1, network.KEPT_PROGRAMS + 5):
        parameters, X, _ = problem((2, n, 1), 3, np.float64)
        assert_same_bits(
            fastnn.forward_propagation(X, parameters, backend="numpy")[0],
            fastnn.forward_propagation(X, parameters, backend="numba")[0],
        )
    assert len(network._kept.programs) == network.KEPT_PROGRAMS


@BACKENDS
def test_cost_by_hand(backend):
    def cost(a: Any, y: Any) -> float:
        return fastnn.compute_cost(np.array(a, float), np.array(y, float), backend=backend)

    assert cost([[0.5, 0.5]], [[1, 0]]) == pytest.approx(np.log(2), rel=1e-15)
    assert cost([[0.25], [0.5]], [[1], [0]]) == pytest.approx(np.log(4) + np.log(2), rel=1e-15)
    assert cost([[0.0, 1.0]], [[0, 1]]) == 0.0
    assert cost([[0.0]], [[1]]) == np.inf
    assert cost([[1.0]], [[0.5]]) == np.inf
    assert isinstance(cost([[0.5]], [[1]]), float)


@BACKENDS
def test_sigmoid(backend):
    assert fastnn.sigmoid(0, backend=backend) == 0.5
    assert isinstance(fastnn.sigmoid(0.0, backend=backend), np.float64)
    assert fastnn.sigmoid([[1000, -1000]], backend=backend).tolist() == [[1.0, 0.0]]
    assert fastnn.sigmoid(np.zeros((2, 0, 3), np.float32), backend=backend).shape == (2, 0, 3)
    assert fastnn.sigmoid(np.zeros(3, np.float16), backend=backend).dtype == np.float32
    Z = np.linspace(-40, 40, 1001)
    np.testing.assert_allclose(fastnn.sigmoid(Z, backend=backend), 1 / (1 + np.exp(-Z)), rtol=1e-15)


@BACKENDS
def test_initial_parameters(backend):
    parameters = fastnn.initialize_parameters(3, [50, 20], 2, seed=7, backend=backend)
    assert {k: v.shape for k, v in parameters.items()} == {
        "W1": (50, 3), "b1": (50, 1), "W2": (20, 50), "b2": (20, 1), "W3": (2, 20), "b3": (2, 1),
    }  # fmt: skip
    assert not any(parameters[f"b{n}"].any() for n in (1, 2, 3))
    assert 0.009 < parameters["W2"].std() < 0.011
    assert_same_results(parameters, fastnn.initialize_parameters(3, (50, 20), 2, seed=7, backend="numpy"))
    assert (parameters["W1"] != fastnn.initialize_parameters(3, [50, 20], 2, seed=8, backend=backend)["W1"]).any()
    scaled = fastnn.initialize_parameters(3, 4, 1, scale=1.0, dtype="float32", backend=backend)
    assert scaled["W1"].dtype == np.float32
    assert scaled["W1"].std() > 0.3
    glorot = fastnn.initialize_parameters(3, 4, 1, initializer="glorot_uniform", backend=backend)
    assert abs(glorot["W1"]).max() > 0.1
    assert set(fastnn.initialize_parameters(3, (), 1, backend=backend)) == {"W1", "b1"}


GOOD = problem((2, 3, 1), 4, np.float64)


def altered(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in {**GOOD[0], **changes}.items() if v is not None}


PARAMETERS = [
    (altered(b2=None), InvalidValueError, "parameters lacks b2; wanted are the keys W1, b1, W2, b2"),
    (altered(W1=None), InvalidValueError, "lacks W1"),
    (altered(w3=np.ones(1)), InvalidValueError, "unknown w3"),
    ({}, InvalidValueError, "lacks W1, b1"),
    ([1], InvalidTypeError, "must be a dictionary, got list"),
    (altered(W2=np.ones((1, 4))), InvalidValueError, r"W2 must have shape \(units, 3\), got \(1, 4\)"),
    (altered(W1=np.ones(3)), InvalidValueError, r"W1 must have shape \(units, features\), got \(3,\)"),
    (altered(b1=np.ones((1, 3))), InvalidValueError, r"b1 must have shape \(3, 1\), got \(1, 3\)"),
    (altered(W1=np.ones((3, 0))), InvalidValueError, "at least one unit"),
    (altered(W1="abc"), InvalidTypeError, "W1 must"),
    (altered(W1=np.ones((3, 2), complex)), InvalidTypeError, "complex"),
]

DATA = [
    ({"X": np.ones((3, 4))}, InvalidValueError, r"X must have shape \(2, samples\), got \(3, 4\)"),
    ({"X": np.ones((4, 2))}, InvalidValueError, "X.T"),
    ({"X": np.ones(2)}, InvalidValueError, r"one sample X\[:, None\]"),
    ({"X": [["a", "b"]]}, InvalidTypeError, "X must hold real numbers"),
    ({"X": [[1, 2], [3]]}, InvalidTypeError, "X must be an array of numbers"),
    (
        {"X": [[0, 1, np.nan, 0], [0, 0, 0, 0]]},
        InvalidValueError,
        "X holds nan at row 0, column 2.*allow_nonfinite",
    ),
    ({"X": [[0, 1, 1, 0], [0, 0, 0, -np.inf]]}, InvalidValueError, "X holds -inf at row 1, column 3"),
    ({"activation": "sigmod"}, UnknownNameError, "did you mean 'sigmoid'"),
    ({"output_activation": 3}, InvalidTypeError, "an activation is a name"),
    ({"backend": "numbas"}, UnknownNameError, "did you mean 'numba'"),
    ({"backend": 3}, InvalidTypeError, "backend"),
]

TARGETS = [
    ({"X": np.ones((2, 0)), "Y": np.ones((1, 0))}, InvalidValueError, "X holds no samples"),
    ({"Y": np.ones((1, 5))}, InvalidValueError, r"Y must have shape \(1, 4\), got \(1, 5\)"),
    ({"Y": np.ones(4)}, InvalidValueError, r"one row of samples is Y\[None, :\]"),
    ({"Y": [[0, 1, 2, 1]]}, InvalidValueError, r"Y must be in \[0, 1\], got 2 at row 0, column 2"),
    ({"Y": [[0, 1, np.nan, 1]]}, InvalidValueError, r"Y must be in \[0, 1\], got nan at row 0, column 2"),
    ({"output_activation": "tanh"}, InvalidValueError, "the cost takes outputs in"),
]


def call(function: str, **changes: Any) -> Any:
    """Call one function on good arguments, some changed."""
    parameters, X, Y = GOOD
    cache = fastnn.forward_propagation(X, parameters, backend="numpy")[1]
    given = {"parameters": parameters, "X": X, "Y": Y, "cache": cache, "learning_rate": 0.1, "iterations": 2,
             "backend": "numpy", **changes}  # fmt: skip
    given["grads"] = changes.get("grads", {f"d{k}": np.zeros_like(v) for k, v in parameters.items()})
    wanted = {
        "forward_propagation": ("X", "parameters"),
        "backward_propagation": ("parameters", "cache", "X", "Y"),
        "update_parameters": ("parameters", "grads", "learning_rate"),
        "gradient_descent": ("X", "Y", "parameters", "learning_rate", "iterations"),
    }[function]
    options = {k: given[k] for k in ("activation", "output_activation", "allow_nonfinite") if k in changes}
    return getattr(fastnn, function)(*(given[name] for name in wanted), backend=given["backend"], **options)


@BACKENDS
@pytest.mark.parametrize("wrong, error, message", PARAMETERS)
@pytest.mark.parametrize(
    "function", ["forward_propagation", "backward_propagation", "update_parameters", "gradient_descent"]
)
def test_wrong_parameters(function, wrong, error, message, backend):
    with pytest.raises(error, match=message):
        call(function, parameters=wrong, backend=backend)


@BACKENDS
@pytest.mark.parametrize("function", ["forward_propagation", "backward_propagation", "gradient_descent"])
@pytest.mark.parametrize("wrong, error, message", DATA)
def test_wrong_data(function, wrong, error, message, backend):
    with pytest.raises(error, match=message):
        call(function, **{"backend": backend, **wrong})


@BACKENDS
@pytest.mark.parametrize("function", ["backward_propagation", "gradient_descent"])
@pytest.mark.parametrize("wrong, error, message", TARGETS)
def test_wrong_targets(function, wrong, error, message, backend):
    with pytest.raises(error, match=message):
        call(function, **{"backend": backend, **wrong})


def test_other_wrong_arguments():
    for rate in (-0.1, np.nan, np.inf):
        for function in ("update_parameters", "gradient_descent"):
            with pytest.raises(InvalidValueError, match="learning_rate"):
                call(function, learning_rate=rate)
    with pytest.raises(InvalidTypeError, match="learning_rate"):
        call("gradient_descent", learning_rate="fast")
    with pytest.raises(InvalidValueError, match="iterations"):
        call("gradient_descent", iterations=-1)
    with pytest.raises(InvalidTypeError, match="iterations"):
        call("gradient_descent", iterations=1.5)
    grads = {f"d{k}": v for k, v in GOOD[0].items()}
    with pytest.raises(InvalidValueError, match="grads lacks db1"):
        call("update_parameters", grads={k: v for k, v in grads.items() if k != "db1"})
    with pytest.raises(InvalidValueError, match="grads must have the shapes of parameters"):
        call("update_parameters", grads=grads | {"dW1": np.ones((3, 5))})
    cache = fastnn.forward_propagation(GOOD[1], GOOD[0], backend="numpy")[1]
    with pytest.raises(InvalidValueError, match="cache lacks Z2"):
        call("backward_propagation", cache={k: v for k, v in cache.items() if k != "Z2"})
    with pytest.raises(InvalidValueError, match=r"Z1 must have shape \(3, 4\)"):
        call("backward_propagation", cache=cache | {"Z1": np.ones((3, 5))})
    with pytest.raises(InvalidValueError, match="cache holds 1 layers"):
        call("backward_propagation", cache={k: cache[k] for k in ("Z1", "A1")})
    for A, message in [
        ([[1.5]], r"A2 must be in \[0, 1\], got 1.5"),
        ([0.5], "A2 must have shape"),
        ([[]], "no samples"),
    ]:
        with pytest.raises(InvalidValueError, match=message):
            fastnn.compute_cost(A, np.ones_like(A), backend="numpy")
    with pytest.raises(InvalidTypeError):
        fastnn.sigmoid("Z")
    for sizes in [(0, 3, 1), (2, 0, 1), (2, [3, 0], 1), (2, 3, -1)]:
        with pytest.raises(InvalidValueError, match="at least 1"):
            fastnn.initialize_parameters(*sizes)
    with pytest.raises(InvalidTypeError, match="hidden_size"):
        fastnn.initialize_parameters(2, "34", 1)
    with pytest.raises(InvalidTypeError, match="whole number"):
        fastnn.initialize_parameters(2.5, 3, 1)
    with pytest.raises(InvalidValueError, match="scale"):
        fastnn.initialize_parameters(2, 3, 1, initializer="zeros", scale=1.0)


@BACKENDS
def test_nonfinite_data_can_be_allowed(backend):
    X = GOOD[1].copy()
    X[1, 2] = np.nan
    A, _ = call("forward_propagation", X=X, allow_nonfinite=True, backend=backend)
    assert np.isnan(A[0]).tolist() == [False, False, True, False]
    assert np.isnan(call("backward_propagation", X=X, allow_nonfinite=True, backend=backend)["dW1"]).any()
    assert np.isnan(call("gradient_descent", X=X, allow_nonfinite=True, backend=backend)[1]).any()
    assert np.isnan(fastnn.compute_cost(A, GOOD[2], allow_nonfinite=True, backend=backend))
    huge = {**GOOD[0], "W1": np.full((3, 2), 1e308)}
    assert np.isfinite(fastnn.forward_propagation(np.full((2, 3), 1e300), huge, backend=backend)[0]).all()


@BACKENDS
def test_a_remembered_call_does_not_hide_a_wrong_one(backend):
    parameters, X, _ = GOOD
    fastnn.forward_propagation(X, parameters, backend=backend)
    with pytest.raises(InvalidValueError, match="unknown note"):
        fastnn.forward_propagation(X, {**parameters, "note": parameters["b2"]}, backend=backend)
    with pytest.raises(InvalidValueError, match="X holds inf"):
        fastnn.forward_propagation(np.full_like(X, np.inf), parameters, backend=backend)
    single = fastnn.forward_propagation(X.astype(np.float32), parameters, backend=backend)[0]
    assert single.dtype == np.float64


@BACKENDS
def test_own_activation(backend):
    own = activations.get("leaky_relu").with_alpha(0.5)
    A, cache = fastnn.forward_propagation(GOOD[1], GOOD[0], activation=own, backend=backend)
    assert (cache["A1"] == np.where(cache["Z1"] > 0, cache["Z1"], 0.5 * cache["Z1"])).all()
    assert A.shape == (1, 4)


@BACKENDS
def test_gradient_descent_returns_to_python_often(backend, monkeypatch):
    """On a clock that only steps move, a millisecond each: no piece may last longer than 50 ms."""
    executor = fastnn.get_backend(backend).executor
    now, pieces = [0.0], []
    run = executor.run

    def timed(self: Any, program: str, data: Any, batch: int, steps: int, *rest: Any) -> Any:
        pieces.append(steps)
        now[0] += steps * 1e-3
        return run(self, program, data, batch, steps, *rest)

    monkeypatch.setattr(executor, "run", timed)
    monkeypatch.setattr("fastnn.tutorial.descent.time.perf_counter", lambda: now[0])
    parameters, X, Y = problem((2, 4, 1), 4, np.float64)
    fastnn.gradient_descent(X, Y, parameters, 0.1, 500, backend=backend)
    assert sum(pieces) == 500
    assert 30 <= max(pieces) <= 50


def test_public_names_are_lazy():
    code = (
        "import sys, fastnn; assert not {'numba', 'fastnn.tutorial', 'fastnn.models'} & set(sys.modules);"
        "fastnn.sigmoid, fastnn.Sequential, fastnn.losses; assert 'numba' not in sys.modules;"
        "assert isinstance(fastnn.__version__, str); assert set(fastnn.__all__) <= set(dir(fastnn))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in fastnn.__all__:
        assert getattr(fastnn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Sequentiall'"):
        fastnn.Sequentiall  # noqa: B018


# --- calls made again and again, which have ways of their own ------------------------------------------------


def _again(kind="float64", hidden=4, samples=4):
    rng = np.random.default_rng(0)
    parameters = fastnn.initialize_parameters(2, hidden, 1, seed=3, dtype=kind, scale=1.0)
    return rng.standard_normal((2, samples)).astype(kind), parameters


@pytest.mark.needs_jit
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_the_same_forward_call_again_and_again(kind):
    for hidden, samples in ((4, 4), (3, 4), (4, 1), ([5, 3], 70)):
        X, parameters = _again(kind, hidden, samples)
        wanted, stored = fastnn.forward_propagation(X, parameters, backend="numpy")
        for number in range(12):
            A, cache = fastnn.forward_propagation(X, parameters, backend="numba")
            assert_same_bits(A, wanted, f"call {number}")
            assert list(cache) == list(stored)
            for name in stored:
                assert_same_bits(cache[name], stored[name], f"{name}, call {number}")
        A[...] = 7  # each call gives arrays of its own
        assert_same_bits(fastnn.forward_propagation(X, parameters, backend="numba")[0], wanted)


@pytest.mark.needs_jit
def test_other_arrays_after_the_same_call_again_and_again():
    X, parameters = _again()
    for _ in range(12):
        fastnn.forward_propagation(X, parameters, backend="numba")
    read_only = X.copy()
    read_only.flags.writeable = False
    changed = {**parameters, "W1": parameters["W1"] + 1}
    flat = {**parameters, "b1": parameters["b1"][:, 0]}
    single = {name: array.astype("float32") for name, array in parameters.items()}
    for x, given in ((X, changed), (read_only, parameters), (np.asfortranarray(X), parameters), (X, flat),
                     (X.astype("float32"), single), (X.astype("float32"), parameters), (X.tolist(), parameters),
                     (np.repeat(X, 2, axis=1)[:, ::2], parameters)):  # fmt: skip
        A, cache = fastnn.forward_propagation(x, given, backend="numba")
        wanted, stored = fastnn.forward_propagation(x, given, backend="numpy")
        assert_same_bits(A, wanted)
        assert_same_bits(cache["Z1"], stored["Z1"])
    for wrong in ({**parameters, "b1": np.zeros((5, 1))}, {**parameters, "W2": np.zeros((1, 5))},
                  {**parameters, "W3": np.zeros((1, 1))}, {**parameters, "b2": np.zeros((2, 1))}):  # fmt: skip
        with pytest.raises(InvalidValueError):
            fastnn.forward_propagation(X, wrong, backend="numba")
    bad = X.copy()
    bad[1, 2] = np.nan
    with pytest.raises(InvalidValueError, match="row 1, column 2"):
        fastnn.forward_propagation(bad, parameters, backend="numba")
    assert np.isnan(fastnn.forward_propagation(bad, parameters, backend="numba", allow_nonfinite=True)[0][0, 2])


@pytest.mark.needs_jit
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_the_same_gradients_again_and_again(kind):
    for hidden, samples in ((4, 4), (3, 4), (4, 1), ([5, 3], 70), ([], 3)):
        X, parameters = _again(kind, hidden, samples)
        Y = (X[:1] > 0).astype(kind)
        _, cache = fastnn.forward_propagation(X, parameters, backend="numpy")
        wanted = fastnn.backward_propagation(parameters, cache, X, Y, backend="numpy")
        given = {**parameters, **cache, "X": X, "Y": Y}
        before = copy.deepcopy(given)
        for number in range(12):
            found = fastnn.backward_propagation(parameters, cache, X, Y, backend="numba")
            assert list(found) == list(wanted)
            for name in wanted:
                assert_same_bits(found[name], wanted[name], f"{name}, call {number}")
        for name in given:
            assert_same_bits(given[name], before[name])
        found["dW1"][...] = 7  # each call gives arrays of its own
        assert_same_bits(fastnn.backward_propagation(parameters, cache, X, Y, backend="numba")["dW1"], wanted["dW1"])


@pytest.mark.needs_jit
def test_other_gradients_after_the_same_call_again_and_again():
    X, parameters = _again()
    Y = (X[:1] > 0).astype("float64")
    _, cache = fastnn.forward_propagation(X, parameters, backend="numpy")
    for _ in range(12):
        fastnn.backward_propagation(parameters, cache, X, Y, backend="numba")
    single = {name: array.astype("float32") for name, array in parameters.items()}
    for given, stored, x, y in (
        ({**parameters, "W1": parameters["W1"] + 1}, {**cache, "A1": cache["A1"] / 2}, X, Y),
        (parameters, {**cache, "Z1": np.asfortranarray(cache["Z1"])}, X, Y),
        (parameters, cache, np.asfortranarray(X), Y.astype(int)),
        ({**parameters, "b1": parameters["b1"][:, 0]}, cache, X.tolist(), Y.astype(bool)),
        (single, {name: a.astype("float32") for name, a in cache.items()}, X.astype("float32"), Y.astype("float32")),
        (single, cache, X, Y),
    ):
        found = fastnn.backward_propagation(given, stored, x, y, backend="numba")
        wanted = fastnn.backward_propagation(given, stored, x, y, backend="numpy")
        for name in wanted:
            assert_same_bits(found[name], wanted[name])
    bad, out = X.copy(), Y.copy()
    bad[1, 2], out[0, 3] = np.inf, 1.5
    for given, stored, x, y, message in (
        (parameters, cache, bad, Y, "row 1, column 2"),
        (parameters, cache, X, out, "row 0, column 3"),
        (parameters, cache, X[:, :3], Y, r"\(1, 3\)"),
        (parameters, cache, X[:1], Y, r"\(2, samples\)"),
        ({**parameters, "W2": np.zeros((1, 5))}, cache, X, Y, "W2"),
        ({**parameters, "W3": np.zeros((1, 1))}, cache, X, Y, "b3"),
        (parameters, {**cache, "A1": cache["A1"][:, :3]}, X, Y, "A1"),
        (parameters, {**cache, "A3": cache["A1"]}, X, Y, "Z3"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            fastnn.backward_propagation(given, stored, x, y, backend="numba")
    with pytest.raises(InvalidValueError, match="output_activation"):
        fastnn.backward_propagation(parameters, cache, X, Y, output_activation="tanh", backend="numba")
    allowed = fastnn.backward_propagation(parameters, cache, bad, Y, allow_nonfinite=True, backend="numba")
    assert not np.isfinite(allowed["dW1"]).all()


@pytest.mark.needs_jit
def test_threads_share_the_functions_of_repeated_calls():
    X, parameters = _again(samples=30)
    Y = (X[:1] > 0).astype("float64")

    def step(scale):
        given = {name: scale * array for name, array in parameters.items()}
        _, cache = fastnn.forward_propagation(X, given, backend="numba")
        return fastnn.backward_propagation(given, cache, X, Y, backend="numba")

    scales = [0.5, 1.0, 2.0, 4.0]
    wanted = [{name: a.copy() for name, a in step(scale).items()} for scale in scales]
    for _ in range(12):
        step(1.0)

    def many(k):
        return all((step(scales[k])[name] == wanted[k][name]).all() for _ in range(300) for name in wanted[k])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(many, range(4)))


@pytest.mark.needs_jit
@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 17), (1, 1023), (1, 1024), (1, 1025), (5, 400)])
def test_the_cost_of_few_and_of_many(kind, shape):
    rng = np.random.default_rng(0)
    A, Y = rng.random(shape).astype(kind), rng.random(shape).astype(kind)
    A[0, 0], Y[0, 0] = 1.0, 1.0
    costs = [fastnn.compute_cost(A, Y, backend=backend) for backend in ("numba", "numpy")]
    assert type(costs[0]) is float and costs[0] == costs[1]
    assert fastnn.compute_cost(np.asfortranarray(A), Y, backend="numba") == costs[0]
    Y[0, 0] = 0.0
    assert fastnn.compute_cost(A, Y, backend="numba") == np.inf
    for wrong in (np.nan, -0.5, 1.5):
        for first in (True, False):
            a, y = A.copy(), Y.copy()
            (a if first else y)[-1, -1] = wrong
            with pytest.raises(InvalidValueError, match="A2" if first else "Y"):
                fastnn.compute_cost(a, y, backend="numba")


@pytest.mark.needs_jit
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_the_same_update_again_and_again(kind):
    rng = np.random.default_rng(0)
    for hidden in (4, [5, 3]):
        parameters = _again(kind, hidden)[1]
        grads = {f"d{name}": rng.standard_normal(array.shape).astype(kind) for name, array in parameters.items()}
        wanted = fastnn.update_parameters(parameters, grads, 0.3, backend="numpy")
        before = copy.deepcopy(parameters)
        for number in range(12):
            found = fastnn.update_parameters(parameters, grads, 0.3, backend="numba")
            assert list(found) == list(wanted)
            for name in wanted:
                assert_same_bits(found[name], wanted[name], f"{name}, call {number}")
                assert_same_bits(parameters[name], before[name])
        other = "float64" if kind == "float32" else "float32"
        for changed in ({"dW1": np.asfortranarray(grads["dW1"])}, {"dW1": grads["dW1"].astype(other)},
                        {"db1": grads["db1"][:, 0]}):  # fmt: skip
            if changed.get("db1", grads["db1"]).shape == grads["db1"].shape:
                found = fastnn.update_parameters(parameters, {**grads, **changed}, 0.3, backend="numba")
                right = fastnn.update_parameters(parameters, {**grads, **changed}, 0.3, backend="numpy")
                assert_same_bits(found["W1"], right["W1"])
        for wrong in ({"dW1": grads["dW1"][:, :1]}, {"db2": np.zeros((9, 1), kind)}, {"dW9": grads["dW1"]}):
            with pytest.raises(InvalidValueError):
                fastnn.update_parameters(parameters, {**grads, **wrong}, 0.3, backend="numba")
        with pytest.raises(InvalidValueError):
            fastnn.update_parameters(parameters, grads, -1.0, backend="numba")
