"""Keras' weights by name: hand-made arrays in Keras' layout whose outputs are worked out here as Keras defines them."""

from __future__ import annotations

import re
import zipfile
from typing import Any

import h5py
import numpy as np
import pytest

from fastnn import Sequential
from fastnn import layers as L
from fastnn.errors import InvalidTypeError, InvalidValueError, MissingPackageError, NotBuiltError
from fastnn.exchange import load_keras_weights
from fastnn.exchange.keras_files import read_keras_file
from fastnn.exchange.leaves import leaves

RNG = np.random.default_rng(3)


def model_of(layers: list[Any], shape: tuple[int, ...]) -> Sequential:
    model = Sequential(layers, dtype="float64", backend="numpy")
    model.build(shape)
    return model


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def draw(*shape: int) -> Any:
    return RNG.standard_normal(shape)


def test_dense_and_batch_normalization():
    kernel, bias, gamma, beta, mean, variance = draw(3, 2), draw(2), draw(2), draw(2), draw(2), draw(2) ** 2
    model = model_of([L.Dense(2, "relu"), L.Dropout(0.5), L.BatchNormalization(epsilon=0.01)], (3,))
    load_keras_weights(model, {"dense": [kernel, bias], "batch_normalization": [gamma, beta, mean, variance]})
    x = draw(5, 3)
    want = (np.maximum(x @ kernel + bias, 0) - mean) / np.sqrt(variance + 0.01) * gamma + beta
    np.testing.assert_allclose(model.predict(x), want, rtol=1e-12, atol=1e-12)


def test_convolution():
    kernel, bias = draw(2, 3, 2, 4), draw(4)
    model = model_of([L.Conv2D(4, (2, 3))], (3, 4, 2))
    load_keras_weights(model, {"conv2d_5": [kernel, bias]})
    x = draw(1, 3, 4, 2)
    want = [[(x[0, r : r + 2, c : c + 3, :, None] * kernel).sum((0, 1, 2)) + bias for c in range(2)] for r in range(2)]
    np.testing.assert_allclose(model.predict(x)[0], want, rtol=1e-12, atol=1e-12)


