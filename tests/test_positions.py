"""Gradients of weights that all positions of a sequence share: by groups of samples, block by block."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits
from networks import Stack, make_data
from test_backend_functions import both
from test_parity import check, launches  # noqa: F401

from fastnn import layers
from fastnn.backends.numba_backend import _program_memory, positions
from fastnn.backends.numpy_backend.dense import dense_backward_weights
from fastnn.contract import SAMPLE_GROUP, combine_pairwise
from fastnn.layers import LSTM, Dense

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


def term_by_term(dZ, A, P):
    """Return dW and db, each product and each sum a step of its own."""
    M, D, N = len(dZ) // P, len(A) // P, dZ.shape[1]
    weights, biases = [], []
    for first in range(0, N, SAMPLE_GROUP):
        group = range(first, min(N, first + SAMPLE_GROUP))
        dW, db = np.zeros((M, D), dZ.dtype), np.zeros(M, dZ.dtype)
        for i in range(M):
            for k in range(D):
                for p in range(P):
                    for j in group:
                        dW[i, k] = dW[i, k] + dZ[p * M + i, j] * A[p * D + k, j]
            for j in group:
                of_sample = dZ.dtype.type(0)
                for p in range(P):
                    of_sample = of_sample + dZ[p * M + i, j]
                db[i] = db[i] + of_sample
        weights.append(dW)
        biases.append(db)
    return combine_pairwise(weights), combine_pairwise(biases)


@DTYPES
def test_order_of_sums(dtype):
    rng = np.random.default_rng(5)
    for units, features, steps, samples in ((2, 3, 2, 16), (3, 1, 4, 50), (1, 2, 3, 83)):
        dZ = rng.normal(size=(units * steps, samples)).astype(dtype)
        A = rng.normal(size=(features * steps, samples)).astype(dtype)
        for found, wanted in zip(dense_backward_weights(dZ, A, steps), term_by_term(dZ, A, steps), strict=True):
            assert_same_bits(found, wanted)


@pytest.mark.needs_jit
@DTYPES
def test_backends_agree_on_the_function(dtype):
    rng = np.random.default_rng(6)
    for units, features, steps, samples in ((5, 17, 3, 1), (33, 2, 2, 40), (4, 70, 5, 130), (1, 1, 2, 1100)):
        dZ = rng.normal(size=(units * steps, samples)).astype(dtype)
        both("dense_backward_weights", dZ, rng.normal(size=(features * steps, samples)).astype(dtype), steps)


SHAPES = {
    "lanes are units": ((5, 2), 33),
    "lanes are features": ((5, 37), 3),
    "several panels": ((3, 70), 9),
    "several wide panels": ((3, 150), 11),
    "several panels of units": ((2, 20), 261),
    "more rows than go together": ((2, 16), 261),
    "more rows than go together in float64": ((3, 64), 141),
    "more weights than terms": ((2, 150), 160),
}


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
@DTYPES
def test_parity(launches, name, bias, dtype):  # noqa: F811
    shape, units = SHAPES[name]
    plan = Stack(lambda: [Dense(units, "tanh", use_bias=bias), Dense(3, "softmax")], shape,
                 "sparse_categorical_crossentropy").plan()  # fmt: skip
    for samples, batch in ((17, 17), (40, 40), (150, 130)):  # 17 and 40 samples are shared out in small blocks
        check(launches, plan, dtype, make_data(plan, dtype, samples, weighted=True, order="repeats"), batch)
    kinds = {positions.is_summed_in_blocks(o, per) for o in plan.gradients for per in (16, 64)}
    assert (False in kinds) == (name == "more weights than terms")


@pytest.mark.needs_jit
def test_parity_of_many_samples(launches):  # noqa: F811
    plan = Stack(lambda: [LSTM(5, return_sequences=True), Dense(2)], (3, 2), "mse").plan()
    check(launches, plan, np.float32, make_data(plan, np.float32, 2600), 2500)


@pytest.mark.needs_jit
@pytest.mark.parametrize("apart", [False, True])
def test_parity_wherever_small_blocks_lie(launches, monkeypatch, apart):  # noqa: F811
    if not apart:
        monkeypatch.setattr(_program_memory, "CACHE_BYTES", 0)
        monkeypatch.setattr(_program_memory, "APART_PAYS", 0.0)
    plan = Stack(
        lambda: [
            layers.Conv1D(20, 3, padding="same"),
            layers.BatchNormalization(),
            layers.GRU(3, return_sequences=True, dropout=0.5),
            layers.LayerNormalization(),
            layers.Flatten(),
            Dense(2),
        ],
        (7, 2),
        "mse",
    ).plan()
    between = []
    rows = _program_memory.ProgramMemory._rows

    def spy(self, lives):
        found = rows(self, lives)
        between.append(self.sample_bytes > self.size)
        return found

    monkeypatch.setattr(_program_memory.ProgramMemory, "_rows", spy)
    for samples in (17, 40, 64):
        check(launches, plan, np.float32, make_data(plan, np.float32, samples), samples)
    assert any(between) == apart
