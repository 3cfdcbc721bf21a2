"""Predictions of several axes: a class for each step or pixel, images out of autoencoders.

A loss over classes is the mean over positions, each with its own softmax; a loss over numbers is the mean over all of
them; a metric sees each position as a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from bits import assert_same_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Stack, assert_same_quantities, make_data, quantities, start
from test_backend_functions import both
from test_parity import check, launches  # noqa: F401

from fastnn import backends, layers, losses
from fastnn.errors import InvalidValueError
from fastnn.models import Sequential
from fastnn.optimizers import Adam
from fastnn.plan.data import Data

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])
SPARSE, DENSE = "sparse_categorical_crossentropy", "categorical_crossentropy"


def probabilities(z: Any) -> Any:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.needs_jit
@DTYPES
def test_each_position_has_its_own_softmax(dtype):
    rng = np.random.default_rng(1)
    for positions, samples in ((1, 3), (2, 1), (3, 65), (5, 130)):
        Z, Y = rng.normal(size=(positions * 4, samples)).astype(dtype), rng.random((positions * 4, samples))
        Y, weight = Y.astype(dtype), rng.random(samples).astype(dtype)
        parts = list(zip(np.split(Y, positions), np.split(Z, positions), strict=True))
        one = np.ones(samples, dtype)
        total = np.zeros(samples, dtype)
        for y, z in parts:
            total = total + both("softmax_crossentropy_value", y, z, one)
        wanted = total / dtype(positions) * weight
        assert_same_bits(both("softmax_crossentropy_value", Y, Z, weight, positions), wanted)
        of_each = np.concatenate([both("softmax_crossentropy_gradient", y, z, one) for y, z in parts])
        assert_same_bits(
            both("softmax_crossentropy_gradient", Y, Z, weight, positions), of_each / dtype(positions) * weight
        )
        loss = losses.get("kl_divergence")
        P = np.abs(Z)
        whole = both("loss_value", loss.value, False, None, Y, P, one)
        assert_same_bits(
            both("loss_value", loss.value, False, None, Y, P, weight, positions), whole / dtype(positions) * weight
        )
        whole = both("loss_gradient", loss.derivative, False, None, False, Y, P, P, one)
        assert_same_bits(
            both("loss_gradient", loss.derivative, False, None, False, Y, P, P, weight, positions),
            whole / dtype(positions) * weight,
        )


def check_parity(network: Stack, dtype: Any, samples: int, batch: int, special: bool = False) -> None:
    plan = network.plan()
    data = make_data(plan, dtype, samples, 3, special=special, weighted=True, order="permutation")
    results = [
        quantities(backends.get_backend(name), plan, dtype, data, batch, steps=2, parameters=start(plan, dtype))
        for name in ("numpy", "numba")
    ]
    assert_same_quantities(*results, f"{samples} samples, batch {batch}")


def tagger(activation: str, classes: int = 4) -> Any:
    return lambda: [layers.Dense(5, "tanh"), layers.Dense(classes, activation)]


@pytest.mark.needs_jit
@pytest.mark.parametrize("loss, activation", [
    (SPARSE, "softmax"), (DENSE, "softmax"), (SPARSE + "_from_logits", "linear"), (DENSE + "_from_logits", "linear"),
    ("kl_divergence", "softmax"), (DENSE, "sigmoid"), ("mse", "softmax"), ("binary_crossentropy", "sigmoid"),
    ("mse", "linear"), ("huber", "tanh"),
])  # fmt: skip
@DTYPES
def test_parity(loss, activation, dtype):
    for samples, shape, special in (
        (1, (3, 2), False),
        (2, (1, 3, 2), False),
        (17, (5, 2), True),
        (66, (2, 3, 1), True),
    ):
        check_parity(Stack(tagger(activation), shape, loss), dtype, samples, 64, special)


STACKS = {
    "labels": Stack(tagger("softmax"), (3, 2), SPARSE),
    "one-hot": Stack(tagger("linear"), (2, 3, 2), DENSE + "_from_logits"),
    "sum over classes": Stack(tagger("softmax"), (3, 2), "kl_divergence"),
}


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", STACKS)
@DTYPES
def test_parity_on_two_threads(launches, name, dtype):  # noqa: F811
    plan = STACKS[name].plan()
    for samples, batch in ((17, 17), (40, 40), (150, 130)):  # 40 samples are shared out in small blocks
        check(launches, plan, dtype, make_data(plan, dtype, samples, weighted=True, order="repeats"), batch)


@pytest.mark.needs_jit
def test_parity_of_many_samples():
    check_parity(Stack(tagger("softmax"), (3, 2), SPARSE), np.float32, 2600, 2500)


@pytest.mark.needs_jit
@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 5), st.sampled_from([SPARSE, DENSE]),
    st.sampled_from([np.float32, np.float64]), st.sampled_from([1, 30, 66]),
)  # fmt: skip
def test_parity_of_any_shape(shape, classes, loss, dtype, samples):
    check_parity(Stack(tagger("softmax", classes), tuple(shape), loss), dtype, samples, 64)


@pytest.mark.needs_jit
@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint8])
def test_labels_of_any_layout(kind):
    plan = Stack(tagger("softmax"), (3, 2), SPARSE).plan()
    x, y = make_data(plan, np.float32, 66).x, np.random.default_rng(0).integers(0, 4, (66, 3)).astype(kind)
    expected = quantities(backends.get_backend("numpy"), plan, np.float32, Data(x, y), 64)
    for labels in (y, np.asfortranarray(y), np.repeat(y, 2, axis=1)[:, ::2]):
        found = quantities(backends.get_backend("numba"), plan, np.float32, Data(x, labels), 64)
        assert_same_quantities(expected, found, f"labels of strides {labels.strides}")


def samples(n: int = 40) -> tuple[Any, Any]:
    """Return images of (3, 4) pixels of 2 channels, and a class 0 to 2 of each pixel."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, 3, 4, 2))
    return x, (x[..., 0] > 0).astype(int) + ((x[..., 0] > 0) & (x[..., 1] > 0))


