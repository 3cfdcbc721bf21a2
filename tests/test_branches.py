"""Branches that read the same samples and meet again: values by hand, gradients, bits, errors."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits
from gradient_check import assert_gradients
from networks import Stack, assert_same_quantities, make_data, quantities

from fastnn import layers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential

STACKS = {
    # the activation whose derivative needs its input must find it there, whatever the other one overwrites
    "two activations of one tensor": Stack(
        lambda: [layers.Dense(5), layers.Add([[layers.Activation("gelu")], [layers.Activation("relu")]])], (3,)
    ),
    "an activation and its input": Stack(
        lambda: [layers.Dense(5), layers.Residual([layers.Activation("tanh")]), layers.Dense(2)], (3,)
    ),
    "twice the same": Stack(lambda: [layers.Dense(4, "sigmoid"), layers.Add([[], [], []]), layers.Dense(2)], (3,)),
    "branches within branches": Stack(
        lambda: [
            layers.Dense(4, "tanh"),
            layers.Residual([layers.Dense(4), layers.Residual([layers.Dense(4, "relu")])], [layers.Dense(4)]),
            layers.Dense(2),
        ],
        (3,),
    ),
    "branches of the samples themselves": Stack(
        lambda: [layers.Concatenate([[], [layers.Dense(3, "relu")]]), layers.Dense(2)], (3,)
    ),
}


@pytest.mark.needs_jit
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", STACKS)
def test_parity(name, dtype):
    plan = STACKS[name].plan()
    for samples, batch in ((1, 1), (17, 5), (130, 65)):
        data = make_data(plan, dtype, samples, weighted=True, order="permutation")
        found = [quantities(b, plan, dtype, data, batch) for b in (numpy_backend, numba_backend)]
        assert_same_quantities(*found, name)


@pytest.mark.parametrize("name", STACKS)
def test_gradients(name):
    plan = STACKS[name].plan()
    assert_gradients(plan, make_data(plan, np.float64, 7))


def test_a_residual_adds_its_input_by_hand():
    model = Sequential([layers.Residual([layers.Dense(2, use_bias=False)])], dtype="float64", backend="numpy")
    model.build((2,))
    model.set_weights([np.array([[1.0, 2.0], [3.0, 4.0]])])
    assert_same_bits(model.predict([[1.0, 10.0]]), np.array([[1.0 + 31.0, 10.0 + 42.0]]))


def test_errors_name_the_layer():
    with pytest.raises(InvalidTypeError, match="Add takes at least two branches"):
        layers.Add([[]])
    with pytest.raises(InvalidTypeError, match="Residual takes layers"):
        layers.Residual([3])
    model = Sequential([layers.Residual([layers.Dense(3)])])
    with pytest.raises(InvalidValueError, match=r"the branches of Residual must end in one shape, got \(2,\), \(3,\)"):
        model.build((2,))
