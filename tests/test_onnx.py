"""Files that onnxruntime reads and computes the same from: every layer, every activation, both dtypes.

What onnxruntime has no float64 kernel for is computed by ONNX's own reference instead.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from exchange_cases import CASES, random_model, samples
from onnx.reference import ReferenceEvaluator

from fastnn import Sequential, activations
from fastnn import layers as L
from fastnn.errors import FileWriteError, InvalidValueError, MissingPackageError, NotBuiltError
from fastnn.exchange import onnx_file, to_onnx
from fastnn.exchange.onnx_ops import OPS
from fastnn.plan import PlanBuilder

CANNOT: dict[str, str] = {}
"""Layers that ONNX cannot say, and why."""

NO_FLOAT64_KERNEL = {"AveragePool", "Conv", "ConvTranspose", "Erf"}
"""Operators that onnxruntime computes in float32 only."""

TOLERANCE = {"float32": 1e-5, "float64": 1e-13}
"""Largest error, as a share of the largest output."""


def session(proto: Any) -> Any:
    """Return onnxruntime with a model, at its most literal and single-threaded."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(proto: Any, inputs: dict[str, Any]) -> list[Any]:
    """Return the outputs by onnxruntime, or by ONNX's reference in float64 where that has no kernel."""
    float64 = proto.graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.DOUBLE
    if float64 and NO_FLOAT64_KERNEL & {node.op_type for node in proto.graph.node}:
        return list(ReferenceEvaluator(proto).run(None, inputs))
    return list(session(proto).run(None, inputs))


def reference_fails(node: Any) -> bool:
    """Whether ONNX's reference has no float64 for a node: erf is float32 there, grouped ConvTranspose fails."""
    grouped = any(a.name == "group" and a.i > 1 for a in node.attribute)
    return bool(node.op_type == "Erf" or (node.op_type == "ConvTranspose" and grouped))


def check(model: Sequential, x: Any, *, elementwise: bool = False) -> Any:
    """Assert that a model's file gives what the model predicts, for one sample too; return the file."""
    proto, dtype = to_onnx(model), str(model.dtype)
    onnx.checker.check_model(proto, full_check=True)
    if dtype == "float64" and any(reference_fails(node) for node in proto.graph.node):
        # what is left to compare with is onnxruntime in float32
        proto, dtype, x = to_onnx(model, dtype="float32"), "float32", x.astype(np.float32)
    for part in (x, x[:1]):
        want, got = model.predict(part), run(proto, {"input": part})[0]
        assert got.shape == want.shape
        assert got.dtype == dtype
        scale = 1 if elementwise else np.abs(want).max()
        np.testing.assert_allclose(got, want, rtol=elementwise * TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)
    return proto


def operators(proto: Any) -> list[str]:
    return [node.op_type for node in proto.graph.node]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", CASES)
def test_every_layer(kind, dtype):
    for make, shape in CASES[kind]:
        model = random_model(make, shape, dtype)
        check(model, samples(model, shape))


def test_no_layer_is_left_out():
    assert CASES.keys() | CANNOT.keys() == set(L.LAYERS)
    assert not CASES.keys() & CANNOT.keys()
    for kind, cases in CASES.items():
        for make, _ in cases:
            assert any(type(layer) is L.LAYERS[kind] for layer in make()), kind


def test_every_op_is_met():
    met = set()
    for cases in (*CASES.values(), [(lambda: [L.GRU(2, stateful=True)], (3, 2))]):
        for make, shape in cases:
            builder = PlanBuilder(shape)
            x = builder.inputs
            for builder.layer, layer in enumerate(make()):
                x = layer.build(builder, x)
            met |= {op.kind for op in builder.forward} - {"activity_penalty"}
    assert met == OPS.keys()


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", activations.ACTIVATIONS)
def test_every_activation(name, dtype):
    # ordinary values, tiny ones (where exp(z) - 1 would cancel) and large ones
    z = np.concatenate([np.linspace(-8, 8, 60), [0.0, 1e-3, -1e-3, 1e-6, -1e-6, 30.0, -30.0]])
    columns = 1 if activations.get(name).elementwise else 3
    z = np.resize(z, (60, columns)).astype(dtype)
    model = Sequential([L.Activation(name)], dtype=dtype, backend="numpy")
    model.build(columns)
    check(model, z, elementwise=True)


