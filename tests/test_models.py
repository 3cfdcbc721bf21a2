"""Sequential: training, data as people pass it, what stays unchanged after bad input and after Ctrl-C."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn.backends import get_backend, numpy_backend
from fastnn.callbacks import LambdaCallback
from fastnn.errors import FastnnError, InvalidTypeError, InvalidValueError, NotBuiltError, UnknownNameError
from fastnn.layers import Dense
from fastnn.models import Sequential, sequential
from fastnn.optimizers import SGD, Adam
from fastnn.training import loop, progress

NUMBA = pytest.param("numba", marks=pytest.mark.needs_jit)
BACKENDS = pytest.mark.parametrize("backend", ["numpy", NUMBA])
RNG = np.random.default_rng(7)
X = RNG.random((50, 5)).astype(np.float32)
LABELS = (X[:, 0] * 3).astype(np.int64)
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


def network(backend="numpy", *, loss="sparse_categorical_crossentropy", metrics=(), seed=3, kernel_regularizer=None):
    """The one architecture of most tests: 5-8-3."""
    layers = [
        Dense(8, activation="tanh", kernel_regularizer=kernel_regularizer), Dense(3, activation="softmax"),
    ]  # fmt: skip
    model = Sequential(layers, seed=seed, backend=backend)
    model.build((None, 5))
    model.compile("adam", loss, list(metrics))
    return model


def bits(model):
    return model.parameters.tobytes()


# --- training -------------------------------------------------------------------------------------


@pytest.mark.needs_jit
def test_backends_train_to_the_same_bits():
    weight = RNG.random(50)
    found = []
    for backend in ("numpy", "numba"):
        model = network(backend, metrics=["accuracy"])
        history = model.fit(X, LABELS, batch_size=16, epochs=3, verbose=0, validation_split=0.2,
                            sample_weight=weight, class_weight={1: 2.5})  # fmt: skip
        found.append((model, history))
    (a, ours), (b, theirs) = found
    assert a.backend is not b.backend
    assert_same_bits(a.parameters, b.parameters)
    assert ours.history == theirs.history
    assert_same_bits(a.predict(X), b.predict(X))
    assert a.evaluate(X, LABELS) == b.evaluate(X, LABELS)
    for name, gradient in a.gradients(X, LABELS).items():
        assert_same_bits(gradient, b.gradients(X, LABELS)[name], name)


def test_history_is_that_of_keras():
    model = network(metrics=["accuracy"])
    history = model.fit(X, LABELS, epochs=4, batch_size=20, verbose=0, validation_data=(X[:9], LABELS[:9]))
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert all(len(values) == 4 for values in history.history.values())
    assert all(type(v) is float for values in history.history.values() for v in values)
    assert history.epoch == [0, 1, 2, 3]
    assert history.params == {"epochs": 4, "batch_size": 20, "samples": 50}
    assert model.history is history
    assert history.history["val_loss"][-1] == model.evaluate(X[:9], LABELS[:9])[0]
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert model.fit(X, LABELS, verbose=0).epoch == [4]
    assert model.fit(X, LABELS, epochs=0, verbose=0).history == {}


def test_losses_of_an_epoch_are_those_before_each_step():
    model = network(metrics=["accuracy"])
    before = model.evaluate(X, LABELS)
    assert model.fit(X, LABELS, batch_size=50, shuffle=False, verbose=0).history == {
        "loss": [before[0]],
        "accuracy": [before[1]],
    }
    penalized = [network(kernel_regularizer="l2") for _ in range(2)]
    model, twin = penalized
    losses = [twin.train_on_batch(X[i : i + 16], LABELS[i : i + 16]) for i in (0, 16, 32, 48)]
    history = model.fit(X, LABELS, batch_size=16, shuffle=False, verbose=0)
    assert history.history["loss"][0] == pytest.approx(np.dot(losses, [16, 16, 16, 2]) / 50, rel=1e-12)
    assert_same_bits(model.parameters, twin.parameters)


@BACKENDS
def test_pieces_change_no_bit(backend, monkeypatch):
    whole = network(backend, metrics=["accuracy"])
    whole.fit(X, LABELS, batch_size=7, epochs=3, verbose=0)
    monkeypatch.setattr(loop, "PIECE_SECONDS", 1e-9)  # every step a piece of its own
    pieces = network(backend, metrics=["accuracy"])
    pieces.fit(X, LABELS, batch_size=7, epochs=3, verbose=0)
    assert_same_bits(whole.parameters, pieces.parameters)
    assert whole.history.history == pieces.history.history


@BACKENDS
def test_resumed_is_uninterrupted(backend):
    whole, parts = network(backend), network(backend)
    whole.fit(X, LABELS, batch_size=16, epochs=5, verbose=0)
    parts.fit(X, LABELS, batch_size=16, epochs=2, verbose=0)
    parts.fit(X, LABELS, batch_size=16, epochs=3, verbose=0)
    assert_same_bits(whole.parameters, parts.parameters)


def test_shuffle_depends_on_the_seed_alone():
    def trained(**settings):
        model = network()
        model.fit(X, LABELS, batch_size=16, epochs=2, verbose=0, **settings)
        return bits(model)

    assert trained() == trained() == trained(seed=3)  # the model's own seed
    assert len({trained(), trained(seed=4), trained(shuffle=False)}) == 3


def test_validation_split_takes_the_end():
    split, given = network(), network()
    weight = RNG.random(50)
    a = split.fit(X, LABELS, epochs=2, verbose=0, validation_split=0.3, sample_weight=weight)
    b = given.fit(X[:35], LABELS[:35], epochs=2, verbose=0, sample_weight=weight[:35],
                  validation_data=(X[35:], LABELS[35:], weight[35:]))  # fmt: skip
    assert_same_bits(split.parameters, given.parameters)
    assert a.history == b.history and "val_loss" in a.history
    assert a.params["samples"] == 35


@BACKENDS
def test_weights_of_samples_and_classes(backend):
    model = network(backend)
    weight = RNG.random(50).astype(np.float32)
    p = model.predict(X).astype(np.float64)
    terms = -np.log(p[np.arange(50), LABELS])
    assert model.evaluate(X, LABELS) == pytest.approx(terms.mean(), rel=1e-5)
    assert model.evaluate(X, LABELS, sample_weight=weight) == pytest.approx((weight * terms).mean(), rel=1e-5)
    by_class = np.array([1.0, 3.0, 0.5])[LABELS]
    classes, samples = network(backend), network(backend)
    classes.fit(X, LABELS, epochs=2, verbose=0, class_weight={1: 3.0, 2: 0.5})
    samples.fit(X, LABELS, epochs=2, verbose=0, sample_weight=by_class)
    assert_same_bits(classes.parameters, samples.parameters)
    plain = network(backend)
    plain.fit(X, LABELS, epochs=2, verbose=0)
    assert bits(plain) != bits(classes)


def test_class_weights_do_not_reach_validation():
    model = network()
    history = model.fit(X, LABELS, verbose=0, validation_split=0.4, class_weight={0: 9.0, 1: 9.0, 2: 9.0})
    assert history.history["val_loss"][0] == model.evaluate(X[30:], LABELS[30:])


def test_gradients_against_central_differences():
    layers = [Dense(4, activation="tanh", kernel_regularizer="l2"), Dense(2)]
    model = Sequential(layers, dtype="float64", backend="numpy")
    model.build(5)
    model.compile("sgd", "mse")
    x, y = X[:6].astype(np.float64), RNG.random((6, 2))
    flat = np.concatenate([g.ravel() for g in model.gradients(x, y).values()])
    p, h = model.parameters, 1e-6
    for i in range(p.size):
        middle = p[i]
        p[i] = middle + h
        above = model.evaluate(x, y)
        p[i] = middle - h
        below = model.evaluate(x, y)
        p[i] = middle
        assert flat[i] == pytest.approx((above - below) / (2 * h), abs=1e-8)


# --- use ------------------------------------------------------------------------------------------


def test_evaluate_returns():
    plain, rich = network(), network(metrics=["accuracy", "sparse_categorical_accuracy"])
    assert type(plain.evaluate(X, LABELS)) is float
    values = rich.evaluate(X, LABELS)
    accuracy = (rich.predict_classes(X) == LABELS).mean()
    assert values == [plain.evaluate(X, LABELS), accuracy, accuracy]
    assert rich.evaluate(X, LABELS, batch_size=7) == values
    by_name = rich.evaluate(X, LABELS, return_dict=True)
    assert list(by_name) == ["loss", "accuracy", "sparse_categorical_accuracy"]
    assert list(by_name.values()) == values


@BACKENDS
def test_predict_row_by_row_and_in_parts(backend, monkeypatch):
    model = network(backend)
    whole = model.predict(X)
    assert whole.shape == (50, 3) and whole.dtype == np.float32
    np.testing.assert_allclose(whole.sum(axis=1), 1, rtol=1e-6)
    for i in (0, 31, 49):
        assert_same_bits(model.predict(X[i : i + 1]), whole[i : i + 1])
    monkeypatch.setattr(sequential, "_PREDICTED_AT_ONCE", 16)
    assert_same_bits(model.predict(X), whole)
    none = model.predict(X[:0])
    assert none.shape == (0, 3) and none.dtype == np.float32
    assert model.predict_classes(X[:0]).shape == (0,)


def test_predict_classes():
    model = network()
    assert (model.predict_classes(X) == model.predict(X).argmax(axis=1)).all()
    for loss, activation, threshold in (
        ("binary_crossentropy", "sigmoid", 0.5),
        ("binary_crossentropy_from_logits", None, 0.0),
    ):
        one = Sequential([Dense(1, activation=activation)], backend="numpy", seed=1)
        one.build(5)
        one.compile("sgd", loss)
        one.set_weights([np.array([[1.0], [-1.0], [0], [0], [0]]), np.zeros(1)])
        classes = one.predict_classes(X)
        assert classes.shape == (50,) and 0 < classes.sum() < 50
        assert (classes == (one.predict(X)[:, 0] > threshold)).all()


FORMS = {
    "float64": lambda x: x.astype(np.float64),
    "list": lambda x: x.tolist(),
    "fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "read-only": lambda x: np.broadcast_to(x, x.shape),
    "big-endian": lambda x: x.astype(">f4"),
}


@pytest.mark.parametrize("form", FORMS)
@BACKENDS
def test_forms_of_data(form, backend):
    """Any layout of the same numbers gives the same bits, and is not written to."""
    plain, other = network(backend), network(backend)
    given = FORMS[form](X)
    kept = np.array(given)
    assert_same_bits(other.predict(given), plain.predict(X))
    plain.fit(X, LABELS, verbose=0, batch_size=16)
    other.fit(given, LABELS.astype(np.int32).tolist(), verbose=0, batch_size=16)
    assert_same_bits(other.parameters, plain.parameters)
    assert (kept == np.array(given)).all()


@BACKENDS
def test_narrow_and_whole_numbers(backend):
    model = network(backend)
    small = (X * 10).astype(np.int64)
    for form in (small, small.astype(np.uint8), small.astype(np.float16), small > 5):
        expected = model.predict(np.asarray(form).astype(np.float32))
        assert_same_bits(model.predict(form), expected)


@BACKENDS
def test_targets_in_any_form(backend):
    """One-hot rows of any type, and labels as a column, are the same targets."""
    expected = network(backend).evaluate(X, LABELS)
    assert network(backend).evaluate(X, LABELS[:, None]) == expected
    assert network(backend).evaluate(X, LABELS.astype(np.float64)) == expected
    dense = network(backend, loss="categorical_crossentropy")
    for form in (
        ONE_HOT,
        ONE_HOT.astype(np.int64),
        ONE_HOT.astype(bool),
        ONE_HOT.tolist(),
        ONE_HOT[::-1][::-1],
    ):
        assert dense.evaluate(X, form) == expected


def test_own_weights():
    model = network()
    before = model.get_weights()
    assert [w.shape for w in before] == [(5, 8), (8,), (8, 3), (3,)]
    assert (before[0] == model.weights["W1"].T).all() and list(model.weights) == ["W1", "b1", "W2", "b2"]
    copies = [w.copy() for w in before]
    model.parameters[...] += 1  # a view: the model changes, the copies do not
    for copy, given in zip(copies, before, strict=True):
        assert (copy == given).all()
    assert bits(model) != bits(network())
    model.set_weights(before)
    assert bits(model) == bits(network())
    twin = network(seed=4)
    twin.set_weights(model.get_weights())
    assert_same_bits(twin.predict(X), model.predict(X))


def test_summary(capsys):
    table = network().summary()
    assert capsys.readouterr().out == table + "\n"
    assert "Dense (tanh)" in table and "(None, 8)" in table and "Parameters in all: 75" in table


# --- own functions --------------------------------------------------------------------------------


def bent(z):
    return z / (1 + abs(z)) + 0.1 * z


def rounded_error(y_true, y_pred):
    return np.sqrt((y_true - y_pred) ** 2 + 1) - 1


def worst(y_true, y_pred):
    return np.abs(y_true - y_pred).max(axis=1)


@pytest.mark.needs_jit
def test_own_functions_on_both_backends():
    found = []
    for backend in ("numpy", "numba"):
        model = Sequential([Dense(8, activation=bent), Dense(3)], seed=1, backend=backend)
        model.compile(SGD(0.1), rounded_error, [worst])
        history = model.fit(X, ONE_HOT, epochs=3, batch_size=16, verbose=0)
        assert list(history.history) == ["loss", "worst"]
        assert history.history["loss"][2] < history.history["loss"][0]
        assert model.evaluate(X, ONE_HOT)[1] == pytest.approx(worst(ONE_HOT, model.predict(X)).mean(), rel=1e-6)
        found.append(model)
    assert_same_bits(found[0].parameters, found[1].parameters)
    assert found[0].history.history == found[1].history.history
    z = X @ found[0].get_weights()[0] + found[0].get_weights()[1]
    by_hand = bent(z) @ found[0].get_weights()[2] + found[0].get_weights()[3]
    np.testing.assert_allclose(found[0].predict(X), by_hand, rtol=1e-4, atol=1e-6)


def test_own_functions_that_cannot_be_traced():
    with pytest.raises(FastnnError, match="if"):
        Dense(3, activation=lambda z: z if z > 0 else -z)
    model = network()
    before = bits(model)
    with pytest.raises(FastnnError):
        model.compile("sgd", lambda y, p: sorted(p))
    assert bits(model) == before and model.loss.name == "sparse_categorical_crossentropy"


# --- progress -------------------------------------------------------------------------------------


def test_silent_where_asked(capfd):
    network().fit(X, LABELS, epochs=2, verbose=0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [2, "auto"])  # there is no terminal here
def test_a_line_an_epoch(capfd, verbose):
    history = network(metrics=["accuracy"]).fit(X, LABELS, epochs=2, verbose=verbose)
    lines = capfd.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2"]
    assert lines[1].endswith(f"loss: {history.history['loss'][1]:.4f} - accuracy: {history.history['accuracy'][1]:.4f}")


def test_a_bar(capfd):
    pytest.importorskip("tqdm")
    history = network().fit(X, LABELS, epochs=3, verbose=1, validation_split=0.2)
    out, err = capfd.readouterr()
    assert out == ""
    last = err.rstrip("\n").split("\r")[-1]
    loss, val = history.history["loss"][-1], history.history["val_loss"][-1]
    assert last.startswith("Epoch 3/3 |") and f"loss {loss:.4f} (val {val:.4f})" in last
    assert err.endswith("\n")
    assert " samples/s" in last


def test_a_bar_on_a_terminal_of_no_columns(monkeypatch):
    pytest.importorskip("tqdm")
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()  # of 0 rows and 0 columns
    with os.fdopen(ours, "rb") as reader, os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        network().fit(X, LABELS, epochs=2)
        monkeypatch.undo()
        terminal.flush()
        seen = os.read(reader.fileno(), 10_000).decode()
    assert "Epoch 2/2 |" in seen and "loss" in seen


def test_a_bar_shows_running_values(capfd, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.0)
    model = network(metrics=["accuracy"])
    seen = []
    watch = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs))
    model.fit(X, LABELS, 25, epochs=2, verbose=1, validation_split=0.02, callbacks=watch)
    _, err = capfd.readouterr()
    first, later = (f"loss {seen[i]['loss']:.4f}, accuracy {seen[i]['accuracy']:.4f}" for i in (0, 2))
    val = model.history.history["val_loss"][0]
    assert first in err and later.replace(",", f" (val {val:.4f}),", 1) in err


def test_lines_where_there_is_no_tqdm(capfd, monkeypatch):
    monkeypatch.setattr(progress.importlib.util, "find_spec", lambda name: None)
    network().fit(X, LABELS, epochs=2, verbose=1)
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 2 and err == ""


# --- Ctrl-C ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def interrupt_after(seconds):
    """Send SIGINT to this process; yields when."""
    sent = SimpleNamespace(at=None)

    def send():
        sent.at = time.perf_counter()
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, send)
    timer.start()
    try:
        yield sent
    finally:
        timer.cancel()
        timer.join()


@BACKENDS
def test_ctrl_c_keeps_the_last_whole_step(backend):
    handler = signal.getsignal(signal.SIGINT)
    delays = []
    for _ in range(5):  # the machine may be busy: one quick stop shows that it can
        model = network(backend, metrics=["accuracy"])
        model.fit(X, LABELS, batch_size=16, epochs=1, verbose=0)
        with interrupt_after(0.1) as sent, pytest.raises(KeyboardInterrupt):
            model.fit(X, LABELS, batch_size=16, epochs=50_000, verbose=0)
        delays.append(time.perf_counter() - sent.at)
        if delays[-1] < 0.2:
            break
    assert min(delays) < 0.2
    assert signal.getsignal(signal.SIGINT) is handler
    steps, epochs = model._counter.step, model._counter.epoch
    assert model.history.epoch == list(range(1, epochs))
    assert all(len(values) == epochs - 1 for values in model.history.history.values())
    assert 4 * epochs <= steps < 4 * epochs + 4
    twin = network(backend)
    twin.fit(X, LABELS, batch_size=16, epochs=epochs, verbose=0)
    order = numpy_backend.random.permutation(3, epochs, 50)
    for step in range(steps - 4 * epochs):
        rows = order[16 * step : 16 * step + 16]
        twin.train_on_batch(X[rows], LABELS[rows])
    assert_same_bits(model.parameters, twin.parameters)


def test_ctrl_c_inside_a_step():
    """A signal that comes while the weights are written waits until they are whole."""
    finished = []

    class Struck(numpy_backend.executor):
        def run(self, program, data, batch, steps=1, *rest):
            if steps and len(finished) == 2:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)
            losses = super().run(program, data, batch, steps, *rest)
            finished.extend([program] * steps)
            return losses

    backend = SimpleNamespace(executor=Struck, random=numpy_backend.random, __name__="struck")
    model, twin = network(backend), network()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, batch_size=50, shuffle=False, epochs=5, verbose=0)
    assert finished == ["train"] * 3 and model._counter.step == 3 and model.history.epoch == [0, 1, 2]
    twin.fit(X, LABELS, batch_size=50, shuffle=False, epochs=3, verbose=0)
    assert_same_bits(model.parameters, twin.parameters)


def test_ctrl_c_while_compiling():
    """A first training compiles for seconds; what is interrupted then has not begun."""

    class Slow(numpy_backend.executor):
        def run(self, program, data, batch, steps=1, *rest):
            if steps == 0:
                for _ in range(1000):
                    time.sleep(0.01)
            return super().run(program, data, batch, steps, *rest)

    backend = SimpleNamespace(executor=Slow, random=numpy_backend.random, __name__="slow")
    model = network(backend)
    before = bits(model)
    with interrupt_after(0.1) as sent, pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, verbose=0)
    assert time.perf_counter() - sent.at < 0.2
    assert bits(model) == before and model._counter.step == 0


@pytest.mark.needs_jit
def test_ctrl_c_waits_for_the_function_that_is_compiled():
    """Inside LLVM's callbacks it would be lost; Numba holds this lock, maybe more than once, while it compiles."""
    get_backend("numba")
    importlib.import_module("fastnn.backends.numba_backend._pipeline")  # whatever has been compiled before
    from numba.core.compiler_lock import global_compiler_lock

    handler, whole = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), global_compiler_lock:
        with global_compiler_lock:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        whole.append(True)
    assert whole and not global_compiler_lock.is_locked()
    assert signal.getsignal(signal.SIGINT) is handler


