"""Damaged and hostile files: one documented exception, memory bounded by the file, and never a wrong model."""

from __future__ import annotations

import json
import os
import random
import resource
import struct
import tracemalloc

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn import layers, metrics
from fastnn.errors import FileFormatError, InvalidValueError
from fastnn.files import read_safetensors, safetensors_parts
from fastnn.models import Sequential
from fastnn.optimizers import Adam

MEMORY = 1 << 30
"""Bytes that the process may grow by in a test."""


@pytest.fixture(autouse=True)
def _bounded_memory():
    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def small():
    model = Sequential([layers.Dense(2, "tanh"), layers.BatchNormalization(), layers.Dense(1)], backend="numpy")
    model.compile(Adam(0.01), "mse", metrics=["mae"])
    model.fit(np.eye(3), np.ones(3), epochs=2, batch_size=2, verbose=0)
    return model


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "model.safetensors"
    small().save(path)
    return path.read_bytes()


def state(model):
    fit = None if model._fit is None else repr(vars(model._fit.state()))
    vectors = [None if v is None else v.tobytes() for v in (model._vector, model._statistics, model._slots)]
    return vectors, repr((model.layers, model.optimizer, model.history.history, vars(model._counter), fit))


def load(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    return Sequential.load(path)


def test_every_truncation(tmp_path, good):
    path = tmp_path / "model.safetensors"
    path.write_bytes(good)
    for length in reversed(range(len(good))):
        os.truncate(path, length)
        with pytest.raises(FileFormatError):
            Sequential.load(path)
    for more in (b"\0", b" " * 8, good):
        with pytest.raises(FileFormatError):
            load(tmp_path, good + more)


def test_every_byte_flipped(tmp_path, good):
    """No flip is taken for another model: most are refused, the rest (white space) change nothing."""
    rng = random.Random(7)
    expected, accepted = state(load(tmp_path, good)), 0
    path = tmp_path / "model.safetensors"
    with open(path, "r+b", buffering=0) as file:
        for place, byte in enumerate(good):
            mask = rng.choice([1, 2, 4, 8, 16, 32, 64, 128, 255, rng.randrange(1, 256)])
            os.pwrite(file.fileno(), bytes([byte ^ mask]), place)
            try:
                model = Sequential.load(path)
            except FileFormatError:
                pass
            else:
                accepted += 1
                assert state(model) == expected
            os.pwrite(file.fileno(), bytes([byte]), place)
    assert accepted < 20
    assert state(Sequential.load(path)) == expected


def test_random_bytes_and_other_files(tmp_path):
    rng = random.Random(3)
    for size in (0, 1, 7, 8, 9, 100, 5000):
        with pytest.raises(FileFormatError):
            load(tmp_path, rng.randbytes(size))
    for length in (3, 2**31, 2**63, 2**64 - 1, 100_000_001):
        with pytest.raises(FileFormatError, match="header of"):
            load(tmp_path, struct.pack("<Q", length) + b"{}")
    with pytest.raises(FileNotFoundError):
        Sequential.load(tmp_path / "none")
    with pytest.raises(FileFormatError, match="not a regular file"):
        Sequential.load(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for strange in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(FileFormatError, match="not a regular file"):
            Sequential.load(strange)


def raw(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (b"[]", b"", "must be a JSON object"),
        (b"{", b"", "no JSON"),
        (b"\xff\xfe", b"", "no JSON"),
        (b'{"a": NaN}', b"", "no number NaN"),
        (b'{"a": Infinity}', b"", "no number Infinity"),
        (b'{"a": 1, "a": 2}', b"", "a key stands twice"),
        (b'{"__metadata__": {"a": "1", "a": "1"}}', b"", "a key stands twice"),
        (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", b"", "nested too deeply"),
        (b'{"a": ' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001, b"", "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", b"", "no JSON|must have dtype"),
        ({"__metadata__": []}, b"", "strings to strings"),
        ({"__metadata__": {"a": 1}}, b"", "strings to strings"),
        ({"a": []}, b"", "must have dtype"),
        ({"a": {**F32, "more": 1}}, bytes(8), "must have dtype"),
        ({"a": {**F32, "dtype": "F99"}}, bytes(8), "one of the dtypes"),
        ({"a": {**F32, "dtype": ["F32"]}}, bytes(8), "one of the dtypes"),
        ({"a": {**F32, "shape": 2}}, bytes(8), "lists of whole numbers"),
        ({"a": {**F32, "shape": [2.0]}}, bytes(8), "lists of whole numbers"),
        ({"a": {**F32, "shape": [True]}}, bytes(8), "lists of whole numbers"),
        ({"a": {**F32, "shape": [-2]}}, bytes(8), "lists of whole numbers"),
        ({"a": {**F32, "shape": [3]}}, bytes(8), "does not take bytes"),
        ({"a": {**F32, "shape": [2**40, 2**40]}}, bytes(8), "does not take bytes"),
        ({"a": {**F32, "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}}, b"", "tensor 'a'"),
        ({"a": {**F32, "shape": [1] * 33}}, bytes(8), "does not take bytes"),
        ({"a": {**F32, "data_offsets": [8, 0]}}, bytes(8), "does not take bytes"),
        ({"a": {**F32, "data_offsets": [0, 8, 8]}}, bytes(8), "does not take bytes"),
        ({"a": {**F32, "data_offsets": [4, 12]}}, bytes(12), "begins at byte 4"),
        ({"a": F32, "b": {**F32, "data_offsets": [4, 12]}}, bytes(12), "begins at byte 4"),
        ({"a": F32, "b": F32}, bytes(8), "begins at byte 0"),
        ({"a": F32}, bytes(4), "truncated"),
        ({"a": F32}, bytes(12), "too long"),
        ({"a": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}}, b"\1\2", "0 and 1"),
        ({}, b"", "no model of fastnn"),
        ({"a": F32}, bytes(8), "no model of fastnn"),
        ({"__metadata__": {"format": "fastnn", "version": "2"}}, b"", "version '2'"),
        ({"__metadata__": {"format": "fastnn", "version": "1"}}, b"", "no SHA-256"),
    ],
    ids=lambda value: "" if isinstance(value, bytes | dict) else value,
)
def test_headers_that_lie(tmp_path, header, data, message):
    with pytest.raises(FileFormatError, match=message):
        load(tmp_path, raw(header, data))


# --- files whose checksum is right ----------------------------------------------------------------


def remade(good, tmp_path, change):
    """Return a file with a right checksum after ``change(tensors, model, training)``."""
    path = tmp_path / "good"
    path.write_bytes(good)
    contents = read_safetensors(path)
    tensors, metadata = dict(contents.tensors), {k: v for k, v in contents.metadata.items() if k != "sha256"}
    model, training = json.loads(metadata["model"]), json.loads(metadata["training"])
    found = change(tensors, model, training)
    metadata |= {"model": json.dumps(model if found is None else found), "training": json.dumps(training)}
    return b"".join(bytes(part) for part in safetensors_parts(tensors, metadata))


def dense(tree, **settings):
    tree["layers"][0]["layer"][1].update(settings)


def set_in(tree, value, *keys):
    for key in keys[:-1]:
        tree = tree[key]
    tree[keys[-1]] = value


LIES = {
    "a tensor is missing": lambda t, m, f: t.pop("W1") is None,
    "a slot is missing": lambda t, m, f: t.pop("slot1") is None,
    "a tensor too many": lambda t, m, f: t.update(W9=np.zeros(3, np.float32)),
    "carried states of nobody": lambda t, m, f: t.update(carried=np.zeros((2, 3), np.float32)),
    "another shape": lambda t, m, f: t.update(W1=t["W1"].T),
    "another type": lambda t, m, f: t.update(W1=t["W1"].astype(np.float64)),
    "slots too long": lambda t, m, f: t.update(slot0=np.zeros(99, np.float32)),
    "many units": lambda t, m, f: dense(m, units=10**9),
    "more units than memory": lambda t, m, f: dense(m, units=10**15),
    "units beyond 64 bits": lambda t, m, f: dense(m, units=10**30),
    "no units": lambda t, m, f: dense(m, units=0),
    "units in words": lambda t, m, f: dense(m, units="two"),
    "many inputs": lambda t, m, f: set_in(m, [10**12], "input_shape"),
    "inputs of another shape": lambda t, m, f: set_in(m, [3, 1], "input_shape"),
    "inputs in words": lambda t, m, f: set_in(m, "three", "input_shape"),
    "no inputs": lambda t, m, f: set_in(m, [], "input_shape"),
    "weights of an unbuilt model": lambda t, m, f: set_in(m, None, "input_shape"),
    "layers that are none": lambda t, m, f: set_in(m, [3], "layers"),
    "layers that are no list": lambda t, m, f: set_in(m, 3, "layers"),
    "no layers": lambda t, m, f: set_in(m, [], "layers"),
    "an unknown layer": lambda t, m, f: set_in(m, "dens", "layers", 0, "layer", 0),
    "a layer by its module": lambda t, m, f: set_in(m, "fastnn.layers.Dense", "layers", 0, "layer", 0),
    "another optimizer's slots": lambda t, m, f: set_in(m, ["sgd", {"learning_rate": 0.1}], "optimizer", "optimizer"),
    "an unknown optimizer": lambda t, m, f: set_in(m, ["adm", {}], "optimizer", "optimizer"),
    "an optimizer that is none": lambda t, m, f: set_in(m, 3, "optimizer"),
    "a layer for an optimizer": lambda t, m, f: set_in(m, m["layers"][0], "optimizer"),
    "no optimizer": lambda t, m, f: set_in(m, None, "optimizer"),
    "a rate that is none": lambda t, m, f: set_in(m, "fast", "optimizer", "optimizer", 1, "learning_rate"),
    "a negative rate": lambda t, m, f: set_in(m, -1.0, "optimizer", "optimizer", 1, "learning_rate"),
    "an unknown loss": lambda t, m, f: set_in(m, {"loss": ["msse", None]}, "loss"),
    "a loss that is none": lambda t, m, f: set_in(m, "mse", "loss"),
    "metrics that are none": lambda t, m, f: set_in(m, [3], "metrics"),
    "an unknown metric": lambda t, m, f: set_in(m, ["maee"], "metrics"),
    "another dtype": lambda t, m, f: set_in(m, "float64", "dtype"),
    "no dtype": lambda t, m, f: set_in(m, None, "dtype"),
    "a dtype of objects": lambda t, m, f: set_in(m, "O", "dtype"),
    "a seed that is none": lambda t, m, f: set_in(m, -1, "seed"),
    "a seed in words": lambda t, m, f: set_in(m, "one", "seed"),
    "a name that is none": lambda t, m, f: set_in(m, 3, "name"),
    "an entry too few": lambda t, m, f: m.pop("name") is None,
    "an entry too many": lambda t, m, f: m.update(more=1),
    "a model that is a list": lambda t, m, f: [],
    "a negative step": lambda t, m, f: f.update(step=-1),
    "a step of a half": lambda t, m, f: f.update(step=0.5),
    "a huge step": lambda t, m, f: f.update(step=2**70),
    "an epoch in words": lambda t, m, f: f.update(epoch="one"),
    "a history that is none": lambda t, m, f: f.update(history=3),
    "a history of words": lambda t, m, f: f.update(history=[{"dict": [["loss", ["a"]]]}, [0], {"dict": []}]),
    "a history of layers": lambda t, m, f: f.update(history=[{"dict": [["loss", m["layers"]]]}, [0], {"dict": []}]),
    "a training that is none": lambda t, m, f: f.update(fit=3),
    "a training without terms": lambda t, m, f: f["fit"].pop("terms") is None,
    "a position of something else": lambda t, m, f: f["fit"].update(position={"dict": [["epochs", 1]]}),
    "a position before the beginning": lambda t, m, f: set_in(f, -1, "fit", "position", "dict", 0, 1),
    "states of other metrics": lambda t, m, f: f["fit"].update(metrics=[{"dict": []}, {"dict": []}]),
    "a state of another metric": lambda t, m, f: f["fit"].update(metrics=[{"dict": [["_batches", []]]}]),
    "a state of another type": lambda t, m, f: f["fit"].update(metrics=[{"dict": [["_total", 1], ["_weight", "a"]]}]),
    "callbacks that are none": lambda t, m, f: f["fit"].update(callbacks=[3]),
    "callbacks without a state": lambda t, m, f: f["fit"].update(callbacks=[{"dict": [["name", "a"]]}]),
    "an array twice": lambda t, m, f: f["fit"].update(terms={"dict": [["a", {"array": "W1"}], ["b", {"array": "W1"}]]}),
    "an array that is not there": lambda t, m, f: f["fit"].update(terms={"dict": [["a", {"array": "W7"}]]}),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_lies_with_a_right_checksum(tmp_path, good, lie):
    content = remade(good, tmp_path, lambda *parts: LIES[lie](*parts) or None)
    if lie == "a model that is a list":
        content = remade(good, tmp_path, LIES[lie])
    with pytest.raises(FileFormatError):
        load(tmp_path, content)


def test_the_helper_of_these_tests_makes_good_files(tmp_path, good):
    content = remade(good, tmp_path, lambda *parts: None)
    assert state(load(tmp_path, content)) == state(load(tmp_path, good))


BOMBS = {
    "zero padding": [{"layer": ["zero_padding_1d", {"padding": {"tuple": [{"tuple": [10**9, 10**9]}]}}]}],
    "up sampling": [{"layer": ["up_sampling_1d", {"size": 10**10}]}],
    "up sampling again and again": [{"layer": ["up_sampling_1d", {"size": 1000}]}] * 6,
    "shared slopes": [{"layer": ["prelu", {"shared_axes": {"tuple": [1, 2]}}]}],
    "many permutations": [{"layer": ["permute", {"dims": {"tuple": [2, 1]}}]}] * 400,
    "sums of sums": [{"layer": ["add", {"branches": [[], []]}]}] * 60,
    "joins of joins": [{"layer": ["concatenate", {"branches": [[], []], "axis": -1}]}] * 60,
    "layers in layers": [{"layer": ["residual", {"layers": [], "shortcut": []}]}],
    "convolution": [{"layer": ["conv1d", {"filters": 1, "kernel_size": 10**9, "padding": "same"}]}],
    "windows": [{"layer": ["max_pooling_1d", {"pool_size": 10**9, "strides": 1, "padding": "same"}]}],
    "cells": [{"layer": ["gru", {"units": 10**9}]}],
    "time": [{"layer": ["masking", {}]}, {"layer": ["simple_rnn", {"units": 1}]}],
    "words": [{"layer": ["embedding", {"input_dim": 10**10, "output_dim": 10**10}]}],
    "an orthogonal start": [
        {"layer": ["dense", {"units": 10**5, "kernel_initializer": {"initializer": ["orthogonal", {}]}}]}
    ],
}  # fmt: skip


@pytest.mark.parametrize("samples", [[3, 2], [10**9, 2], [2, 10**9]], ids=str)
@pytest.mark.parametrize("bomb", BOMBS)
def test_sizes_are_checked_before_memory_is_taken(tmp_path, bomb, samples):
    """A file of some kilobytes takes some megabytes, whatever it says."""
    stack = BOMBS[bomb]
    if bomb == "layers in layers":
        for _ in range(60):
            stack = [{"layer": ["residual", {"layers": stack, "shortcut": []}]}]
    tree = {"name": "m", "dtype": "float32", "seed": 0, "backend": "numpy", "input_shape": samples, "layers": stack,
            "optimizer": None, "loss": None, "metrics": []}  # fmt: skip
    training = {"step": 0, "epoch": 0, "history": [{"dict": []}, [], {"dict": []}], "fit": None}
    metadata = {"format": "fastnn", "version": "1", "model": json.dumps(tree), "training": json.dumps(training)}
    path = tmp_path / "bomb"
    tensors = {"gamma1": np.ones(1, np.float32)}
    path.write_bytes(b"".join(bytes(part) for part in safetensors_parts(tensors, metadata)))
    tracemalloc.start()
    try:
        with pytest.raises(FileFormatError):
            Sequential.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 600 * 2**20


def test_memory_grows_with_the_file_alone(tmp_path):
    path = tmp_path / "wide"
    model = Sequential([layers.Dense(1000, use_bias=False)], backend="numpy")
    model.build(1000)
    model.save(path)
    size = path.stat().st_size
    tracemalloc.start()
    try:
        loaded = Sequential.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert_same_bits(loaded.parameters, model.parameters)
    assert peak < 2.5 * size + 2**20


def mutated(tree, rng):
    """Return a JSON tree with one thing in it exchanged, dropped or doubled."""
    places = []

    def walk(item):
        for key in list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ():
            places.append((item, key))
            walk(item[key])

    walk(tree)
    parent, key = rng.choice(places)
    other, other_key = rng.choice(places)
    values = [0, -1, 3, 10**6, 10**12, 1.5, -0.0, 1e308, "", "relu", None, True, [], {}, [[]], {"tuple": []},
              {"float": "nan"}, other[other_key], {"array": "W1"}]  # fmt: skip
    how = rng.randrange(4)
    if how == 0 and isinstance(parent, dict):
        del parent[key]
    elif how == 1 and isinstance(parent, list):
        parent.insert(key, json.loads(json.dumps(parent[key])))
    else:
        parent[key] = json.loads(json.dumps(rng.choice(values)))
    return tree


def rich():
    """Return a model whose structure has a bit of everything."""
    stack = [
        layers.ZeroPadding2D(1, input_shape=(4, 4, 1)),
        layers.Conv2D(2, 3, activation="elu", kernel_regularizer="l2"),
        layers.UpSampling2D(2),
        layers.MaxPooling2D(2),
        layers.PReLU(shared_axes=[1, 2]),
        layers.Reshape((8, 4)),
        layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
        layers.Concatenate([[layers.Dense(2)], []]),
        layers.Residual([layers.LayerNormalization()]),
        layers.Flatten(),
        layers.Dense(1),
    ]
    model = Sequential(stack, backend="numpy")
    model.compile("adam", "huber", metrics=["mae", metrics.R2Score(), metrics.AUC])
    model.fit(np.ones((4, 4, 4, 1)), np.array([0.0, 1, 0, 1]), epochs=1, verbose=0)
    return model


def test_a_thousand_changed_structures(tmp_path):
    """Each is refused with the one exception, or is a model."""
    path = tmp_path / "rich"
    rich().save(path)
    content, rng = path.read_bytes(), random.Random(11)
    refused = 0
    for _ in range(1000):

        def change(tensors, model, training):
            for _ in range(rng.choice([1, 1, 1, 2, 3])):
                mutated(model if rng.random() < 0.7 else training, rng)

        try:
            load(tmp_path, remade(content, tmp_path, change))
        except FileFormatError:
            refused += 1
        except InvalidValueError as error:
            assert "pass backend=" in str(error) or "custom_objects" in str(error)
            refused += 1
    assert 300 < refused < 1000