def built(backend: str, activation: str = "softmax", **options: Any) -> Sequential:
    model = Sequential([layers.Dense(6, "tanh"), layers.Dense(3, activation)], dtype="float64", seed=2, backend=backend)
    model.compile("sgd", **{"loss": SPARSE, **options})
    model.build((3, 4, 2))
    return model


@BACKENDS
def test_losses_and_metrics_by_hand(backend):
    x, labels = samples()
    one_hot = np.eye(3)[labels]
    weight = np.random.default_rng(6).random(40)
    model = built(backend)
    p = model.predict(x)
    assert p.shape == (40, 3, 4, 3)
    each = -np.log(np.take_along_axis(p, labels[..., None], -1)[..., 0]).mean((1, 2))
    right = (p.argmax(-1) == labels).mean((1, 2))
    for loss, accuracy, targets in ((SPARSE, "sparse_categorical_accuracy", (labels, labels[..., None])),
                                    (DENSE, "categorical_accuracy", (one_hot,))):  # fmt: skip
        model.compile("sgd", loss, metrics=["accuracy", accuracy, "sparse_top_k_categorical_accuracy"][:2])
        for y in targets:
            np.testing.assert_allclose(model.evaluate(x, y), [each.mean(), right.mean(), right.mean()], rtol=1e-12)
            np.testing.assert_allclose(
                model.evaluate(x, y, sample_weight=weight),
                [(each * weight).mean(), *[(right * weight).sum() / weight.sum()] * 2], rtol=1e-12,
            )  # fmt: skip
    assert_same_bits(model.predict_classes(x), p.argmax(-1))


@BACKENDS
@pytest.mark.parametrize("loss", [SPARSE, DENSE, SPARSE + "_from_logits", "kl_divergence", "mse"])
def test_gradients_are_differences(loss, backend):
    x, y = samples(3)
    if "sparse" not in loss:
        y = np.eye(3)[y] * 0.8 + 0.1
    model = built(backend, "linear" if "logits" in loss else "softmax", loss=loss)
    found = model.gradients(x, y)
    for name, weights in model.weights.items():
        for at in np.ndindex(weights.shape):
            kept, values = weights[at], []
            for shift in (1e-6, -1e-6):
                weights[at] = kept + shift
                values.append(model.evaluate(x, y))
            weights[at] = kept
            np.testing.assert_allclose(found[name][at], (values[0] - values[1]) / 2e-6, rtol=1e-6, atol=1e-9)


@BACKENDS
def test_pytorch_agrees(backend):
    torch = pytest.importorskip("torch")
    x, y = samples(5)
    model = built(backend)
    weights = [torch.tensor(w, requires_grad=True) for w in model.weights.values()]
    W1, b1, W2, b2 = weights
    z = torch.tanh(torch.tensor(x) @ W1.T + b1) @ W2.T + b2
    loss = torch.nn.functional.cross_entropy(z.permute(0, 3, 1, 2), torch.tensor(y))
    loss.backward()
    np.testing.assert_allclose(model.evaluate(x, y), loss.item(), rtol=1e-12)
    for gradient, w in zip(model.gradients(x, y).values(), weights, strict=True):
        np.testing.assert_allclose(gradient, w.grad.numpy(), atol=1e-10)