def test_building_is_all_or_nothing():
    def stop(*arguments):
        raise KeyboardInterrupt

    random = SimpleNamespace(**{name: stop for name in numpy_backend.random.__all__})
    backend = SimpleNamespace(executor=numpy_backend.executor, random=random, __name__="stopped")
    model = Sequential([Dense(3)], backend=backend)
    with pytest.raises(KeyboardInterrupt):
        model.build(5, dtype="float64")
    assert not model.built and model.dtype == np.float32
    backend.random = numpy_backend.random
    model.build(5)
    assert model.parameters.shape == (18,)


def test_ctrl_c_in_a_long_validation():
    model = network()
    model.fit(X, LABELS, verbose=0)
    long = np.tile(X, (40000, 1)), np.tile(LABELS, 40000)
    before = bits(model)
    with interrupt_after(0.3) as sent, pytest.raises(KeyboardInterrupt):
        model.fit(X, LABELS, batch_size=50, shuffle=False, verbose=0, validation_data=long)
    assert time.perf_counter() - sent.at < 0.3
    assert bits(model) != before  # the epoch's steps are done
    assert model.history.epoch == []


def test_the_handler_that_was_there_is_called():
    class Stop(Exception):
        pass

    def stop(number, frame):
        raise Stop

    before = signal.signal(signal.SIGINT, stop)
    try:
        with interrupt_after(0.05), pytest.raises(Stop):
            network().fit(X, LABELS, epochs=50_000, verbose=0)
        assert signal.getsignal(signal.SIGINT) is stop
    finally:
        signal.signal(signal.SIGINT, before)


