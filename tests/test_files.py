"""Saving and loading models: other programs read the files, and nothing is lost or changed on the way."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from bits import assert_same_bits

import fastnn
from fastnn import activations, layers, losses, metrics
from fastnn.errors import FileFormatError, InvalidTypeError, InvalidValueError, NotBuiltError, UnknownNameError
from fastnn.files import read_safetensors, safetensors_parts
from fastnn.models import Sequential
from fastnn.optimizers import SGD, Adam

BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])


def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((40, 3)), rng.standard_normal((40, 1))


def make(backend="numpy", dtype="float64", **options):
    stack = [layers.Dense(4, "tanh"), layers.BatchNormalization(), layers.Dense(1)]
    model = Sequential(stack, dtype=dtype, seed=2**64 - 1, backend=backend, name="näme")
    model.compile(Adam(0.03), **({"loss": "mse", "metrics": ["mae"]} | options))
    return model


@BACKENDS
def test_a_loaded_model_is_the_saved_one(tmp_path, backend):
    x, y = data()
    model = make(backend)
    model.fit(x, y, epochs=3, verbose=0)
    model.save(tmp_path / "model.safetensors")
    for other in (None, "numpy", backend):
        twin = fastnn.load(tmp_path / "model.safetensors", backend=other)
        assert twin.backend is fastnn.get_backend(other or backend)
        assert (twin.name, twin.dtype, twin.seed) == (model.name, model.dtype, model.seed)
        assert_same_bits(twin.predict(x), model.predict(x))
        assert twin.evaluate(x, y, return_dict=True) == model.evaluate(x, y, return_dict=True)
        assert twin.history.history == model.history.history
        assert twin.summary(None) == model.summary(None)
    twin.fit(x, y, epochs=2, verbose=0)
    model.fit(x, y, epochs=2, verbose=0)
    assert_same_bits(twin.parameters, model.parameters)
    assert twin.history.epoch == model.history.epoch == [3, 4]


def test_other_programs_read_the_tensors(tmp_path):
    model = make(dtype="float32")
    model.fit(*data(), epochs=1, verbose=0)
    path = tmp_path / "model.safetensors"
    model.save(path)
    tensors = safetensors.numpy.load_file(path)
    assert set(tensors) == {*model.weights, *model.statistics, "slot0", "slot1"}
    assert {"W1", "b1", "gamma2", "mean2", "variance2", "W3"} <= set(tensors)
    for name, value in {**model.weights, **model.statistics}.items():
        assert_same_bits(tensors[name], value)
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata()["format"] == "fastnn"
    model.save_weights(path)
    assert set(safetensors.numpy.load_file(path)) == set(tensors) - {"slot0", "slot1"}


@pytest.mark.parametrize("kind", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", ">f8", ">i4"])
def test_both_ways_with_the_reference_implementation(tmp_path, kind):
    arrays = {
        "a": np.arange(6).reshape(2, 3).astype(kind),
        "empty": np.zeros((0, 3), kind),
        "one": np.ones((), kind),
        "strided": np.arange(10).astype(kind)[::3],
        "ü": np.zeros(1, kind),
    }
    path = tmp_path / "file"
    path.write_bytes(b"".join(bytes(part) for part in safetensors_parts(arrays, {"é": "\n"})))
    theirs = safetensors.numpy.load_file(path)
    ours = read_safetensors(path)
    native = {name: array.astype(array.dtype.newbyteorder("=")) for name, array in arrays.items()}
    for name, array in native.items():
        assert_same_bits(theirs[name], array)
        assert_same_bits(ours.tensors[name], array)
        assert not ours.tensors[name].flags.writeable
    assert ours.metadata["é"] == "\n"
    safetensors.numpy.save_file({name: np.array(a, order="C") for name, a in native.items()}, path, {"a": "b"})
    again = read_safetensors(path)
    assert again.metadata == {"a": "b"}
    for name, array in native.items():
        assert_same_bits(again.tensors[name], array)


def test_mixed_types_lie_aligned(tmp_path):
    arrays = {"a": np.zeros(3, np.uint8), "b": np.ones(2), "c": np.ones(3, np.float32)}
    path = tmp_path / "file"
    path.write_bytes(b"".join(bytes(part) for part in safetensors_parts(arrays, {})))
    assert all(array.flags.aligned for array in read_safetensors(path).tensors.values())
    with pytest.raises(InvalidTypeError, match="cannot hold a: an array of complex128"):
        safetensors_parts({"a": np.zeros(2, complex)}, {})


def test_models_that_are_not_built_or_not_compiled(tmp_path):
    path = tmp_path / "model"
    x, y = data()
    for model in (
        Sequential(),
        Sequential([layers.Dense(2)], backend="numpy"),
        Sequential([layers.Dense(1, input_shape=3)]),
        make(),
        make(loss=losses.Huber(0.3)),
    ):
        model.save(path)
        twin = Sequential.load(path)
        assert not twin.built and twin.layers == model.layers and twin.optimizer == model.optimizer
        assert (twin._backend is None) == (model._backend is None)
    twin.fit(x, y, verbose=0)
    model.fit(x, y, verbose=0)
    assert_same_bits(twin.parameters, model.parameters)
    built = Sequential([layers.Dense(2)], backend="numpy")
    built.build(3)
    built.save(path)
    assert_same_bits(Sequential.load(path).predict(x), built.predict(x))


def test_weights_that_are_nan_or_infinite(tmp_path):
    model = make()
    model.build(3)
    model.parameters[:5] = [np.nan, np.inf, -np.inf, -0.0, 5e-324]
    model.history.append(0, {"loss": float("nan"), "mae": float("-inf")})
    model.save(tmp_path / "model")
    twin = Sequential.load(tmp_path / "model")
    assert_same_bits(twin.parameters, model.parameters)
    assert repr(twin.history.history) == repr(model.history.history)


def bent(z):
    return z / (1 + np.abs(z))


def doubled(y, p):
    return np.mean(2 * (y - p) ** 2, axis=-1)


def worst(y, p):
    return np.abs(np.asarray(y) - np.asarray(p)).max(axis=1)


def slower(step):
    return 0.01 / (1 + step)


def test_custom_functions_are_passed_by_name(tmp_path):
    x, y = data()
    stack = [layers.Residual([layers.Dense(3, bent)]), layers.Dense(1)]
    path, model = tmp_path / "model", Sequential(stack, dtype="float64", backend="numpy")
    model.compile(SGD(slower), doubled, metrics=["mae", worst])
    model.fit(x, y, epochs=2, verbose=0)
    model.save(path)
    given = {"bent": bent, "doubled": doubled, "worst": worst, "slower": slower}
    twin = Sequential.load(path, given)
    for each in (twin, model):
        each.fit(x, y, epochs=3, resume=True, verbose=0)
    assert_same_bits(twin.parameters, model.parameters)
    assert twin.history.history == model.history.history
    for name in given:
        with pytest.raises(InvalidValueError, match=f"needs custom_objects=.*{name!r}"):
            Sequential.load(path, {k: v for k, v in given.items() if k != name})
    with pytest.raises(InvalidValueError, match=r"'bent' \(activation\), 'doubled' \(loss\), 'slower' .*, 'worst'"):
        Sequential.load(path)
    made = {"bent": activations.get("tanh"), "doubled": losses.get("mse")}  # objects in functions' place
    assert Sequential.load(path, given | made).layers[0].layers[0].activation is activations.get("tanh")
    with pytest.raises(InvalidValueError, match=r"optimizer.*custom_objects.*slower"):
        Sequential.load(path, given | {"slower": "often"})


def test_a_pair_of_function_and_derivative(tmp_path):
    model = Sequential([layers.Dense(2, (bent, lambda z: 1 / (1 + np.abs(z)) ** 2))], backend="numpy")
    model.build(3)
    model.save(tmp_path / "model")
    twin = Sequential.load(tmp_path / "model", {"bent": bent})
    assert_same_bits(twin.predict(np.ones((2, 3))), model.predict(np.ones((2, 3))))


def test_what_cannot_be_saved_leaves_the_file_as_it_was(tmp_path):
    path, model = tmp_path / "model", make()
    model.build(3)
    model.save(path)
    before = path.read_bytes()
    model.compile("adam", lambda y, p: (y - p) ** 2, metrics=[lambda y, p: 0.0])
    with pytest.raises(InvalidValueError, match="two different ones are called '<lambda>'"):
        model.save(path)
    assert path.read_bytes() == before

    class Strange(metrics.MeanOverSamples):
        def __init__(self, how):
            self.other = how
            super().__init__()

        def values(self, y_true, y_pred):
            return np.zeros(len(y_pred))

    model.compile("adam", "mse", metrics=[Strange(1)])
    with pytest.raises(InvalidTypeError, match="Strange must keep its argument 'how' under that name"):
        model.save(path)
    assert path.read_bytes() == before


def test_a_model_that_a_reader_would_refuse_is_not_written(tmp_path):
    """Up to the last entry of the tables that a small file may ask for."""
    path, room = tmp_path / "model", 2**24
    for size, extra in ((4096, []), (4096, [layers.Cropping2D(1)]), (4097, [])):
        model = Sequential([layers.UpSampling2D((4096, size)), *extra, layers.GlobalMaxPooling2D()], backend="numpy")
        model.build((1, 1, 1))
        try:
            model.save(path)
        except InvalidValueError as error:
            assert "use save_weights" in str(error) and (extra or 4096 * size > room)
            assert not path.exists()
            model.save_weights(path)
            model.load_weights(path)
        else:
            assert Sequential.load(path).layers == model.layers
        path.unlink()


def test_weights_alone(tmp_path):
    x, y = data()
    path, model = tmp_path / "weights", make()
    model.fit(x, y, epochs=2, verbose=0)
    model.save_weights(path)
    other = make()
    with pytest.raises(NotBuiltError):
        other.load_weights(path)
    other.build(3)
    other.load_weights(path)
    assert_same_bits(other.predict(x), model.predict(x))
    assert other.iterations == 0
    model.save(tmp_path / "whole")  # of which the weights alone are read
    other = make(dtype="float32")
    other.build(3)
    other.load_weights(tmp_path / "whole")
    assert_same_bits(other.parameters, model.parameters.astype(np.float32))
    with pytest.raises(FileFormatError, match="no model of fastnn: its format is 'fastnn weights'"):
        Sequential.load(path)
    safetensors.numpy.save_file({**model.weights, **model.statistics}, path)
    other = make()
    other.build(3)
    other.load_weights(path)
    assert_same_bits(other.parameters, model.parameters)


def test_weights_that_do_not_fit_change_nothing(tmp_path):
    path, model = tmp_path / "weights", make()
    model.build(3)
    before = model.parameters.copy()
    good = {**model.weights, **model.statistics}
    for tensors, message in [
        ({"W1": good["W1"]}, "has no tensor b1, gamma2"),
        ({**good, "W1": good["W1"].T.copy()}, r"W1 must be floats of shape \(4, 3\), got float64 of \(3, 4\)"),
        ({**good, "W1": np.ones((4, 3), np.int32)}, "W1 must be floats"),
        ({**good, "W9": np.ones(2)}, "tensors that the model has not: W9"),
    ]:
        safetensors.numpy.save_file({name: array + 1 for name, array in tensors.items()}, path)
        with pytest.raises(InvalidValueError, match=message):
            model.load_weights(path)
        assert_same_bits(model.parameters, before)
    path.write_bytes(b"no tensors")
    with pytest.raises(FileFormatError):
        model.load_weights(path)


def test_another_backend_must_be_named(tmp_path, monkeypatch):
    model = make()
    monkeypatch.setattr("fastnn.models.saved.backend_name", lambda backend: "somebodys.backend")
    model.save(tmp_path / "model")
    with pytest.raises(InvalidValueError, match=r"ran on the backend 'somebodys\.backend'; pass backend="):
        Sequential.load(tmp_path / "model")
    assert Sequential.load(tmp_path / "model", backend="numpy").layers == model.layers
    with pytest.raises(UnknownNameError):
        Sequential.load(tmp_path / "model", backend="nump")


def test_metrics_keep_their_settings(tmp_path):
    model = make(metrics=[metrics.BinaryAccuracy(0.3), metrics.R2Score, "mse"])
    model.fit(*data(), verbose=0)
    model.save(tmp_path / "model")
    twin = Sequential.load(tmp_path / "model")
    assert twin.evaluate(*data()) == model.evaluate(*data())
    assert twin._metric_requests[0].threshold == 0.3


def test_reading_a_file_has_no_means_to_run_code():
    package = Path(fastnn.__file__).parent
    banned = {"pickle", "marshal", "shelve", "importlib", "runpy", "eval", "exec", "compile", "__import__", "ctypes"}
    models = [package / "models" / f"{name}.py" for name in ("saved", "loaded", "weight_files")]
    for path in [*sorted((package / "files").glob("*.py")), *models]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Name):
                names = [node.id]
            used = banned & {name.split(".")[0] for name in names}
            assert not used, f"{path.name}:{node.lineno} uses {used}"
