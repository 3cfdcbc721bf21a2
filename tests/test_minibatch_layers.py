"""What layers share: nothing depends on old memory, masks go through, all learn."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import test_embedding
import test_layer_normalization
import test_noise
import test_normalization
import test_pooling
import test_prelu
import test_rearrange
import test_recurrent
import test_several_axes
from bits import assert_same_bits
from networks import assert_same_quantities, make_data, quantities
from test_parity import launches  # noqa: F401
from workspaces import BYTES, workspaces_full_of

from fastnn import layers
from fastnn.backends import numba_backend
from fastnn.models import Sequential

pytestmark = pytest.mark.needs_jit

numba_memory = importlib.import_module("fastnn.backends.numba_backend._program_memory")

STACKS = {
    f"{module.__name__}: {name}": stack
    for module in (
        test_embedding,
        test_layer_normalization,
        test_noise,
        test_normalization,
        test_pooling,
        test_prelu,
        test_rearrange,
        test_recurrent,
        test_several_axes,
    )
    for name, stack in module.STACKS.items()
}


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("transient", [False, True], ids=["kept", "transient"])
def test_no_result_depends_on_what_a_workspace_held(launches, monkeypatch, name, transient):  # noqa: F811
    """Also where blocks lie in the workers' storage and what later regions read is copied out of it."""
    if transient:
        monkeypatch.setattr(numba_memory, "CACHE_BYTES", 0)
    plan, results = STACKS[name].plan(), []
    expected = quantities(numba_backend, plan, np.float32, make_data(plan, np.float32, 1100), 1100)
    for byte in BYTES:
        with workspaces_full_of(byte):
            results.append(quantities(numba_backend, plan, np.float32, make_data(plan, np.float32, 1100), 1100))
    assert_same_quantities(*results, name)
    assert_same_quantities(expected, results[0], name)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_mask_goes_through_layer_normalization_and_prelu(backend):
    def model(steps):
        stack = [layers.Masking(), layers.Dense(4), layers.LayerNormalization(), layers.PReLU("ones", shared_axes=1),
                 layers.GRU(3)]  # fmt: skip
        made = Sequential(stack, backend=backend, seed=2)
        made.compile("sgd", "mse")
        made.build((steps, 2))
        return made

    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((30, 5, 2)), rng.standard_normal((30, 3))
    padded = np.concatenate([x, np.zeros((30, 4, 2))], axis=1)
    short, long = model(5), model(9)
    short.fit(x, y, epochs=2, verbose=0)
    long.fit(padded, y, epochs=2, verbose=0)
    assert_same_bits(short.predict(x), long.predict(padded))
    assert_same_bits(short.parameters, long.parameters)


def test_all_together_on_both_backends():
    rng = np.random.default_rng(1)
    x = rng.integers(0, 30, (150, 8))
    y = ((x >= 15).sum(axis=1) > 4).astype(int)
    found = []
    for backend in ("numpy", "numba"):
        stack = [layers.Embedding(30, 12), layers.SpatialDropout1D(0.1), layers.Dense(16), layers.BatchNormalization(),
                 layers.PReLU(shared_axes=1), layers.Residual([layers.LayerNormalization(), layers.Dense(16, "tanh")]),
                 layers.GaussianNoise(0.05), layers.Flatten(), layers.Dropout(0.3), layers.Dense(2),
                 layers.Softmax()]  # fmt: skip
        model = Sequential(stack, backend=backend, seed=2)
        model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
        history = model.fit(x, y, epochs=16, batch_size=32, verbose=0, validation_split=0.1)
        found.append((model.parameters, np.concatenate([v.reshape(-1) for v in model.statistics.values()]),
                      model.predict(x), history.history))  # fmt: skip
    for a, b in zip(found[0][:3], found[1][:3], strict=True):
        assert_same_bits(a, b)
    assert found[0][3] == found[1][3]
    assert found[0][3]["accuracy"][-1] > 0.8, "nothing was learned"
