"""A few samples through ``predict``: the bits of a batch, and always the weights that the model has now."""

from __future__ import annotations

import copy
import pickle
import threading
import warnings

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn import Sequential
from fastnn.activations import ACTIVATIONS
from fastnn.callbacks import Callback, EarlyStopping
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.layers import GRU, Conv2D, Dense, Embedding, Flatten
from fastnn.models.few_rows import CALLS_BEFORE, FEW

pytestmark = pytest.mark.needs_jit


def built(layers, shape, dtype="float32", backend="numba"):
    model = Sequential(layers, dtype=dtype, seed=3, backend=backend)
    model.build((None, *shape))
    generator = np.random.default_rng(1)
    model.parameters[...] = generator.standard_normal(model.parameters.shape) * 0.3
    model.compile("sgd", "mse")
    return model


def samples(*shape, dtype="float32"):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def warm(model, x):
    """Predict so often that the model's own way for a few samples is made."""
    for _ in range(CALLS_BEFORE + 1):
        model.predict(x[:1])
    return model


def goes_its_own_way(model, x, monkeypatch):
    """Return what predict gives, having made sure that no batch was run."""
    with monkeypatch.context() as patch:
        patch.setattr(Sequential, "_predict", None)
        return model.predict(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "widths", [(1, 1), (2, 4, 1), (8, 16, 2), (5, 127, 129, 10), (16, 32), (33, 300, 7), (64, 65, 63, 17, 3)]
)
def test_a_few_rows_have_the_bits_of_a_batch(widths, dtype, monkeypatch):
    def made(backend):
        layers = [Dense(m, activation="tanh") for m in widths[1:-1]]
        return built([*layers, Dense(widths[-1], activation="softmax")], widths[:1], dtype, backend)

    model, x = made("numba"), samples(FEW + 4, widths[0], dtype=dtype)
    wanted = made("numpy").predict(x)
    assert_same_bits(model.predict(x), wanted)
    for n in range(1, FEW + 1):
        assert_same_bits(model.predict(x[:n]), wanted[:n], f"{n} at first")
    warm(model, x)
    for n in range(1, FEW + 1):
        assert_same_bits(goes_its_own_way(model, x[:n], monkeypatch), wanted[:n], f"{n} of them")
    for i in range(len(x)):
        assert_same_bits(goes_its_own_way(model, x[i : i + 1], monkeypatch), wanted[i : i + 1], f"number {i}")
    assert_same_bits(model.predict(x), wanted)
    assert_same_bits(model.predict(x[:0]), wanted[:0])


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation(name, monkeypatch):
    model = built([Dense(19, activation=name), Dense(3, activation=name, use_bias=False)], (20,))
    x = samples(FEW + 1, 20) * 3
    wanted = model.predict(x)
    warm(model, x)
    for n in (1, 3):
        assert_same_bits(goes_its_own_way(model, x[:n], monkeypatch), wanted[:n])


def test_memory_beyond_the_weights_is_nobody_s(monkeypatch):
    """A layer's last rows and last features fill no vector: what lies behind them must not matter."""
    x = samples(2, 19)
    found = []
    for rest in (0.0, np.nan):
        model = built([Dense(21), Dense(3)], (19,))
        padded = np.full(model._vector.size + 128, rest, "float32")
        inside = padded[64:-64]
        inside[...] = model._vector
        model._vector = inside
        warm(model, x)
        found.append(goes_its_own_way(model, x, monkeypatch))
    assert_same_bits(found[0], found[1])


# --- whose weights ---------------------------------------------------------------------------------------


def into_the_vector(model, folder):
    model.parameters[...] *= 0.5
    return model


def into_one_weight(model, folder):
    model.weights["W1"][3, 2] = 5.0
    return model


def into_a_view_held_from_before(model, folder):
    held = model.weights["b2"]
    model.predict(samples(1, 6))
    held += 1
    return model


