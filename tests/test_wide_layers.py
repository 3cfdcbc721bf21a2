"""Dense layers wide enough for panels of activations, or to go back through their weights part by part."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from networks import Network, Stack, make_data, start
from test_parity import check, launches  # noqa: F401

from fastnn.backends.numba_backend import _dense_few_samples, _panel_weights
from fastnn.backends.numba_backend._dense_products import COLUMNS_BACK, ROWS_BACK
from fastnn.backends.numba_backend._layout import TILES
from fastnn.backends.numba_backend._team import items_before
from fastnn.backends.numba_backend.executor import NumbaExecutor
from fastnn.layers import Dense, TimeDistributed
from fastnn.optimizers import SGD, Adam

pytestmark = pytest.mark.needs_jit
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])

ACTIVATIONS = ("tanh", "softmax")


def reads_panels(plan, dtype, samples):
    """Return whether sums over samples read panels."""
    return any(_panel_weights.takes_panels(o, np.dtype(dtype).itemsize, samples) for o in plan.gradients)


@DTYPES
@pytest.mark.parametrize("sizes", [(64, 64), (131, 97)], ids=str)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_weights_of_whole_and_narrow_panels(launches, sizes, bias, dtype):  # noqa: F811
    plan = Network((*sizes, 3), ACTIVATIONS, "categorical_crossentropy", bias).plan()
    assert reads_panels(plan, dtype, 64)
    for samples, batch in ((1, 1), (17, 17), (48, 48), (64, 64), (200, 130)):
        data = make_data(plan, dtype, samples, weighted=True, order="permutation")
        check(launches, plan, dtype, data, batch, optimizer=Adam())


@DTYPES
def test_items_along_the_rows_of_weights(launches, dtype):  # noqa: F811
    units, features = 391, 1200 // np.dtype(dtype).itemsize
    panels = -(-features * np.dtype(dtype).itemsize // _panel_weights.PANEL_BYTES)
    rows, together = _panel_weights.item_shape(units, panels, 64)
    assert 1 < together < panels and panels % together and units % rows
    plan = Network((features, units, 2), ACTIVATIONS, "categorical_crossentropy").plan()
    for samples in (32, 37, 64):
        check(launches, plan, dtype, make_data(plan, dtype, samples), samples, steps=2)


@DTYPES
@pytest.mark.parametrize("per", [16, 32])
def test_blocks_of_several_parts(launches, monkeypatch, per, dtype):  # noqa: F811
    # as with more threads: parts of a block lie apart, and their samples are summed in one go
    monkeypatch.setattr(sys.modules[NumbaExecutor.__module__], "per_block", lambda samples, workers: per)
    plan = Network((70, 66, 3), ACTIVATIONS, "categorical_crossentropy").plan()
    for samples in (17, 48, 64, 75, 140):
        check(launches, plan, dtype, make_data(plan, dtype, samples), samples)


@DTYPES
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_weights_that_threads_share(launches, monkeypatch, bias, dtype):  # noqa: F811
    monkeypatch.setattr(_dense_few_samples, "LEAST_BYTES", 0)
    monkeypatch.setattr(_dense_few_samples, "LEAST_WIDTH", 0)
    made = []
    forward = _dense_few_samples.forward_by_units
    monkeypatch.setattr(_dense_few_samples, "forward_by_units", lambda o: made.append(o) or forward(o))
    plan = Network((70, 131, 97, 3), ("tanh", *ACTIVATIONS), "categorical_crossentropy", bias).plan()
    for samples, batch in ((1, 1), (17, 17), (48, 48), (100, 64), (130, 130)):
        data = make_data(plan, dtype, samples, weighted=True, order="permutation")
        check(launches, plan, dtype, data, batch, optimizer=Adam(), steps=3)
    assert {o.operands["W"].shape[0] for o in made} == {131, 97, 3}


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_a_worker_updates_the_rows_that_it_reads(workers):
    units = 1000
    items = -(-units // _dense_few_samples.UNITS)
    regions, records = np.array([[TILES, 0, 1, 0]]), np.zeros((1, 3), np.int64)
    records[0] = 0, items, 1
    for worker in range(workers + 1):
        before = items_before.function(regions[0], records, 32, 16, worker, workers)
        assert _dense_few_samples.first_unit(units, worker, workers) == min(units, before * _dense_few_samples.UNITS)


def test_few_samples_and_many_weights_share():
    def shares(width, samples, size):
        o = next(o for o in Network((width, width, 2), ACTIVATIONS, "categorical_crossentropy").plan().forward)
        return _dense_few_samples.shares_weights(o, size, samples)

    assert shares(1024, 32, 4) and shares(1024, 64, 8)
    assert not shares(1024, 65, 8) and not shares(1000, 32, 4)


def test_shapes_of_items():
    for units, panels, samples in ((64, 1, 32), (128, 13, 128), (2048, 64, 1024), (2048, 32, 32), (1000, 7, 10**6)):
        rows, together = _panel_weights.item_shape(units, panels, samples)
        assert 12 <= rows <= _panel_weights.ROWS and 1 <= together <= panels
        assert _panel_weights.item_shape(units, panels, samples, alone=True)[0] >= rows
        many = -(-units // rows) * -(-panels // together)
        assert many >= _panel_weights.ENOUGH_ITEMS or (rows, together) == (12, 1)


@DTYPES
def test_sums_of_several_blocks_of_samples(launches, dtype):  # noqa: F811
    plan = Network((66, 70, 2), ACTIVATIONS, "categorical_crossentropy").plan()
    assert reads_panels(plan, dtype, 1088)
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
@pytest.mark.parametrize("units", [ROWS_BACK, ROWS_BACK + 1, 2 * ROWS_BACK + 7])
def test_gradients_back_in_parts(launches, units, dtype):  # noqa: F811
    for features in (COLUMNS_BACK, COLUMNS_BACK + 1, 2 * COLUMNS_BACK + 9):
        plan = Network((2, features, units, 3), ("tanh", *ACTIVATIONS), "categorical_crossentropy").plan()
        for samples, batch in ((17, 17), (170, 128)):
            check(launches, plan, dtype, make_data(plan, dtype, samples), batch, optimizer=SGD(0.1), steps=2)


def test_gradients_back_in_parts_at_many_positions(launches):  # noqa: F811
    units, features = ROWS_BACK + 3, COLUMNS_BACK + 5
    plan = Stack(lambda: [Dense(features, "relu"), TimeDistributed(Dense(units)), Dense(2)], (3, 4), "mse").plan()
    for samples in (17, 130):
        check(launches, plan, np.float32, make_data(plan, np.float32, samples), samples)
