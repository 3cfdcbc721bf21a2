"""Nothing registered is left without a parity case, and every registry of the package is known here.

The parity tests run over the registries themselves; this file checks that they do, that each layer trains
to the same bits on both backends, and that the two backends offer the same names.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import test_callbacks
import test_parity
import test_schedules
import test_wrong_backends
from bits import assert_same_bits

import fastnn
from fastnn import backends, layers, regularizers
from fastnn.backends import numba_backend, numpy_backend
from fastnn.backends.numba_backend import random as numba_random
from fastnn.backends.protocol import Backend
from fastnn.initializers import INITIALIZERS
from fastnn.metrics import METRICS
from fastnn.models import Sequential
from fastnn.optimizers import OPTIMIZERS
from fastnn.registry import Registry

pytestmark = pytest.mark.needs_jit

LAYERS: dict[str, Callable[[], list[Any]]] = {
    "dense": lambda: [
        layers.Dense(17, activation="tanh", use_bias=False),
        layers.Dense(3, activation="softmax"),
    ],
    "activation": lambda: [
        layers.Dense(5),
        layers.Activation("gelu"),
        layers.Dense(3),
        layers.Activation("softmax"),
    ],
    "add": lambda: [
        layers.Dense(6, "tanh"),
        layers.Add([[layers.Dense(6)], [layers.Dense(6, "relu")], []]),
        layers.Dense(3, "softmax"),
    ],
    "residual": lambda: [layers.Residual([layers.Dense(9, "tanh")], [layers.Dense(9)]), layers.Dense(3, "softmax")],
    "flatten": lambda: [layers.Reshape((7, 1)), layers.Dense(2, "tanh"), layers.Flatten(), layers.Dense(3, "softmax")],
    "reshape": lambda: [
        layers.Reshape((-1, 1)),
        layers.Dense(2, "relu"),
        layers.Reshape((14,)),
        layers.Dense(3, "softmax"),
    ],
    "dropout": lambda: [layers.Dense(9, "tanh"), layers.Dropout(0.3), layers.Dense(3, "softmax")],
    "spatial_dropout_1d": lambda: [
        layers.Dense(6),
        layers.Reshape((3, 2)),
        layers.SpatialDropout1D(0.5),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    ],
    "spatial_dropout_2d": lambda: [
        layers.Dense(8),
        layers.Reshape((2, 2, 2)),
        layers.SpatialDropout2D(0.5),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    ],
    "gaussian_noise": lambda: [layers.Dense(9), layers.GaussianNoise(0.5), layers.Dense(3, "softmax")],
    "embedding": lambda: [layers.Embedding(11, 5), layers.Flatten(), layers.Dense(3, "softmax")],
    "prelu": lambda: [
        layers.PReLU(),
        layers.Dense(9),
        layers.PReLU("ones", shared_axes=[1]),
        layers.Dense(3, "softmax"),
    ],
    "relu": lambda: [layers.Dense(9), layers.ReLU(), layers.Dense(8), layers.ReLU(0.1), layers.Dense(3, "softmax")],
    "leaky_relu": lambda: [layers.Dense(9), layers.LeakyReLU(), layers.Dense(3, "softmax")],
    "elu": lambda: [layers.Dense(9), layers.ELU(0.5), layers.Dense(3, "softmax")],
    "softmax": lambda: [layers.Dense(9), layers.Softmax(), layers.Dense(3), layers.Softmax()],
    "activity_regularization": lambda: [
        layers.ActivityRegularization(0.1),
        layers.Dense(9, "tanh"),
        layers.ActivityRegularization(0.01, 0.02),
        layers.Dense(3, "softmax"),
    ],
    "layer_normalization": lambda: [
        layers.LayerNormalization(),
        layers.Dense(9),
        layers.LayerNormalization(center=False),
        layers.Dense(3, "softmax"),
    ],
    "batch_normalization": lambda: [
        layers.BatchNormalization(),
        layers.Dense(9),
        layers.BatchNormalization(scale=False),
        layers.Dense(3, "softmax"),
    ],
    **{
        f"{kind}_pooling_1d": lambda layer=layer: [
            layers.Dense(14, "tanh"),
            layers.Reshape((7, 2)),
            layer(),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
        for kind, layer in {
            "max": layers.MaxPooling1D,
            "average": layers.AveragePooling1D,
            "global_max": layers.GlobalMaxPooling1D,
            "global_average": layers.GlobalAveragePooling1D,
        }.items()
    },
    **{
        f"{kind}_pooling_2d": lambda layer=layer: [
            layers.Dense(40, "tanh"),
            layers.Reshape((5, 4, 2)),
            layer(),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
        for kind, layer in {
            "max": layers.MaxPooling2D,
            "average": layers.AveragePooling2D,
            "global_max": layers.GlobalMaxPooling2D,
            "global_average": layers.GlobalAveragePooling2D,
        }.items()
    },
    "concatenate": lambda: [
        layers.Concatenate([[layers.Dense(4, "tanh")], [layers.Dense(3), layers.Dense(2, "relu")], []]),
        layers.Dense(3, "softmax"),
    ],
    **{
        kind: lambda layer=layer: [
            layers.Dense(30, "tanh"),
            layers.Reshape((5, 6)),
            layer,
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
        for kind, layer in {
            "zero_padding_1d": layers.ZeroPadding1D(),
            "cropping_1d": layers.Cropping1D(),
            "up_sampling_1d": layers.UpSampling1D(),
            "permute": layers.Permute((2, 1)),
        }.items()
    },
    **{
        kind: lambda layer=layer: [
            layers.Dense(24, "tanh"),
            layers.Reshape((3, 4, 2)),
            layer,
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
        for kind, layer in {
            "zero_padding_2d": layers.ZeroPadding2D(),
            "cropping_2d": layers.Cropping2D(),
            "up_sampling_2d": layers.UpSampling2D(),
        }.items()
    },
    **{
        kind: lambda make=make: [layers.Reshape((7, 1, 1)), make(), layers.Flatten(), layers.Dense(3, "softmax")]
        for kind, make in {
            "conv2d": lambda: layers.Conv2D(5, (3, 1), activation="relu"),
            "depthwise_conv2d": lambda: layers.DepthwiseConv2D((3, 1), depth_multiplier=3),
            "conv2d_transpose": lambda: layers.Conv2DTranspose(2, (3, 2), 2),
        }.items()
    },
    "conv1d": lambda: [
        layers.Reshape((7, 1)),
        layers.Conv1D(4, 3, padding="same", activation="tanh"),
        layers.Flatten(),
        layers.Dense(3, "softmax"),
    ],
    "simple_rnn": lambda: [layers.Reshape((7, 1)), layers.SimpleRNN(5), layers.Dense(3, "softmax")],
    "lstm": lambda: [layers.Reshape((7, 1)), layers.LSTM(5), layers.Dense(3, "softmax")],
    "gru": lambda: [
        layers.Reshape((7, 1)),
        layers.GRU(5, return_sequences=True),
        layers.GRU(3, "softplus"),
        layers.Dense(3, "softmax"),
    ],
    "bidirectional": lambda: [layers.Reshape((7, 1)), layers.Bidirectional(layers.LSTM(4)), layers.Dense(3, "softmax")],
    "time_distributed": lambda: [
        layers.Reshape((7, 1)),
        layers.TimeDistributed(layers.Dense(2, "tanh")),
        layers.GRU(4),
        layers.Dense(3, "softmax"),
    ],
    "masking": lambda: [layers.Reshape((7, 1)), layers.Masking(), layers.GRU(4), layers.Dense(3, "softmax")],
}
"""A stack that ends in 3 probabilities, with each registered layer in it."""


def parameters(test: Any, name: str) -> set[Any]:
    """Return the values that a test function is parametrized by."""
    for mark in test.pytestmark:
        if mark.name == "parametrize" and mark.args[0] == name:
            return set(mark.args[1])
    raise AssertionError(f"{test.__name__} has no parameter {name!r}")


# registry: the names that have a parity case (all of them walk the registry, or are checked against it)
CASES: dict[str, Callable[[], Iterable[str]]] = {
    "activation": lambda: parameters(test_parity.test_activations, "name"),
    "loss": lambda: parameters(test_parity.test_losses, "name"),
    "update rule": lambda: {o.rule.name for o in test_parity.OPTIMIZERS.values()},
    "optimizer": lambda: {o.name for o in test_parity.OPTIMIZERS.values()},
    "initializer": lambda: parameters(test_initializers, "name"),
    "layer": lambda: LAYERS,
    "metric": lambda: parameters(test_metrics, "name"),
    "callback": lambda: test_callbacks.CASES,
    "schedule": lambda: test_schedules.CASES,
}


@pytest.mark.parametrize("name", INITIALIZERS)
def test_initializers(name):
    for dtype in (np.float32, np.float64):
        arguments = ((17, 65), 65, 17, dtype, 7, 3)
        assert_same_bits(INITIALIZERS[name]()(*arguments), INITIALIZERS[name]()(*arguments, random=numba_random))


def trained(backend: str, stack: list[Any], **options: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((70, 7)).astype(np.float32), rng.integers(0, 3, 70)
    if isinstance(stack[0], layers.Embedding):
        x = np.abs(x * 9).astype(np.int32) % stack[0].input_dim
    model = Sequential(stack, seed=3, backend=backend)
    loss = options.pop("loss", "sparse_categorical_crossentropy")
    if loss == "binary_crossentropy":
        y = (y > 0).astype(np.float32)
    elif not loss.startswith("sparse"):
        y = np.eye(3, dtype=np.float32)[y]
    model.compile(loss=loss, **options)
    history = model.fit(x, y, batch_size=32, epochs=2, verbose=0)
    return model, history.history


def check_models(stack: Callable[[], list[Any]], **options: Any) -> None:
    (a, ours), (b, theirs) = (trained(backend, stack(), **options) for backend in ("numpy", "numba"))
    assert a.backend is numpy_backend or a.backend == "numpy"
    assert b.backend is numba_backend or b.backend == "numba"
    assert np.isfinite(a.parameters).all()
    assert_same_bits(a.parameters, b.parameters)
    assert ours == theirs


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    assert any(type(layer) is layers.LAYERS[name] for layer in LAYERS[name]())
    check_models(LAYERS[name])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_by_name(name):
    check_models(LAYERS["dense"], optimizer=name)


@pytest.mark.parametrize("name", METRICS)
def test_metrics(name):
    sparse = name.startswith("sparse")
    loss = "sparse_categorical_crossentropy" if sparse else "categorical_crossentropy"
    if "binary" in name or name == "auc":
        check_models(lambda: [layers.Dense(1, activation="sigmoid")], loss="binary_crossentropy", metrics=[name])
    else:
        check_models(LAYERS["dense"], loss=loss, metrics=[name])


@pytest.mark.parametrize("name", regularizers.NAMED)
def test_regularizers_by_name(name):
    for argument in ("kernel_regularizer", "bias_regularizer", "activity_regularizer"):
        check_models(lambda argument=argument: [layers.Dense(3, "softmax", **{argument: name})])


def registries() -> dict[str, Registry[Any]]:
    """Return every registry that a module of the package holds, by kind."""
    found = {}
    for module in pkgutil.walk_packages(fastnn.__path__, "fastnn."):
        # what needs peers that are not installed holds none, and scripts run when they are imported
        if (
            ".bench.peers" in module.name
            or ".bench.scripts" in module.name
            or module.name.endswith(("__main__", ".torch_modules"))
        ):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, Registry):
                found[value.kind] = value
    return found


def test_every_entry_of_every_registry_has_a_case():
    found = registries()
    assert set(found) == set(CASES), "a registry without cases"
    for kind, registry in found.items():
        missing = set(registry) - set(CASES[kind]())
        assert not missing, f"{kind}: no parity case for {sorted(missing)}"
        assert len(registry) >= 2


def test_a_missing_case_is_seen(monkeypatch):
    kind = "loss"
    one = next(iter(registries()[kind]))
    left = set(CASES[kind]()) - {one}
    monkeypatch.setitem(CASES, kind, lambda: left)
    with pytest.raises(AssertionError, match=f"loss: no parity case for .*{one}"):
        test_every_entry_of_every_registry_has_a_case()


def test_every_op_has_a_wrong_version():
    test_wrong_backends.test_every_op_and_function_has_its_wrong_version()


def test_both_backends_offer_the_protocol():
    names = {name for name, value in vars(Backend).items() if inspect.isfunction(value) and name[0] != "_"}
    names.add("random")
    assert len(names) > 20
    for backend in (numpy_backend, numba_backend):
        assert names <= set(backend.__all__), backend.__name__
        assert all(getattr(backend, name) for name in names)
    assert set(numpy_backend.__all__) == set(numba_backend.__all__)
    for name in names:
        assert getattr(numpy_backend, name) is not getattr(numba_backend, name), f"{name} is one object"
    assert set(numpy_backend.random.__all__) <= set(dir(numba_backend.random))
    for name in numpy_backend.random.__all__:
        assert getattr(numpy_backend.random, name) is not getattr(numba_backend.random, name)
    assert set(backends.BACKENDS) == {"numba", "numpy"}


def test_the_numba_backend_has_a_file_for_each_of_the_reference():
    reference, fast = (
        {m.name for m in pkgutil.iter_modules(backend.__path__)} for backend in (numpy_backend, numba_backend)
    )
    assert reference <= fast


def test_two_threads_read_a_table_that_is_being_filled(tmp_path, monkeypatch):
    package = tmp_path / "slowly_filled"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from fastnn.registry import Registry\nTABLE = Registry('thing', 'slowly_filled')\n"
    )
    (package / "late.py").write_text(
        "import time\nfrom slowly_filled import TABLE\nassert 'late' not in TABLE\ntime.sleep(0.2)\n"
        "TABLE.register('late', 7)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    table = importlib.import_module("slowly_filled").TABLE
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(table.__getitem__, ["late"] * 4)) == [7] * 4
