"""Dense layers wide enough to be packed: panels of activations for the weights' gradient, weights for the way back."""

from __future__ import annotations

import numpy as np
import pytest
from networks import Network, Stack, make_data, start
from test_parity import check, launches  # noqa: F401

from fastnn.backends.numba_backend import _packed_weights, _panel_weights
from fastnn.layers import Dense, TimeDistributed
from fastnn.optimizers import SGD, Adam

pytestmark = pytest.mark.needs_jit
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

ACTIVATIONS = ("tanh", "softmax")


def is_packed(plan, dtype, samples):
    """Return (whether sums over samples read panels, whether gradients to the input read packed weights)."""
    size = np.dtype(dtype).itemsize
    return (
        any(_panel_weights.takes_panels(o, size, samples) for o in plan.gradients),
        any(_packed_weights.pays(o, size, samples) for o in plan.backward),
    )


@DTYPES
@pytest.mark.parametrize("sizes", [(64, 64), (131, 97)], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_weights_of_whole_and_narrow_panels(launches, sizes, bias, dtype):  # noqa: F811
    plan = Network((*sizes, 3), ACTIVATIONS, "categorical_crossentropy", bias).plan()
    assert is_packed(plan, dtype, 64) == (True, False)
    for samples, batch in ((1, 1), (17, 17), (64, 64), (200, 130)):
        data = make_data(plan, dtype, samples, weighted=True, order="permutation")
        check(launches, plan, dtype, data, batch, optimizer=Adam())


@DTYPES
def test_sums_of_several_blocks_of_samples(launches, dtype):  # noqa: F811
    plan = Network((66, 70, 2), ACTIVATIONS, "categorical_crossentropy").plan()
    assert is_packed(plan, dtype, 1088)[0]
    for samples in (1025, 2100):
        check(launches, plan, dtype, make_data(plan, dtype, samples), samples, steps=1)


@pytest.mark.parametrize("layout", ["strided", "other float"])
def test_rows_that_cannot_be_read_in_place(launches, layout):  # noqa: F811
    plan = Network((70, 65, 3), ACTIVATIONS, "categorical_crossentropy", penalty=(0.01, 0.02)).plan()
    check(launches, plan, np.float32, make_data(plan, np.float32, 150, layout=layout), 150)


@DTYPES
def test_special_values(launches, dtype):  # noqa: F811
    plan = Network((70, 65, 3), ("relu", "linear"), "mse").plan()
    data = make_data(plan, dtype, 150, special=True)
    check(launches, plan, dtype, data, 150, parameters=start(plan, dtype, 2, special=True))


@DTYPES
@pytest.mark.parametrize("units", [16, 25])
def test_gradients_back_through_packed_weights(launches, units, dtype):  # noqa: F811
    features = 4096 // np.dtype(dtype).itemsize
    for more in (0, 21):
        plan = Network((2, features + more, units, 3), ("tanh", *ACTIVATIONS), "categorical_crossentropy").plan()
        assert is_packed(plan, dtype, 128)[1]
        assert not is_packed(plan, dtype, 64)[1]
        for samples, batch in ((17, 17), (170, 128)):
            check(launches, plan, dtype, make_data(plan, dtype, samples), batch, optimizer=SGD(0.1), steps=2)


def test_gradients_back_at_many_positions(launches):  # noqa: F811
    plan = Stack(lambda: [Dense(1030, "relu"), TimeDistributed(Dense(17)), Dense(2)], (3, 4), "mse").plan()
    assert is_packed(plan, np.float32, 128)[1]
    for samples in (17, 130):
        check(launches, plan, np.float32, make_data(plan, np.float32, samples), samples)