def test_training_off_the_main_thread():
    model, twin = network(), network()
    thread = threading.Thread(target=model.fit, args=(X, LABELS), kwargs={"verbose": 0})
    thread.start()
    thread.join()
    twin.fit(X, LABELS, verbose=0)
    assert_same_bits(model.parameters, twin.parameters)


# --- bad input ------------------------------------------------------------------------------------


def with_(array, index, value):
    array = array.astype(np.float64 if np.isreal(value) and not isinstance(value, int) else array.dtype)
    array[index] = value
    return array


BAD = {
    "features": (
        lambda m: m.fit(X[:, :4], LABELS), InvalidValueError, r"x must have 5 features, got shape \(50, 4\)",
    ),
    "one dimension": (lambda m: m.fit(X[0], LABELS), InvalidValueError, "a single sample is x"),
    "predict one dimension": (lambda m: m.predict(X[0]), InvalidValueError, "a single sample is x"),
    "three dimensions": (lambda m: m.evaluate(X[None], LABELS), InvalidValueError, "samples, features"),
    "lengths": (lambda m: m.fit(X, LABELS[:49]), InvalidValueError, "50 samples, got shape"),
    "empty": (lambda m: m.fit(X[:0], LABELS[:0]), InvalidValueError, "no samples"),
    "evaluate nothing": (lambda m: m.evaluate(X[:0], LABELS[:0]), InvalidValueError, "no samples"),
    "nan": (lambda m: m.fit(with_(X, (17, 3), np.nan), LABELS), InvalidValueError, "nan at row 17, column 3"),
    "inf": (lambda m: m.predict(with_(X, (4, 0), -np.inf)), InvalidValueError, "-inf at row 4, column 0"),
    "label above": (
        lambda m: m.fit(X, with_(LABELS, 8, 3)), InvalidValueError, "labels 0 to 2, got 3 at row 8",
    ),
    "label below": (lambda m: m.fit(X, with_(LABELS, 9, -1)), InvalidValueError, "got -1 at row 9"),
    "label half": (lambda m: m.fit(X, with_(LABELS, 2, 0.5)), InvalidValueError, "got 0.5 at row 2"),
    "label nan": (lambda m: m.fit(X, with_(LABELS, 2, np.nan)), InvalidValueError, "got nan at row 2"),
    "one-hot": (lambda m: m.fit(X, ONE_HOT), InvalidValueError, "use the loss categorical_crossentropy"),
    "strings": (lambda m: m.fit(X.astype(str), LABELS), InvalidTypeError, "x must hold real numbers"),
    "complex": (lambda m: m.fit(X * 1j, LABELS), InvalidTypeError, "complex"),
    "ragged": (lambda m: m.fit([[1, 2], [3]], LABELS), InvalidTypeError, "x must be an array of numbers"),
    "none": (lambda m: m.fit(None, LABELS), InvalidTypeError, "real numbers"),
    "batch size": (
        lambda m: m.fit(X, LABELS, batch_size=0), InvalidValueError, "batch_size must be at least 1",
    ),
    "batch type": (
        lambda m: m.fit(X, LABELS, batch_size=1.5), InvalidTypeError, "batch_size must be a whole",
    ),
    "epochs": (lambda m: m.fit(X, LABELS, epochs=-1), InvalidValueError, "epochs must be at least 0"),
    "seed": (lambda m: m.fit(X, LABELS, seed=-1), InvalidValueError, "seed"),
    "verbose": (lambda m: m.fit(X, LABELS, verbose=3), InvalidValueError, "verbose must be"),
    "split": (lambda m: m.fit(X, LABELS, validation_split=1.0), InvalidValueError, r"in \[0, 1\)"),
    "split type": (lambda m: m.fit(X, LABELS, validation_split="a"), InvalidValueError, "validation_split"),
    "validation": (lambda m: m.fit(X, LABELS, validation_data=X), InvalidTypeError, r"must be \(x, y\)"),
    "validation x": (
        lambda m: m.fit(X, LABELS, validation_data=(X[:, :2], LABELS)),
        InvalidValueError, "validation x must have 5",
    ),
    "validation y": (
        lambda m: m.fit(X, LABELS, validation_data=(X, with_(LABELS, 1, 7))),
        InvalidValueError, "validation y",
    ),
    "weights shape": (
        lambda m: m.fit(X, LABELS, sample_weight=np.ones(3)),
        InvalidValueError, r"sample_weight must have shape \(50,\)",
    ),
    "weights sign": (
        lambda m: m.fit(X, LABELS, sample_weight=with_(np.ones(50), 6, -1.0)),
        InvalidValueError, "-1.0 at row 6",
    ),
    "weights nan": (
        lambda m: m.train_on_batch(X, LABELS, with_(np.ones(50), 6, np.nan)),
        InvalidValueError, "nan at row 6",
    ),
    "class": (lambda m: m.fit(X, LABELS, class_weight={3: 1.0}), InvalidValueError, "classes 0 to 2, got 3"),
    "class sign": (
        lambda m: m.fit(X, LABELS, class_weight={1: -1.0}), InvalidValueError, r"class_weight\[1\]",
    ),
    "class type": (
        lambda m: m.fit(X, LABELS, class_weight=[1, 2]), InvalidTypeError, "class_weight must map",
    ),
    "set number": (lambda m: m.set_weights([np.ones((5, 8))]), InvalidValueError, "4 weight arrays, got 1"),
    "set shape": (
        lambda m: m.set_weights([np.ones((5, 8)), np.ones(8), np.ones((8, 3)), np.ones(4)]),
        InvalidValueError, r"b2 must have shape \(3,\)",
    ),
    "set nan": (
        lambda m: m.set_weights([np.ones((5, 8)), np.ones(8), np.ones((8, 3)), np.full(3, np.nan)]),
        InvalidValueError, "b2 holds nan",
    ),
    "loss": (lambda m: m.compile("sgd", "mze"), UnknownNameError, "did you mean 'mse'"),
    "no loss": (lambda m: m.compile("sgd"), InvalidValueError, "needs a loss"),
    "optimizer": (lambda m: m.compile("adm", "mse"), UnknownNameError, "did you mean 'adam"),
    "rate": (lambda m: m.compile(SGD(-0.1), "mse"), InvalidValueError, "at least 0"),
    "metric": (lambda m: m.compile("sgd", "mse", ["acuracy"]), UnknownNameError, "did you mean 'accuracy'"),
    "metrics": (lambda m: m.compile("sgd", "mse", "accuracy"), InvalidTypeError, "must be a list"),
    "backend": (lambda m: m.compile("sgd", "mse", backend="nunba"), UnknownNameError, "did you mean 'numba'"),
    "layer": (lambda m: m.add("dense"), InvalidTypeError, "takes layers"),
    "late layer": (lambda m: m.add(Dense(1)), InvalidValueError, "built already"),
}  # fmt: skip


