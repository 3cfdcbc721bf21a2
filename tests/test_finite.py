"""Whether arrays are finite: both backends say the same of any layout, and models say where the first that is not lies.

``predict`` looks at samples on the way, piece by piece; a training looks before anything changes.
"""

from __future__ import annotations

import numba
import numpy as np
import pytest
from bits import assert_same_bits

from fastnn import validation
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numba_backend import finite, walker
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers import Dense, SimpleRNN
from fastnn.models import Sequential
from fastnn.models import sequential as sequential_module

pytestmark = pytest.mark.needs_jit

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
THREADS = pytest.mark.parametrize("threads", [1, 2])
BAD = (np.nan, -np.nan, np.inf, -np.inf)
BACKENDS = ("numpy", "numba")


@pytest.fixture
def threads_of():
    before = numba.get_num_threads()
    yield numba.set_num_threads
    numba.set_num_threads(before)


def layouts(x):
    """Yield views of a (rows, columns) array, each element of which is one of the array's."""
    yield from (x, x.T, x[:, 1:], x[1:, ::2], x[::-1], x[:, ::-1], x.reshape(-1))
    yield from (np.asfortranarray(x)[1:-1], x[:, 3], x[2])
    yield from (x[:, None, ::3], x.reshape(len(x), -1, 1)[:, ::2, ::-1], np.broadcast_to(x[1], (5, x.shape[1])))


@DTYPES
def test_an_element_anywhere_is_found(dtype):
    x = np.random.default_rng(0).standard_normal((7, 331)).astype(dtype)
    x[0, :4] = np.finfo(dtype).max, -np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal, -0.0
    for view in layouts(x):
        assert numba_backend.all_finite(view) is numpy_backend.all_finite(view) is True
    found = set()
    for number, bad in enumerate(BAD * 200):
        y = x.copy()
        y[number % 7, number * 37 % 331] = bad
        for k, view in enumerate(layouts(y)):
            expected = bool(np.isfinite(view).all())
            assert numba_backend.all_finite(view) is numpy_backend.all_finite(view) is expected, (number, k)
            found.add((k, expected))
    kinds = len(list(layouts(x)))
    assert {k for k, expected in found if not expected} == set(range(kinds))
    assert len(found) == 2 * kinds - 5  # five layouts hold all elements, the others at times do not hold it


@DTYPES
@pytest.mark.parametrize("size", [0, 1, 2, 3, 15, 16, 17, 511, 512, 513, 1025])
def test_every_element_of_a_vector_counts(dtype, size):
    x = np.zeros(size, dtype)
    assert numba_backend.all_finite(x) and numpy_backend.all_finite(x)
    for i in range(size):
        x[i] = BAD[i % 4]
        assert not numba_backend.all_finite(x)
        x[i] = np.finfo(dtype).max
    assert numba_backend.all_finite(x)


def test_integers_are_finite():
    for x in (np.zeros((3, 2), np.int64), np.zeros(3, bool)):
        assert numba_backend.all_finite(x) and numpy_backend.all_finite(x)


@DTYPES
def test_threads_share_large_arrays(monkeypatch, threads_of, dtype):
    launched = []
    launch = walker.launch
    monkeypatch.setattr(walker, "launch", lambda *a: (launched.append(a[-1]), launch(*a)))
    monkeypatch.setattr(finite, "AT_ONCE", 1 << 18)
    threads_of(2)
    x = np.ones((1000, 700), dtype)
    assert numba_backend.all_finite(x) and numba_backend.all_finite(x[:, ::3])
    assert launched == [2] * 3  # of the strided one, too small, none
    for at in ((0, 0), (999, 699), (400, 350)):
        x[at] = np.inf
        assert not numba_backend.all_finite(x)
        x[at] = 1
    threads_of(1)
    del launched[:]
    assert numba_backend.all_finite(x) and not launched


def model(backend, dtype="float32", features=40):
    made = Sequential([Dense(5, activation="tanh"), Dense(3, activation="softmax")], dtype=dtype, backend=backend)
    made.build(features)
    made.compile("sgd", "categorical_crossentropy")
    return made


def message(call):
    with pytest.raises(InvalidValueError) as caught:
        call()
    return str(caught.value)


