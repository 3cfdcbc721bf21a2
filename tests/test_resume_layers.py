"""Every layer in a network that is saved, loaded and trained on: the bits of a training without interruption."""

from __future__ import annotations

import numpy as np
import pytest
from bits import assert_same_bits
from test_registries import LAYERS as STACKS

from fastnn import layers
from fastnn.models import Sequential


@pytest.mark.parametrize("name", layers.LAYERS)
def test_layers(tmp_path, name):
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((40, 7)).astype(np.float32), rng.integers(0, 3, 40)
    if name == "embedding":
        x = np.abs(x * 9).astype(np.int32) % 11
    models = [Sequential(STACKS[name](), seed=3, backend="numpy") for _ in range(2)]
    for model, epochs in zip(models, (2, 1), strict=True):
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x, y, epochs=epochs, verbose=0)
    models[1].save(tmp_path / "model")
    resumed = Sequential.load(tmp_path / "model")
    assert resumed.layers == models[1].layers
    assert_same_bits(resumed.predict(x), models[1].predict(x))
    resumed.fit(x, y, epochs=2, resume=True, verbose=0)
    for vector in ("_vector", "_statistics", "_slots"):
        assert_same_bits(getattr(resumed, vector), getattr(models[0], vector), vector)
    assert resumed.history.history == models[0].history.history
