"""Frozen predictors: the bits of predict, one sample at a time, whatever the model does later."""

from __future__ import annotations

import copy
import threading

import numpy as np
import pytest

from fastnn import Sequential
from fastnn.activations import ACTIVATIONS
from fastnn.errors import InvalidTypeError, InvalidValueError, NotBuiltError
from fastnn.layers import GRU, BatchNormalization, Conv2D, Dense, Embedding, Flatten, Residual
from fastnn.models import Predictor

pytestmark = pytest.mark.needs_jit


def same_bits(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape
    assert np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()


def built(layers, shape, dtype="float32", backend="numba"):
    model = Sequential(layers, dtype=dtype, seed=3, backend=backend)
    model.build((None, *shape))
    generator = np.random.default_rng(1)
    model.parameters[...] = generator.standard_normal(model.parameters.shape) * 0.3
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("widths", [(1, 1), (2, 4, 1), (8, 16, 2), (5, 127, 129, 10), (33, 300, 7)])
def test_one_row_has_the_bits_of_predict(widths, dtype):
    layers = [Dense(m, activation="tanh") for m in widths[1:-1]] + [Dense(widths[-1], activation="softmax")]
    model = built(layers, widths[:1], dtype)
    x = np.random.default_rng(0).standard_normal((6, widths[0])).astype(dtype)
    wanted, frozen = model.predict(x), model.predictor()
    for i in range(len(x)):
        same_bits(frozen(x[i]), wanted[i])
        same_bits(frozen(x[i : i + 1]), wanted[i : i + 1])
    for count in (0, 2, 4, 5, 6):
        same_bits(frozen(x[:count]), wanted[:count])


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation(name):
    model = built([Dense(19, activation=name), Dense(3, activation=name, use_bias=False)], (4,))
    x = np.random.default_rng(0).standard_normal((3, 4)).astype("float32") * 3
    frozen = model.predictor()
    for row, wanted in zip(x, model.predict(x), strict=True):
        same_bits(frozen(row), wanted)


def test_a_function_of_ones_own():
    model = built([Dense(19, activation=lambda z: z / (1 + np.abs(z))), Dense(3)], (4,))
    x = np.random.default_rng(0).standard_normal((1, 4)).astype("float32")
    same_bits(model.predictor()(x), model.predict(x))


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([Conv2D(3, 2), Flatten(), Dense(2)], (5, 4, 2)),
        ([GRU(3), Dense(2)], (4, 2)),
        ([Residual([Dense(4)]), Dense(2)], (4,)),
        ([Dense(4), BatchNormalization(), Dense(2)], (3,)),
        ([Dense(4)], (3, 2)),
        ([Flatten()], (3, 2)),
    ],
)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_other_networks(layers, shape, backend):
    model = built(layers, shape, backend=backend)
    x = np.random.default_rng(0).standard_normal((3, *shape)).astype("float32")
    frozen, wanted = model.predictor(), model.predict(x)
    assert frozen.input_shape == shape and frozen.output_shape == wanted.shape[1:]
    same_bits(frozen(x[0]), wanted[0])
    same_bits(frozen(x), wanted)


def test_the_reference_backend():
    model, other = (built([Dense(4, activation="relu"), Dense(2)], (3,), backend=name) for name in ("numpy", "numba"))
    x = np.float32([1.0, -2.0, 3.0])
    same_bits(model.predictor()(x), other.predictor()(x))


def test_it_is_frozen():
    model = built([Dense(4, activation="relu"), Dense(1)], (3,))
    x = np.float32([1.0, -2.0, 3.0])
    frozen = model.predictor()
    before = frozen(x)
    model.parameters[...] += 1
    same_bits(frozen(x), before)
    assert model.predict(x[None])[0] != before
    frozen(x)[...] = 7  # each call gives an array of its own
    same_bits(frozen(x), before)


def test_what_else_numbers_come_as():
    model = built([Dense(4, activation="relu"), Dense(2)], (3,))
    frozen, x = model.predictor(), np.float32([1.0, -2.0, 3.0])
    wanted = frozen(x)
    read_only = x.copy()
    read_only.flags.writeable = False
    for given in ([1, -2, 3], (1.0, -2.0, 3.0), x.astype("float64"), np.int8(x), np.float16(x), read_only,
                  np.repeat(x, 2)[::2], x.astype(">f4")):  # fmt: skip
        same_bits(frozen(given), wanted)
    same_bits(frozen(np.asfortranarray(np.stack([x, x]))), np.stack([wanted, wanted]))


def test_threads_share_one():
    model = built([Dense(64, activation="tanh"), Dense(8)], (16,))
    frozen = model.predictor()
    x = np.random.default_rng(0).standard_normal((4, 200, 16)).astype("float32")
    found = [None] * len(x)

    def work(number):
        found[number] = np.array([frozen(row) for row in x[number]])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(x))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, rows in enumerate(x):
        same_bits(found[number], model.predict(rows))


def test_what_is_refused():
    with pytest.raises(NotBuiltError):
        Sequential([Dense(2)]).predictor()
    frozen = built([Dense(2)], (3,)).predictor()
    assert isinstance(frozen, Predictor)
    for bad in (np.float32([1, np.nan, 2]), np.float32([[1, np.inf, 2]]), np.full((7, 3), -np.inf, "float32")):
        with pytest.raises(InvalidValueError, match=r"finite|NaN"):
            frozen(bad)
    for bad in (np.zeros(4, "float32"), np.zeros((2, 2), "float32"), np.zeros((1, 1, 3), "float32"), 1.0):
        with pytest.raises(InvalidValueError, match=r"shape|features"):
            frozen(bad)
    with pytest.raises(InvalidTypeError):
        frozen(["a", "b", "c"])
    with pytest.raises(InvalidValueError, match="stateful"):
        built([GRU(2, stateful=True)], (3, 2)).predictor()
    with pytest.raises(InvalidValueError, match="return_state"):
        built([GRU(2, return_state=True)], (3, 2)).predictor()
    with pytest.raises(InvalidTypeError, match="pickle"):
        copy.copy(frozen)


def test_an_embedding_still_checks_its_indices():
    frozen = built([Embedding(5, 2), Flatten()], (3,)).predictor()
    with pytest.raises(InvalidValueError):
        frozen([0, 5, 1])