@pytest.mark.parametrize(("name", "z"), [("elu", -1e-9), ("selu", -1e-9), ("softplus", -40.0), ("mish", -40.0)])
def test_small_results_keep_their_digits(name, z):
    model = Sequential([L.Activation(name)], dtype="float64", backend="numpy")
    model.build(1)
    x = np.array([[z]])
    np.testing.assert_allclose(run(to_onnx(model), {"input": x})[0], model.predict(x), rtol=1e-13, atol=0)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_functions_of_ones_own_go_operation_by_operation(dtype):
    functions = [
        lambda z: np.where((z > 1) & ~(z >= 2) | (z != z), z**3, np.sqrt(np.abs(z)) + 2.5 ** (-z * z)),
        lambda z: np.log1p(np.exp(-np.abs(z))) + np.expm1(z / 10) - np.sin(z) * np.cos(z) / (1 + np.tanh(z) ** 2),
        lambda z: np.maximum(np.minimum(z, 1), -1) + np.sign(z),
        (lambda z: np.exp(-z * z), lambda z, a: -2 * z * a),
        lambda z: 0 * z + 3,
        lambda z: 3.0,
    ]
    x = np.random.default_rng(1).standard_normal((9, 4)).astype(dtype) * 3
    for function in functions:
        model = random_model(lambda f=function: [L.Dense(5, activation=f)], (4,), dtype)
        check(model, x)


def test_code_that_cannot_be_traced_is_refused_by_name(tmp_path):
    odd = activations.Activation("odd", lambda z: z.view(np.int32).astype(z.dtype), None)
    model = Sequential([L.Dense(2), L.Residual([L.Dense(2, activation=odd)])], backend="numpy")
    model.build(3)
    with pytest.raises(InvalidValueError, match=r"layer 2 \(Residual\): activation 'odd' is code that ONNX cannot say"):
        model.export_onnx(tmp_path / "odd.onnx")
    assert not list(tmp_path.iterdir())


def test_plain_recurrent_layers_are_single_operators():
    for layer, operator in ((L.SimpleRNN, "RNN"), (L.LSTM, "LSTM"), (L.GRU, "GRU")):
        model = random_model(lambda layer=layer: [layer(4)], (5, 3), "float32")
        assert operator in operators(to_onnx(model))
        assert "Scan" in operators(to_onnx(model, dtype="float64"))
        odd = random_model(lambda layer=layer: [layer(4, activation="softsign")], (5, 3), "float32")
        assert "Scan" in operators(to_onnx(odd))


def test_layouts_change_only_where_they_must():
    model = random_model(
        lambda: [
            L.Conv2D(4, 3, activation="relu"),
            L.BatchNormalization(),
            L.MaxPooling2D(2),
            L.ZeroPadding2D(1),
            L.Residual([L.PReLU(shared_axes=[1, 2]), L.Conv2D(4, 3, padding="same")]),
            L.GlobalAveragePooling2D(),
            L.Dense(3, "softmax"),
        ],
        (9, 9, 3),
        "float32",
    )
    proto = check(model, samples(model, (9, 9, 3)))
    assert operators(proto).count("Transpose") == 1
    recurrent = random_model(lambda: [L.LSTM(4, return_sequences=True), L.GRU(3), L.Dense(2)], (5, 2), "float32")
    assert operators(to_onnx(recurrent)).count("Transpose") == 1