def set_weights(model, folder):
    model.set_weights([w + 0.25 for w in model.get_weights()])
    return model


def train_on_batch(model, folder):
    model.train_on_batch(samples(5, 6), samples(5, 3))
    return model


def fit(model, folder):
    model.fit(samples(20, 6), samples(20, 3), epochs=2, verbose=0)
    return model


def fit_with_best_weights_restored(model, folder):
    stop = EarlyStopping(monitor="loss", patience=0, mode="max", restore_best_weights=True)
    model.fit(samples(20, 6), samples(20, 3), epochs=3, verbose=0, callbacks=[stop])
    return model


def weights_file(model, folder):
    other = built([Dense(17, activation="relu"), Dense(3)], (6,))
    other.parameters[...] += 0.5
    other.save_weights(folder / "w.safetensors")
    model.load_weights(folder / "w.safetensors")
    return model


def saved_and_loaded(model, folder):
    model.save(folder / "m.safetensors")
    loaded = Sequential.load(folder / "m.safetensors", backend="numba")
    warm(loaded, samples(1, 6)).parameters[...] += 1
    return loaded


def copied(model, folder):
    twin = copy.deepcopy(model)
    model.parameters[...] = 0
    return twin


def pickled(model, folder):
    twin = warm(pickle.loads(pickle.dumps(model)), samples(1, 6))
    model.parameters[...] = 0
    return twin


def built_again(model, folder):
    model.build((None, 6))
    return model


def built_again_wider(model, folder):
    model.build((None, 9))
    return warm(model, samples(1, 9))


def built_again_in_float64(model, folder):
    model.build((None, 6), dtype="float64")
    return warm(model, samples(1, 6))


def other_backend(model, folder):
    model.compile("adam", "mse", backend="numpy")
    return model


@pytest.mark.parametrize(
    "change",
    [into_the_vector, into_one_weight, into_a_view_held_from_before, set_weights, train_on_batch, fit,
     fit_with_best_weights_restored, weights_file, saved_and_loaded, copied, pickled, built_again, built_again_wider,
     built_again_in_float64, other_backend],
)  # fmt: skip
def test_the_weights_are_those_of_now(change, tmp_path):
    x = samples(FEW + 1, 6)
    model = warm(built([Dense(17, activation="relu"), Dense(3)], (6,)), x)
    before = model.predict(x[:1])
    model = change(model, tmp_path)
    x = samples(FEW + 1, model.get_weights()[0].shape[0], dtype=model.dtype)
    found = [model.predict(x[:n]) for n in (1, 2)]  # at once: nothing has looked at the weights in between
    twin = built([Dense(17, activation="relu"), Dense(3)], x.shape[1:], model.dtype, backend="numpy")
    twin.set_weights(model.get_weights())
    wanted = twin.predict(x)
    for n, rows in zip((1, 2), found, strict=True):
        assert_same_bits(rows, wanted[:n])
    if change not in (copied, pickled, other_backend):
        assert found[0].tobytes() != before.tobytes(), "the change changed nothing"
    assert_same_bits(warm(model, x).predict(x[:1]), wanted[:1])


def test_inside_a_fit():
    found = []

    class Look(Callback):
        def on_epoch_end(self, epoch, logs=None):
            found.append((self.model.predict(x[:1]), self.model.get_weights()))

    x = samples(20, 6)
    model = warm(built([Dense(17, activation="relu"), Dense(3)], (6,)), x)
    model.fit(x, samples(20, 3), epochs=3, verbose=0, callbacks=[Look()])
    twin = built([Dense(17, activation="relu"), Dense(3)], (6,), backend="numpy")
    assert len(found) == 3
    for rows, weights in found:
        twin.set_weights(weights)
        assert_same_bits(rows, twin.predict(x[:1]))


# --- what is passed --------------------------------------------------------------------------------------