def lstm(x: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    """Return the last output as Keras defines it: gates i, f, c, o."""
    h = c = np.zeros((len(x), len(recurrent)))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru(x: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    """Return the last output as Keras defines it with reset_after: gates z, r, h; bias rows of inputs and states."""
    h = np.zeros((len(x), len(recurrent)))
    for t in range(x.shape[1]):
        xz, xr, xh = np.split(x[:, t] @ kernel + bias[0], 3, axis=1)
        hz, hr, hh = np.split(h @ recurrent + bias[1], 3, axis=1)
        z, r = sigmoid(xz + hz), sigmoid(xr + hr)
        h = z * h + (1 - z) * np.tanh(xh + r * hh)
    return h


def test_lstm_and_gru():
    x = draw(4, 5, 2)
    arrays = [draw(2, 12), draw(3, 12), draw(12)]
    model = model_of([L.LSTM(3)], (5, 2))
    load_keras_weights(model, {"lstm_1": arrays})
    np.testing.assert_allclose(model.predict(x), lstm(x, *arrays), rtol=1e-12, atol=1e-12)
    arrays = [draw(2, 9), draw(3, 9), draw(2, 9)]
    model = model_of([L.GRU(3)], (5, 2))
    load_keras_weights(model, {"gru": arrays})
    np.testing.assert_allclose(model.predict(x), gru(x, *arrays), rtol=1e-12, atol=1e-12)
    both = [draw(2, 9), draw(3, 9), draw(2, 9)]
    model = model_of([L.Bidirectional(L.GRU(3))], (5, 2))
    load_keras_weights(model, {"bidirectional": [*arrays, *both]})
    want = np.concatenate([gru(x, *arrays), gru(x[:, ::-1], *both)], axis=1)
    np.testing.assert_allclose(model.predict(x), want, rtol=1e-12, atol=1e-12)


def two_dense() -> tuple[Sequential, dict[str, list[Any]]]:
    return model_of([L.Dense(3), L.Dense(3)], (3,)), {n: [draw(3, 3), draw(3)] for n in ("dense_10", "dense_9")}


def test_keras_own_names_are_matched_by_kind_and_number():
    model, arrays = two_dense()
    load_keras_weights(model, arrays)  # 9 comes before 10, in whatever order they stand
    assert np.array_equal(model.weights["W1"].T, arrays["dense_9"][0])
    assert np.array_equal(model.weights["W2"].T, arrays["dense_10"][0])
    mixed = model_of([L.Dense(3), L.LayerNormalization(), L.PReLU(), L.Dense(3)], (3,))
    norm, slopes = [draw(3), draw(3)], [draw(3)]
    load_keras_weights(mixed, {**arrays, "p_re_lu": slopes, "layer_normalization_3": norm, "dropout": []})
    assert np.array_equal(mixed.get_weights()[2], norm[0])
    assert np.array_equal(mixed.weights["alpha3"], slopes[0])
    assert np.array_equal(mixed.weights["W4"].T, arrays["dense_10"][0])


def test_other_names_are_matched_in_order():
    model, arrays = two_dense()
    load_keras_weights(model, {"hidden": arrays["dense_10"], "dense_9": arrays["dense_9"]})
    assert np.array_equal(model.weights["W1"].T, arrays["dense_10"][0])
    with pytest.raises(InvalidValueError, match=r"layer 2 \(Dense\) meets 'gru', a gru; layers are matched in order"):
        load_keras_weights(model, {"hidden": arrays["dense_10"], "gru": arrays["dense_9"]})


def test_layers_inside_branches_are_layers():
    model = model_of([L.Residual([L.Dense(3, "relu"), L.Dense(3)], [L.Dense(3)]), L.Dense(2)], (3,))
    assert [leaf.label for leaf in leaves(model)][:2] == [
        "layer 1, branch 1, 1 (Dense)",
        "layer 1, branch 2, 1 (Dense)",
    ]
    arrays = {f"dense_{k}": [draw(3, 3), draw(3)] for k in range(3)} | {"dense_3": [draw(3, 2), draw(2)]}
    load_keras_weights(model, arrays)
    for k in range(4):
        assert np.array_equal(model.weights[f"W{k + 1}"].T, arrays[f"dense_{k}"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dense_9": [np.ones((3, 3))]}, "'dense_9' for layer 1 (Dense) must hold arrays of shapes (3, 3), (3,), got"),
        ({"dense_10": [np.ones((3, 2)), np.ones(3)]}, "'dense_10' for layer 2 (Dense) must hold arrays of shapes"),
        ({"dense_11": [np.ones((3, 3)), np.ones(3)]}, "the model has 2 layers with weights (layer 1 (Dense), layer 2"),
        ({"dense_10": [], "gru": [np.ones((3, 3))]}, "2 layers of kind 'dense', got 1 among dense_9, gru"),
        ({"dense_10": [np.full((3, 3), np.nan), np.ones(3)]}, "W2 holds nan"),
    ],
)  # fmt: skip
def test_nothing_is_written_unless_all_fits(change, message):
    model, arrays = two_dense()
    before = model.parameters.copy()
    with pytest.raises(InvalidValueError, match=re.escape(message)):
        load_keras_weights(model, {**arrays, **change})
    assert np.array_equal(model.parameters, before)


def test_other_things_are_refused():
    model, arrays = two_dense()
    with pytest.raises(InvalidTypeError, match=re.escape("array 0 of 'dense_9' for layer 1 (Dense) must hold real")):
        load_keras_weights(model, {**arrays, "dense_9": [np.full((3, 3), "a"), np.ones(3)]})
    with pytest.raises(InvalidTypeError, match="layers are named by strings, got"):
        load_keras_weights(model, {0: arrays["dense_9"], 1: arrays["dense_10"]})
    with pytest.raises(NotBuiltError):
        load_keras_weights(Sequential([L.Dense(2)]), arrays)
    with pytest.raises(InvalidValueError, match="reset_after=False"):
        load_keras_weights(model_of([L.GRU(3)], (5, 2)), {"gru": [draw(2, 9), draw(3, 9), draw(9)]})


def recurrent_model() -> tuple[Sequential, dict[str, list[Any]]]:
    layers = [L.Bidirectional(L.GRU(2, return_sequences=True)), L.Dropout(0.1), L.LSTM(3), L.Dense(2), L.Dense(2)]
    arrays = {
        "bidirectional": [draw(2, 6), draw(2, 6), draw(2, 6), draw(2, 6), draw(2, 6), draw(2, 6)],
        "lstm": [draw(4, 12), draw(3, 12), draw(12)],
        "dense": [draw(3, 2), draw(2)],
        "dense_1": [draw(2, 2), draw(2)],
    }
    return model_of(layers, (4, 2)), arrays


def write_keras_3(file: Any, arrays: dict[str, list[Any]]) -> None:
    """Write arrays as Keras 3 does."""
    for name, values in arrays.items():
        paths = {"bidirectional": ["forward_layer/cell"] * 3 + ["backward_layer/cell"] * 3, "lstm": ["cell"] * 3}
        inside = paths.get(name, ["."] * len(values))
        for k, value in enumerate(values):
            number = k % 3 if name == "bidirectional" else k
            file[f"layers/{name}/{inside[k]}/vars/{number}".replace("/./", "/")] = value
    file["layers/dropout/seed_generator/vars/0"] = np.array([1, 2], np.uint32)
    file["optimizer/vars/0"] = np.array(3)


def write_keras_2(file: Any, arrays: dict[str, list[Any]], pieces: bool) -> None:
    """Write arrays as Keras 2 does; long lists of names lie in pieces."""
    root = file.create_group("model_weights")
    names = [name.encode() for name in (*arrays, "dropout")]
    if pieces:
        root.attrs["layer_names0"], root.attrs["layer_names1"] = names[:2], names[2:]
    else:
        root.attrs["layer_names"] = names
    for name in (*arrays, "dropout"):
        group = root.create_group(name)
        values = arrays.get(name, [])
        group.attrs["weight_names"] = [f"{name}/part_{k}:0".encode() for k in range(len(values))]
        for k, value in enumerate(values):
            group[f"{name}/part_{k}:0"] = value


@pytest.mark.parametrize("form", ["model.weights.h5", "model.h5", "pieces.h5", "model.keras", "model.npz"])
def test_files(tmp_path, form):
    model, arrays = recurrent_model()
    path = tmp_path / form
    if form.endswith(".npz"):
        np.savez(path, **{f"{name}/{k}": a for name, values in arrays.items() for k, a in enumerate(values)})
    elif form in ("model.h5", "pieces.h5"):
        with h5py.File(path, "w") as file:
            write_keras_2(file, arrays, form == "pieces.h5")
    else:
        with h5py.File(tmp_path / "inside.h5", "w") as file:
            write_keras_3(file, arrays)
        if form.endswith(".keras"):
            with zipfile.ZipFile(path, "w") as whole:
                whole.write(tmp_path / "inside.h5", "model.weights.h5")
        else:
            (tmp_path / "inside.h5").rename(path)
    load_keras_weights(model, path)
    other, _ = recurrent_model()
    load_keras_weights(other, arrays)
    assert np.array_equal(model.parameters, other.parameters)
    x = draw(3, 4, 2)
    assert np.array_equal(model.predict(x), other.predict(x))


@pytest.mark.parametrize("name", ["model.weights.h5", "model.keras", "model.npz"])
def test_damaged_files(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04 not what it seems")
    with pytest.raises(InvalidValueError, match="cannot be read as Keras weights"):
        read_keras_file(path)


def test_files_that_hold_something_else(tmp_path):
    with pytest.raises(InvalidValueError, match=re.escape("weights come from .weights.h5, .h5, .keras or .npz, got")):
        (tmp_path / "model.txt").write_text("")
        read_keras_file(tmp_path / "model.txt")
    with pytest.raises(FileNotFoundError, match="no file"):
        read_keras_file(tmp_path / "none.h5")
    np.savez(tmp_path / "flat.npz", kernel=np.ones(3))
    with pytest.raises(InvalidValueError, match=r"arrays of an \.npz are named layer/0, layer/1, \.\.\., got 'kernel'"):
        read_keras_file(tmp_path / "flat.npz")
    np.savez(tmp_path / "objects.npz", **{"dense/0": np.array([{}], object)})
    with pytest.raises(InvalidValueError, match="cannot be read as Keras weights"):
        read_keras_file(tmp_path / "objects.npz")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["a"] = 1
    with pytest.raises(InvalidValueError, match="no layers in it"):
        read_keras_file(tmp_path / "other.h5")


def test_h5py_missing(tmp_path, monkeypatch):
    (tmp_path / "model.h5").write_bytes(b"")
    monkeypatch.setattr("fastnn.optional.installed", lambda package: package != "h5py")
    with pytest.raises(MissingPackageError, match=re.escape("pip install 'fastnn[keras]'")):
        read_keras_file(tmp_path / "model.h5")