@pytest.fixture(scope="module")
def abused():
    model = network()
    model.fit(X, LABELS, verbose=0)
    return model


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case, abused):
    """A clear error before any work; afterwards the model goes on as if nothing had been asked."""
    call, kind, message = BAD[case]
    before = bits(abused)
    with pytest.raises(kind, match=message) as error:
        call(abused)
    assert issubclass(kind, TypeError if kind is InvalidTypeError else ValueError)
    assert isinstance(error.value, FastnnError)
    assert bits(abused) == before


def test_bad_input_left_no_trace():
    abused, twin = network(), network()
    for model in (abused, twin):
        model.fit(X, LABELS, verbose=0)
    for call, kind, _ in BAD.values():
        with pytest.raises(kind):
            call(abused)
    for model in (abused, twin):
        model.fit(X, LABELS, epochs=2, verbose=0)
    assert_same_bits(abused.parameters, twin.parameters)
    assert abused.history.history == twin.history.history


def test_bad_first_data_builds_nothing():
    model = Sequential([Dense(3, activation="softmax")], backend="numpy")
    model.compile("sgd", "sparse_categorical_crossentropy")
    for x, y in ((X[0], LABELS), (X, LABELS + 1), (X[:0], LABELS[:0])):
        with pytest.raises(InvalidValueError):
            model.fit(x, y)
        assert not model.built
    model.fit(X, LABELS, verbose=0)
    assert model.built