def test_whatever_numbers_come_as():
    model = built([Dense(4, activation="relu"), Dense(2)], (3,))
    x = np.float32([[1.0, -2.0, 3.0]])
    read_only = x.copy()
    read_only.flags.writeable = False
    bytes_ = np.zeros(13, np.uint8)
    unaligned = bytes_[1:].view("float32").reshape(1, 3)
    unaligned[...] = x
    kinds = ([[1, -2, 3]], [(1.0, -2.0, 3.0)], x.astype("float64"), np.int8(x), np.float16(x), read_only, unaligned,
             np.repeat(x, 2, axis=1)[:, ::2], x.astype(">f4"), np.asfortranarray(x), np.ma.array(x),
             np.int64(x) + 2**40, np.uint8(np.abs(x)), x > 0)  # fmt: skip
    at_first = [model.predict(given) for given in kinds[:CALLS_BEFORE]]
    fresh = built([Dense(4, activation="relu"), Dense(2)], (3,))
    at_first += [fresh.predict(given) for given in kinds[CALLS_BEFORE:]]
    warm(model, x)
    for given, wanted in zip(kinds, at_first, strict=True):
        found = model.predict(given)
        assert type(found) is np.ndarray
        assert_same_bits(found, wanted)


def test_errors_and_warnings_are_those_of_a_batch():
    bad = (np.float32([[1, np.nan, 2]]), np.full((2, 3), -np.inf, "float32"), np.zeros(3, "float32"),
           np.zeros((2, 4), "float32"), np.zeros((1, 1, 3), "float32"), 1.0, [["a", "b", "c"]],
           np.zeros((0, 3), "float32"), np.float64([[1e300, 0, -1e300]]), np.full((1, 3), np.inf))  # fmt: skip

    def outcomes(model, numbers):
        for number in numbers:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    said = repr(model.predict(bad[number // 2], allow_nonfinite=number % 2 == 1).tolist())
                except (InvalidTypeError, InvalidValueError) as error:
                    said = f"{type(error).__name__}: {error}"
            yield said, [str(w.message) for w in caught]

    model = built([Dense(4, activation="tanh"), Dense(2)], (3,))
    at_first = []
    for number in range(20):  # no copy predicts often enough to have another way
        at_first += outcomes(copy.deepcopy(model), [number])
    assert list(outcomes(warm(model, samples(1, 3)), range(20))) == at_first


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([Conv2D(3, 2), Flatten(), Dense(2)], (5, 4, 2)),
        ([GRU(3), Dense(2)], (4, 2)),
        ([GRU(3, return_state=True)], (4, 2)),
        ([Dense(4)], (3, 2)),
        ([Flatten()], (3, 2)),
        ([Embedding(5, 2), Flatten(), Dense(2)], (3,)),
    ],
)
def test_other_networks(layers, shape):
    model = built(layers, shape) if layers[0].__class__ is not Flatten else Sequential(layers, backend="numba")
    if not model.built:
        model.build((None, *shape))
    x = np.abs(samples(FEW + 1, *shape)) if not isinstance(layers[0], Embedding) else np.ones((FEW + 1, *shape))
    wanted = model.predict(x)
    warm(model, x)
    found = model.predict(x[:2])
    if isinstance(wanted, list):
        wanted, found = wanted[0], found[0]
    assert_same_bits(found, wanted[:2])
    if isinstance(layers[0], Embedding):
        with pytest.raises(InvalidValueError):
            model.predict(np.full((1, *shape), 7))


def test_threads_share_a_model():
    model = built([Dense(64, activation="tanh"), Dense(8)], (16,))
    x = samples(4, 200, 16)
    wanted = [model.predict(rows) for rows in x]
    found = [None] * len(x)

    def work(number):
        found[number] = np.concatenate([model.predict(x[number][i : i + 1]) for i in range(200)])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(x))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for rows, right in zip(found, wanted, strict=True):
        assert_same_bits(rows, right)