@pytest.mark.parametrize(
    ("layer", "operator"),
    [
        (L.Permute((2, 1)), "Transpose"),
        (L.Cropping1D(1), "Slice"),
        (L.ZeroPadding1D((2, 1)), "Pad"),
        (L.UpSampling1D(2), "Gather"),
    ],
)
def test_copies_are_the_operators_that_people_know(layer, operator):
    assert operators(to_onnx(random_model(lambda: [layer], (4, 3), "float32"))) == [operator]


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_carried_states_are_inputs_and_outputs(dtype):
    def make() -> list[Any]:
        return [L.LSTM(4, stateful=True, return_sequences=True), L.GRU(3, stateful=True), L.Dense(2)]

    model = random_model(make, (5, 2), dtype)
    proto = to_onnx(model)
    assert [i.name for i in proto.graph.input] == ["input", "state1", "state2"]
    assert [o.name for o in proto.graph.output] == ["output", "next_state1", "next_state2"]
    states = {"state1": np.zeros((3, 8), dtype), "state2": np.zeros((3, 3), dtype)}
    for seed in range(3):
        x = np.random.default_rng(seed).standard_normal((3, 5, 2)).astype(dtype)
        got, *after = run(proto, {"input": x, **states})
        states = dict(zip(states, after, strict=True))
        np.testing.assert_allclose(got, model.predict(x), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "layer",
    [
        lambda: L.LSTM(4, return_state=True),
        lambda: L.GRU(4, return_state=True, return_sequences=True, go_backwards=True),
        lambda: L.Bidirectional(L.LSTM(3, return_state=True)),
        lambda: L.SimpleRNN(3, "softsign", return_state=True),
    ],
)
def test_returned_states_are_outputs(layer, dtype):
    model = random_model(lambda: [L.LSTM(3, return_sequences=True), layer()], (5, 2), dtype)
    x = samples(model, (5, 2))
    want, proto = model.predict(x), to_onnx(model)
    got = run(proto, {"input": x})
    assert [o.name for o in proto.graph.output] == ["output", *(f"last_state{k}" for k in range(1, len(want)))]
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_whole_numbers_are_an_embeddings_input():
    model = random_model(lambda: [L.Embedding(9, 4), L.Flatten(), L.Dense(2)], (5,), "float32")
    assert to_onnx(model).graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.INT64


def test_the_file_says_what_it_is(tmp_path):
    model = random_model(lambda: [L.Dense(5, "relu"), L.Dense(3)], (4,), "float64")
    path = tmp_path / "model.onnx"
    path.write_text("old")
    model.export_onnx(path)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    assert proto.producer_name == "fastnn" and proto.producer_version
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", onnx_file.OPSET)]
    assert proto.ir_version == onnx_file.IR_VERSION
    assert {"W1", "b1", "W2", "b2"} <= {array.name for array in proto.graph.initializer}
    shape = proto.graph.input[0].type.tensor_type.shape.dim
    assert (shape[0].dim_param, shape[1].dim_value) == ("batch", 4)
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    empty = session(proto).run(None, {"input": np.zeros((0, 4))})[0]
    assert empty.shape == (0, 3)


def test_another_dtype_may_be_asked_for():
    model = random_model(lambda: [L.Conv1D(3, 2), L.Flatten(), L.Dense(2)], (5, 2), "float64")
    x = samples(model, (5, 2))
    got = session(to_onnx(model, dtype="float32")).run(None, {"input": x.astype(np.float32)})[0]
    np.testing.assert_allclose(got, model.predict(x), rtol=1e-5, atol=1e-5)
    with pytest.raises(InvalidValueError, match="dtype must be float32 or float64, got 'float16'"):
        to_onnx(model, dtype="float16")


def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch):
    model = random_model(lambda: [L.Dense(2)], (3,), "float32")
    path = tmp_path / "model.onnx"
    path.write_text("old")

    def fail(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(FileWriteError, match="disk full"):
        model.export_onnx(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    with pytest.raises(NotBuiltError):
        Sequential([L.Dense(2)]).export_onnx(tmp_path / "model.onnx")
    model = random_model(lambda: [L.Dense(2)], (3,), "float32")
    monkeypatch.setattr(onnx_file, "LARGEST", 100)
    with pytest.raises(InvalidValueError, match=re.escape("an ONNX file holds at most 100 bytes")):
        to_onnx(model)
    monkeypatch.setattr("fastnn.optional.installed", lambda package: package != "onnx")
    with pytest.raises(MissingPackageError, match=re.escape("export_onnx needs onnx: pip install 'fastnn[onnx]'")):
        to_onnx(model)


def test_a_wrong_node_is_seen(monkeypatch):
    from fastnn.exchange import onnx_recurrent

    monkeypatch.setitem(onnx_recurrent.GATES, "LSTM", (0, 1, 2, 3))
    with pytest.raises(AssertionError):
        test_every_layer("lstm", "float32")