@pytest.mark.needs_jit
@pytest.mark.parametrize("loss", [SPARSE, DENSE])
def test_training_learns_and_has_the_same_bits(loss):
    x, labels = samples(300)
    y = labels if loss == SPARSE else np.eye(3)[labels]
    models = [built(backend, loss=loss, metrics=["accuracy"]) for backend in ("numpy", "numba")]
    for model in models:
        model.compile(Adam(0.03), loss, metrics=["accuracy"])
        model.fit(x, y, batch_size=64, epochs=30, verbose=0, validation_split=0.2)
    assert_same_bits(models[0].parameters, models[1].parameters)
    assert models[0].history.history == models[1].history.history
    assert models[0].history.history["val_accuracy"][-1] > 0.8 > models[0].history.history["accuracy"][0]


def autoencoder() -> list[Any]:
    """Return a stack that takes images of (6, 4) pixels and returns such."""
    return [
        layers.Dense(4, "relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(12, "tanh"),
        layers.Reshape((3, 2, 2)),
        layers.UpSampling2D(),
        layers.Dense(4, "relu"),
        layers.Dense(1, "sigmoid"),
    ]


@pytest.mark.needs_jit
@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy"])
def test_an_autoencoder_trains_to_the_same_bits(loss):
    rng = np.random.default_rng(8)
    x = (rng.random((100, 6, 4, 1)) < 0.3).astype(np.float32)
    x[:, 3:] = x[:, :3]
    models = [Sequential(autoencoder(), seed=1, backend=backend) for backend in ("numpy", "numba")]
    for model in models:
        model.compile("adam", loss, metrics=["mse", "binary_accuracy"])
        model.fit(x, x, batch_size=32, epochs=5, verbose=0)
    assert_same_bits(models[0].parameters, models[1].parameters)
    assert models[0].history.history == models[1].history.history
    found, p = models[1].evaluate(x, x[..., 0], return_dict=True), models[1].predict(x).astype(np.float64)
    each = (p - x) ** 2 if loss == "mse" else -np.log(np.where(x == 1, p, 1 - p))
    np.testing.assert_allclose(
        [found["loss"], found["mse"], found["binary_accuracy"]],
        [each.mean(), ((p - x) ** 2).mean(), ((p > 0.5) == (x > 0.5)).mean()], rtol=1e-5,
    )  # fmt: skip
    assert models[0].history.history["loss"][-1] < models[0].history.history["loss"][0]


@BACKENDS
def test_a_softmax_of_other_positions_than_the_outputs_is_not_fused(backend):
    x, labels = samples(7)
    y = np.eye(3)[labels].reshape(7, 36)
    model = Sequential([layers.Dense(3, "softmax"), layers.Flatten()], dtype="float64", seed=2, backend=backend)
    model.compile("sgd", DENSE)
    model.build((3, 4, 2))
    np.testing.assert_allclose(model.evaluate(x, y), -(y * np.log(model.predict(x))).sum(1).mean(), rtol=1e-12)


@BACKENDS
def test_a_prediction_does_not_depend_on_the_batch(backend):
    x, _ = samples(70)
    model = built(backend)
    whole = model.predict(x)
    for i in (0, 63, 64, 69):
        assert_same_bits(whole[i : i + 1], model.predict(x[i : i + 1]))


def test_what_does_not_fit_is_named():
    x, y = samples(7)
    model = built("numpy")
    for wrong, message in (
        (y[:, 0], r"y must have shape \(7, 3, 4\) for sparse_categorical_crossentropy, got \(7, 4\)"),
        (y.reshape(7, 12), r"got \(7, 12\)"),
        (y + 1, "labels 0 to 2, got 3"),
        (y[:6], "7 samples, got shape"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            model.fit(x, wrong)
    with pytest.raises(InvalidValueError, match=r"class_weight takes one class a sample, got predictions of shape \(3"):
        model.fit(x, y, class_weight={0: 2.0})
    model.compile("sgd", DENSE)
    with pytest.raises(InvalidValueError, match=r"y must have shape \(7, 3, 4, 3\) for categorical_crossentropy, got"):
        model.fit(x, y)