@THREADS
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("source", ["float32", "float64"])
def test_predict_names_the_first_element(monkeypatch, threads_of, backend, source, threads):
    monkeypatch.setattr(sequential_module, "_PREDICTED_AT_ONCE", 100)
    monkeypatch.setattr(validation, "LARGE", 100)
    threads_of(threads)
    made = model(backend)
    x = np.random.default_rng(0).standard_normal((350, 40)).astype(source)
    expected = made.predict(x)
    for view in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        assert_same_bits(expected, made.predict(view))
        for at, late in (((130, 17), (349, 0)), ((0, 0), (0, 1)), ((349, 39), (349, 39)), ((99, 3), (100, 3))):
            broken = view.copy(order="K") if view.flags.forc else np.repeat(x, 2, axis=1)[:, ::2]
            broken[at] = broken[late] = np.nan
            text = message(lambda broken=broken: made.predict(broken))
            assert text.startswith(f"x holds nan at row {at[0]}, column {at[1]};")
            assert np.isnan(made.predict(broken, allow_nonfinite=True)[at[0]]).any()
    # finite where it lies, though not in the model's dtype
    huge = x.astype(np.float64)
    huge[5, 5] = 1e300
    assert made.predict(huge).shape == (350, 3)


def test_predict_looks_where_samples_are_read(monkeypatch):
    """A plain predict makes no pass of its own over samples; where one is needed, there is one."""
    calls = []
    right = validation.check_finite
    monkeypatch.setattr(sequential_module, "check_finite", lambda *a: (calls.append(a[0]), right(*a)))
    monkeypatch.setattr(validation, "LARGE", 800)
    made, x = model("numba"), np.ones((20, 40), np.float32)
    made.predict(x)
    assert not calls
    made.predict(x[:19])
    assert calls == ["x"]
    monkeypatch.setattr(validation, "LARGE", 10)
    states = Sequential([SimpleRNN(3, stateful=True), Dense(2)], backend="numba", seed=1)
    states.build((4, 2))
    broken = np.ones((20, 4, 2), np.float32)
    broken[19, 3, 1] = np.nan
    first = states.predict(broken[:19])
    states.reset_states()
    message(lambda: states.predict(broken, batch_size=10))
    assert_same_bits(first, states.predict(broken[:19]))  # nothing was carried on


@pytest.mark.parametrize("backend", BACKENDS)
def test_training_and_evaluation_look_before_anything_changes(monkeypatch, backend):
    monkeypatch.setattr(validation, "LARGE", 100)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 40)).astype(np.float32), np.eye(3, dtype=np.float32)[rng.integers(0, 3, 60)]
    made = model(backend)
    made.fit(x, y, verbose=0)
    before = made.parameters.copy()
    for at in ((0, 0), (59, 39), (31, 8)):
        broken, weights, targets = x.copy(), np.ones(60, np.float32), y.copy()
        broken[at] = weights[at[0]] = targets[at[0], 1] = -np.inf
        where = f"holds -inf at row {at[0]}, column {at[1]}"
        for call in (
            lambda broken=broken: made.fit(broken, y, verbose=0),
            lambda broken=broken: made.evaluate(broken, y),
            lambda broken=broken: made.train_on_batch(broken, y),
        ):
            assert message(call).startswith(f"x {where}")
        assert message(lambda broken=broken: made.fit(x, y, verbose=0, validation_data=(broken, y))).startswith(
            f"validation x {where}"
        )
        assert message(lambda targets=targets: made.fit(x, targets, verbose=0)).startswith(
            f"y holds -inf at row {at[0]}, column 1"
        )
        assert "sample_weight must hold finite numbers" in message(
            lambda weights=weights: made.fit(x, y, verbose=0, sample_weight=weights)
        )
    assert_same_bits(before, made.parameters)


def test_the_backend_that_looks_is_not_thereby_the_models(monkeypatch):
    monkeypatch.setattr(validation, "LARGE", 1)
    made = Sequential([Dense(2)])
    made.compile("sgd", "mse")
    message(lambda: made.fit([[1.0, np.nan]], [[1.0, 2.0]], verbose=0))
    assert made._backend is None and not made.built


@pytest.mark.parametrize("kind", ["float16", ">f4", ">f8"])
def test_what_kernels_do_not_read_is_refused(kind):
    with pytest.raises(InvalidTypeError, match="kernels take float32 or float64"):
        numba_backend.all_finite(np.ones(3, kind))