def test_probabilities_outside_the_unit_interval():
    model = network(loss="categorical_crossentropy")
    with pytest.raises(InvalidValueError, match=r"got 1\.5 at row 3, column 1"):
        model.fit(X, with_(ONE_HOT, (3, 1), 1.5))
    with pytest.raises(InvalidValueError, match="use the loss sparse_categorical_crossentropy"):
        model.fit(X, LABELS)


@BACKENDS
def test_nonfinite_where_allowed(backend):
    x = with_(X, (17, 3), np.nan).astype(np.float32)
    out = network(backend).predict(x, allow_nonfinite=True)
    assert np.isnan(out[17]).all() and np.isfinite(np.delete(out, 17, axis=0)).all()
    model = network(backend)
    model.fit(x, LABELS, verbose=0, allow_nonfinite=True)
    assert np.isnan(model.parameters).any()


def test_asked_too_early():
    model = Sequential([Dense(3)], backend="numpy")
    for call in (
        lambda: model.predict(X),
        lambda: model.parameters,
        lambda: model.get_weights(),
        model.summary,
    ):
        with pytest.raises(NotBuiltError, match="call fit, or build"):
            call()
    model.build(5)
    for call in (model.fit, model.evaluate, model.train_on_batch, model.gradients):
        with pytest.raises(NotBuiltError, match=r"call compile\(optimizer, loss\)"):
            call(X, ONE_HOT)
    with pytest.raises(InvalidValueError, match="no layers"):
        Sequential().build(5)
    with pytest.raises(InvalidValueError, match=r"states samples of shape \(4,\), got \(5,\)"):
        Sequential([Dense(3, input_shape=4)]).build(5)


@pytest.mark.parametrize("dtype", ["float16", "int64", "nonsense", object, None])
def test_dtypes_that_are_not_computed_in(dtype):
    with pytest.raises(InvalidValueError, match="dtype must be float32 or float64"):
        Sequential(dtype=dtype)


def test_compiling_again_starts_the_optimizer_anew():
    model, twin = network(), network()
    model.fit(X, LABELS, epochs=2, verbose=0)
    model.set_weights(twin.get_weights())
    model.compile(Adam(), "sparse_categorical_crossentropy")
    model.fit(X, LABELS, epochs=2, verbose=0)
    twin.fit(X, LABELS, epochs=2, verbose=0)
    assert_same_bits(model.parameters, twin.parameters)
