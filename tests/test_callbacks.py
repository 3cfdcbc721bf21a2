"""Callbacks: the order of hooks, exceptions, resume, what hooks cost, and what each callback does."""

from __future__ import annotations

import contextlib
import csv
import itertools
import os
import signal
import warnings

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn import callbacks, schedules
from fastnn.callbacks import CALLBACKS, Callback, LambdaCallback
from fastnn.callbacks.runner import watches_batches
from fastnn.errors import (
    FileWriteError,
    InvalidTypeError,
    InvalidValueError,
    MissingPackageError,
    NotBuiltError,
    UnknownNameError,
)
from fastnn.layers import BatchNormalization, Dense
from fastnn.models import Sequential
from fastnn.optimizers import SGD
from fastnn.training import loop

BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])
RNG = np.random.default_rng(7)
X = RNG.random((50, 5)).astype(np.float32)
LABELS = (X[:, 0] * 3).astype(np.int64)
HOOKS = ("on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_train_batch_begin",
         "on_train_batch_end")  # fmt: skip

# registered name: a callback that has something to do in a training of 6 epochs of 7 steps; may write into a folder
CASES = {
    "csv_logger": lambda folder: callbacks.CSVLogger(folder / "log.csv"),
    "early_stopping": lambda folder: callbacks.EarlyStopping("loss", 9.0, patience=4, restore_best_weights=True),
    "exponential_moving_average": lambda folder: callbacks.ExponentialMovingAverage(0.9, every=3),
    "lambda": lambda folder: LambdaCallback(on_epoch_begin=halve_a_weight, on_train_batch_end=halve_a_weight),
    "learning_rate_scheduler": lambda folder: callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5),
    "model_checkpoint": lambda folder: callbacks.ModelCheckpoint(
        folder / "net.safetensors", "loss", save_best_only=True
    ),
    "reduce_lr_on_plateau": lambda folder: callbacks.ReduceLROnPlateau("loss", 0.5, 2, min_delta=1.0, cooldown=1),
    "stochastic_weight_averaging": lambda folder: callbacks.StochasticWeightAveraging(),
    "tensorboard": lambda folder: callbacks.TensorBoard(folder / "logs", 2, 5),
    "terminate_on_nan": lambda folder: callbacks.TerminateOnNaN(),
    "timing": lambda folder: callbacks.Timing(),
}


def halve_a_weight(number, logs):
    for weight in halve_a_weight.model.weights.values():
        weight.flat[0] *= np.float32(0.5)


def network(backend="numpy", optimizer="adam", metrics=(), layers=None):
    model = Sequential(layers or [Dense(8, "tanh"), BatchNormalization(), Dense(3, "softmax")], seed=3, backend=backend)
    model.build((None, 5))
    model.compile(optimizer, "sparse_categorical_crossentropy", list(metrics))
    halve_a_weight.model = model
    return model


def fit(model, hooks=None, epochs=3, x=X, y=LABELS, batch_size=8, **options):
    return model.fit(x, y, batch_size, epochs, verbose=0, callbacks=hooks, **options)


class Recorder(Callback):
    """Writes down each call."""

    def __init__(self, calls, label=""):
        self.calls, self.label = calls, label
        for hook in HOOKS:
            setattr(self, hook, lambda *args, hook=hook: self.note(hook, *args))

    def note(self, hook, *args):
        self.calls.append((self.label + hook, *args[:-1]))
        assert isinstance(args[-1], dict)


class Watcher(Callback):
    """Records the values of an epoch; has no batch hook."""

    def __init__(self):
        self.logs = []

    def on_epoch_end(self, epoch, logs=None):
        self.logs.append(dict(logs))


# --- hooks ----------------------------------------------------------------------------------------


def test_order_of_hooks():
    calls = []
    model = network()
    fit(model, [Recorder(calls, "a "), Recorder(calls, "b ")], epochs=2, batch_size=20)
    one = [("on_train_begin",)]
    for epoch in range(2):
        one.append(("on_epoch_begin", epoch))
        for batch in range(3):
            one += [("on_train_batch_begin", batch), ("on_train_batch_end", batch)]
        one.append(("on_epoch_end", epoch))
    one.append(("on_train_end",))
    assert calls == [(label + name, *rest) for name, *rest in one for label in ("a ", "b ")]
    calls.clear()
    fit(model, [Recorder(calls)], epochs=1, batch_size=50)
    assert ("on_epoch_begin", 2) in calls  # epochs count on, as in History.epoch
    calls.clear()
    fit(model, Recorder(calls), epochs=0)
    assert calls == [("on_train_begin",), ("on_train_end",)]


@BACKENDS
def test_logs_and_params(backend):
    seen, batches, steps = [], [], []
    model = network(backend, metrics=["accuracy"])
    watcher = Watcher()
    lambdas = LambdaCallback(
        on_train_begin=lambda logs: seen.append((lambdas.model, lambdas.params)),
        on_train_batch_end=lambda batch, logs: batches.append(logs),
        on_steps=lambda first, losses: steps.append((first, losses.tolist())),
        on_train_end=lambda logs: seen.append(logs),
    )
    history = fit(model, (lambdas, watcher), epochs=2, validation_split=0.2)
    names = ["loss", "accuracy", "val_loss", "val_accuracy"]
    params = {"epochs": 2, "batch_size": 8, "samples": 40, "steps": 5, "verbose": 0, "metrics": names}
    assert seen == [(model, params), watcher.logs[-1]]
    assert [list(logs) for logs in watcher.logs] == [names] * 2
    assert history.history == {name: [logs[name] for logs in watcher.logs] for name in names}
    assert [list(logs) for logs in batches] == [["loss", "accuracy"]] * 10
    for epoch in range(2):
        assert batches[epoch * 5 + 4]["loss"] == watcher.logs[epoch]["loss"]
        assert batches[epoch * 5 + 4]["accuracy"] == watcher.logs[epoch]["accuracy"]
    assert [first for first, _ in steps] == list(range(1, 11))
    first_epoch = [losses[0] for _, losses in steps[:5]]
    assert batches[0]["loss"] == first_epoch[0]
    assert batches[4]["loss"] == pytest.approx(np.mean(first_epoch), rel=1e-12)


def runs(monkeypatch, model, hooks, **options):
    """Return the numbers of steps of each training run of the executor."""
    monkeypatch.setattr(loop, "PIECE_SECONDS", 1e9)  # pieces grow eightfold each
    executor, found = model._executor("train"), []
    run = executor.run

    def counted(program, data, batch, steps=1, *rest, **more):
        found.append(steps)
        return run(program, data, batch, steps, *rest, **more)

    monkeypatch.setattr(executor, "run", counted)
    fit(model, hooks, batch_size=2, **options)
    return found[1:]  # without that which only compiles


def test_callbacks_without_batch_hooks_cost_no_runs(monkeypatch):
    plain = runs(monkeypatch, network(), None)
    assert plain == [1, 8, 16, 25, 25]
    quiet = [Watcher(), callbacks.EarlyStopping("loss"), callbacks.Timing(), callbacks.TerminateOnNaN(),
             callbacks.StochasticWeightAveraging(), callbacks.ReduceLROnPlateau("loss")]  # fmt: skip
    assert runs(monkeypatch, network(), quiet) == plain
    each = LambdaCallback(on_train_batch_begin=lambda batch, logs: None)
    assert watches_batches(each) and runs(monkeypatch, network(), [*quiet, each]) == [1] * 75


def test_every_so_many_steps(monkeypatch):
    ends, begins = [], []
    hooks = LambdaCallback(on_train_batch_end=lambda batch, logs: ends.append((hooks.model.iterations, batch)),
                           on_train_batch_begin=lambda batch, logs: begins.append(batch))  # fmt: skip
    hooks.every = 10
    assert max(runs(monkeypatch, network(), hooks, epochs=2)) == 10
    assert ends == [(10, 9), (20, 19), (25, 24), (30, 4), (40, 14), (50, 24)]
    assert begins == [0, 10, 20, 0, 5, 15]


@BACKENDS
def test_hooks_change_no_bit(backend):
    plain, watched = network(backend, metrics=["accuracy"]), network(backend, metrics=["accuracy"])
    a = fit(plain, validation_split=0.2)
    b = fit(watched, [Recorder([]), Watcher(), callbacks.Timing(), callbacks.TerminateOnNaN()], validation_split=0.2)
    assert_same_bits(plain.parameters, watched.parameters)
    assert a.history == b.history


def test_a_slow_callback_does_not_shorten_pieces(monkeypatch):
    clock = itertools.count()
    now = [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: now[0] + next(clock) * 1e-9)

    def slow(first, losses):
        now[0] += 10.0

    model = network()
    executor, found = model._executor("train"), []
    run = executor.run

    def timed(program, data, batch, steps=1, *rest, **more):
        now[0] += steps * loop.PIECE_SECONDS / 10
        found.append(steps)
        return run(program, data, batch, steps, *rest, **more)

    monkeypatch.setattr(executor, "run", timed)
    fit(model, LambdaCallback(on_steps=slow), batch_size=1, epochs=1)
    assert found[1:4] == [1, 8, 9] and min(found[2:-1]) >= 8


# --- stopping and changing ------------------------------------------------------------------------


def test_stop_training():
    model = network()
    stop = LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1))
    assert fit(model, stop, epochs=9).epoch == [0, 1]
    assert fit(model, epochs=2).epoch == [2, 3]  # the next training begins anew
    ended = []
    model = network()
    batch = LambdaCallback(on_train_batch_end=lambda batch, logs: setattr(model, "stop_training", batch == 2),
                           on_epoch_end=lambda epoch, logs: ended.append(logs))  # fmt: skip
    history = fit(model, batch, epochs=9)
    assert model.iterations == 3 and history.epoch == [0] and ended[0]["loss"] == history.history["loss"][0]
    model = network()
    assert fit(model, LambdaCallback(on_train_begin=lambda logs: setattr(model, "stop_training", True))).epoch == []


@BACKENDS
def test_rates_and_weights_change_between_pieces(backend):
    model, twin = network(backend, SGD(0.5)), network(backend, SGD(0.5))

    def change(epoch, logs):
        model.optimizer.learning_rate = 0.25
        model.parameters[:7] = 0.125

    fit(model, LambdaCallback(on_epoch_end=change), epochs=2, shuffle=False)
    fit(twin, epochs=1, shuffle=False)
    twin.optimizer.learning_rate = 0.25
    twin.parameters[:7] = 0.125
    fit(twin, epochs=1, shuffle=False)
    twin.parameters[:7] = 0.125
    assert_same_bits(model.parameters, twin.parameters)
    bad = LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model.optimizer, "learning_rate", -1.0))
    with pytest.raises(InvalidValueError, match="learning_rate must be at least 0"):
        fit(model, bad)


def test_what_hooks_add_to_the_logs_is_kept():
    model, watcher = network(), Watcher()
    adds = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(extra=np.float32(epoch), note="text"))
    history = fit(model, [adds, watcher])
    assert history.history["extra"] == [0.0, 1.0, 2.0] and "note" not in history.history
    assert watcher.logs[2]["extra"] == 2.0


# --- exceptions -----------------------------------------------------------------------------------


class Boom(Exception):
    pass


@pytest.mark.parametrize("kind", [Boom, KeyboardInterrupt])
@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook != "on_train_end"])
def test_a_callback_that_raises_leaves_all_whole(hook, kind):
    def raises(*args):
        if args[0] == 1 or hook == "on_train_begin":
            raise kind("here")

    calls = []
    model = network()
    hooks = [Recorder(calls, "a "), LambdaCallback(**{hook: raises}), Recorder(calls, "b ")]
    with pytest.raises(kind, match="here"):
        fit(model, hooks)
    steps = {"on_train_begin": 0, "on_epoch_begin": 7, "on_epoch_end": 14, "on_train_batch_begin": 1,
             "on_train_batch_end": 2}[hook]  # fmt: skip
    assert model.iterations == steps
    assert model.history.epoch == list(range(steps // 7))
    assert all(len(values) == steps // 7 for values in model.history.history.values())
    ends = [call[0] for call in calls if call[0].endswith("on_train_end")]
    assert ends == (["a on_train_end"] if hook == "on_train_begin" else ["a on_train_end", "b on_train_end"])
    # the weights are those of the whole steps
    twin = network()
    stop = LambdaCallback(on_train_batch_end=lambda *_: setattr(twin, "stop_training", twin.iterations >= steps))
    if steps:
        fit(twin, stop)
    assert_same_bits(model.parameters, twin.parameters)
    if steps % 7 == 0:  # and whole epochs go on as if nothing had been
        whole = network()
        fit(whole)
        fit(model, epochs=3 - steps // 7)
        assert_same_bits(model.parameters, whole.parameters)


def test_exceptions_at_the_end():
    calls = []
    first = LambdaCallback(on_train_end=lambda logs: raising(Boom("first")))
    second = LambdaCallback(on_train_end=lambda logs: raising(ValueError("second")))
    with pytest.raises(Boom, match="first") as caught:
        fit(network(), [first, second, Recorder(calls)])
    assert calls[-1] == ("on_train_end",) and "second" in caught.value.__notes__[0]
    during = LambdaCallback(on_epoch_end=lambda epoch, logs: raising(KeyError("during")))
    with pytest.raises(KeyError, match="during") as caught:
        fit(network(), [during, first])
    assert "LambdaCallback raised Boom('first')" in caught.value.__notes__[0]


def raising(error):
    raise error


def test_ctrl_c_ends_callbacks():
    calls = []
    press = LambdaCallback(on_epoch_end=lambda epoch, logs: os.kill(os.getpid(), signal.SIGINT))
    model = network()
    with pytest.raises(KeyboardInterrupt):
        fit(model, [press, Recorder(calls)])
    assert model.history.epoch == [0] and model.iterations == 7
    assert calls[-1] == ("on_train_end",) and ("on_epoch_end", 0) in calls


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            callbacks.EarlyStopping,
            InvalidTypeError,
            r"got the class EarlyStopping; did you mean EarlyStopping\(...\)\?",
        ),
        ([Watcher()] * 2, InvalidValueError, "twice"),
        (
            "early_stopping",
            InvalidTypeError,
            "must be a Callback or a list of them .*csv_logger.* got 'early_stopping'",
        ),
        ([None], InvalidTypeError, "got None"),
        (lambda epoch, logs: None, InvalidTypeError, "must be a Callback"),
    ],
)
def test_bad_callbacks_are_refused_before_any_work(given, error, message):
    model = network()
    before = model.parameters.tobytes()
    with pytest.raises(error, match=message):
        fit(model, given)
    assert model.parameters.tobytes() == before and model.history.epoch == []
    watcher = LambdaCallback(on_train_batch_end=print)
    watcher.every = 0
    with pytest.raises(InvalidValueError, match=r"every of LambdaCallback .* got 0"):
        fit(model, watcher)


# --- all of them ----------------------------------------------------------------------------------


def test_every_callback_has_a_case(tmp_path):
    assert set(CASES) == set(CALLBACKS)
    for name, make in CASES.items():
        assert type(make(tmp_path)) is CALLBACKS[name]
        assert CALLBACKS[name].__name__ in callbacks.__all__


@pytest.mark.needs_jit
@pytest.mark.parametrize("name", CASES)
def test_both_backends_train_to_the_same_bits(name, tmp_path):
    found = []
    for backend in ("numpy", "numba"):
        model = network(backend)
        history = fit(model, CASES[name](tmp_path), epochs=6)
        found.append((model.parameters, history.history))
    assert_same_bits(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize("step", [21, 17])  # an epoch's end, and amid one
@pytest.mark.parametrize("name", CASES)
def test_resumed_is_uninterrupted(name, step, tmp_path):
    file = tmp_path / "here.safetensors"

    def run(folder, resume=False):
        """Train six epochs; after ``step`` steps save and, outside of "whole", in epoch 4 fall down once."""
        folder.mkdir(exist_ok=True)
        model = Sequential.load(file, backend="numpy") if resume else network()
        halve_a_weight.model = model
        hooks = [CASES[name](folder)]
        if folder.name == "parts" and not resume:
            save = LambdaCallback(on_checkpoint=lambda: model.save(file) if model.iterations == step else None)
            fall = LambdaCallback(on_epoch_begin=lambda epoch, logs: raising(Boom()) if epoch == 4 else None)
            hooks = [save, *hooks, fall]
            if step % 7:
                save.on_train_batch_end = lambda batch, logs: None
                save.every = step
        with contextlib.suppress(Boom):
            fit(model, hooks, epochs=6, resume=resume)
        return model, hooks[0]

    whole, ours = run(tmp_path / "whole")
    run(tmp_path / "parts")
    resumed, theirs = run(tmp_path / "parts", resume=True)
    assert resumed.iterations == (35 if name == "early_stopping" else 42)
    assert_same_bits(whole.parameters, resumed.parameters)
    assert whole.history.history == resumed.history.history and whole.iterations == resumed.iterations
    if name == "timing":
        assert len(ours.seconds) == len(theirs.seconds) == 6
        return
    check_same(ours.state(), theirs.state())
    if name == "csv_logger":
        assert (tmp_path / "whole/log.csv").read_text() == (tmp_path / "parts/log.csv").read_text()


def check_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            check_same(a[key], b[key])
    elif isinstance(a, np.ndarray):
        assert_same_bits(a, b)
    else:
        assert a == b


# --- each of them ---------------------------------------------------------------------------------


def replay(callback, values, name="val_loss", model=None):
    """Let a callback see epochs with the given values; return the epoch at which it stopped, and the model."""
    model = model or network(optimizer=SGD(1.0))
    model.stop_training = False
    callback.set_model(model)
    callback.set_params({"metrics": ["loss", "val_loss", "accuracy", "val_accuracy"], "samples": 10})
    callback.on_train_begin({})
    for epoch, value in enumerate(values):
        callback.on_epoch_begin(epoch, {})
        model.parameters[...] = epoch
        model.statistics["mean2"][...] = epoch
        logs = {"loss": 1.0, name: value}
        callback.on_epoch_end(epoch, logs)
        callback.seen = logs
        if model.stop_training:
            callback.on_train_end({})
            return epoch, model
    callback.on_train_end({})
    return None, model


NAN = float("nan")


@pytest.mark.parametrize(
    ("settings", "values", "stopped", "best"),
    [
        ({}, [3, 2, 2, 1], 2, 1),
        ({"patience": 2}, [3, 2, 2.5, 1, 1, 1, 1], 5, 3),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.6, 2, 1.6], 1, 0),
        ({"patience": 2, "min_delta": -0.5}, [3, 2.6, 2.4, 2, 1.8, 1.7], None, 4),
        ({"patience": 2, "baseline": 1.5}, [3, 2, 1, 1, 1], 1, 1),
        ({"patience": 2, "baseline": 1.5}, [3, 1.2, 1, 1.1, 1.1], 4, 2),
        ({"start_from_epoch": 3}, [1, 2, 3, 4, 3.5, 5], 5, 4),
        ({"patience": 1}, [NAN, 3, NAN, 2], 0, 0),
        ({"patience": 2}, [NAN, 3, NAN, 2, 1.5], None, 4),
        ({"mode": "max", "patience": 1}, [1, 2, 1, 3], 2, 1),
    ],
)
def test_early_stopping(settings, values, stopped, best):
    callback = callbacks.EarlyStopping(**settings)
    assert replay(callback, values)[0] == stopped and callback.stopped_epoch == stopped
    restoring = callbacks.EarlyStopping(**settings, restore_best_weights=True)
    _, model = replay(restoring, values)
    assert (model.parameters == best).all() and (model.statistics["mean2"] == best).all()
    assert restoring.best_epoch == best


def test_early_stopping_names_what_is_missing(capsys):
    with pytest.raises(InvalidValueError, match="monitor='val_loss' needs validation"):
        fit(model := network(), callbacks.EarlyStopping())
    assert model.iterations == 0
    with pytest.raises(UnknownNameError, match="no value to monitor 'los'; did you mean 'loss'"):
        fit(network(), callbacks.EarlyStopping("los"))
    for name, mode in {"accuracy": "max", "val_auc": "max", "r2_score": "max", "val_loss": "min", "mae": "min"}.items():
        assert callbacks.EarlyStopping(name)._monitor.mode == mode
    replay(callbacks.EarlyStopping(verbose=1, restore_best_weights=True), [3, 1, 2])
    assert capsys.readouterr().out == (
        "Epoch 3: early stopping\nRestoring model weights from the end of the best epoch: 2.\n"
    )


def test_early_stopping_in_a_training():
    model, twin = network(optimizer=SGD(3.0)), network(optimizer=SGD(3.0))
    history = fit(model, callbacks.EarlyStopping(patience=2, restore_best_weights=True), epochs=40,
                  validation_split=0.3)  # fmt: skip
    losses = history.history["val_loss"]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 40
    fit(twin, epochs=best + 1, validation_split=0.3)
    assert_same_bits(model.parameters, twin.parameters)
    for name, values in model.statistics.items():
        assert_same_bits(values, twin.statistics[name])


def test_model_checkpoint(tmp_path, capsys):
    model = network()
    fit(model, callbacks.ModelCheckpoint(tmp_path / "net-{epoch:02d}-{val_loss:.3f}.safetensors", verbose=1), epochs=2,
        validation_split=0.2)  # fmt: skip
    names = [f"net-{i + 1:02d}-{loss:.3f}.safetensors" for i, loss in enumerate(model.history.history["val_loss"])]
    assert sorted(os.listdir(tmp_path)) == names
    assert capsys.readouterr().out == "".join(f"Saved {tmp_path / name}\n" for name in names)
    again = Sequential.load(tmp_path / names[1], backend="numpy")
    assert_same_bits(again.parameters, model.parameters)
    assert again.iterations == model.iterations == 10

    weights = tmp_path / "w-{epoch}-{batch}"
    fit(network(), callbacks.ModelCheckpoint(weights, save_weights_only=True, save_freq=5), epochs=2)
    assert sorted(os.listdir(tmp_path))[2:] == ["w-1-5", "w-2-3"]
    other = network()
    other.load_weights(tmp_path / "w-2-3")
    twin = network()
    fit(twin, LambdaCallback(on_train_batch_end=lambda *_: setattr(twin, "stop_training", twin.iterations == 10)),
        epochs=2)  # fmt: skip
    assert_same_bits(other.parameters, twin.parameters)


@pytest.mark.parametrize("make", [
    lambda folder: callbacks.ModelCheckpoint(folder / "net.safetensors"),
    lambda folder: callbacks.ModelCheckpoint(folder / "epoch-{epoch}" / "net.safetensors"),
    lambda folder: callbacks.CSVLogger(folder / "log.csv"),
])  # fmt: skip
def test_folders_are_made_before_the_first_epoch(make, tmp_path):
    seen = []
    watch = LambdaCallback(on_epoch_begin=lambda *_: seen.append((tmp_path / "a" / "b").is_dir()))
    fit(network(), [watch, make(tmp_path / "a" / "b")], epochs=2)
    assert seen == [True, True]
    written = [str(path.relative_to(tmp_path / "a" / "b")) for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    assert written in (["net.safetensors"], ["epoch-1/net.safetensors", "epoch-2/net.safetensors"], ["log.csv"])

    (tmp_path / "file").write_text("kept")
    model = network()
    with pytest.raises(FileWriteError, match="no file can be made there: Not a directory"):
        fit(model, make(tmp_path / "file"))
    assert model.iterations == 0 and (tmp_path / "file").read_text() == "kept"


def test_model_checkpoint_of_the_best(tmp_path):
    class Fake:
        iterations = 0

        def save(self, path):
            saved.append(path)

    def files(values, **settings):
        saved.clear()
        callback = callbacks.ModelCheckpoint("{epoch}", save_best_only=True, **settings)
        callback.set_model(Fake())
        callback.set_params({"metrics": ["loss", "val_loss"]})
        callback.on_train_begin({})
        for epoch, value in enumerate(values):
            callback.on_epoch_begin(epoch, {})
            callback.on_epoch_end(epoch, {"loss": value, "val_loss": value})
            callback.on_checkpoint()
        return saved

    saved = []
    assert files([3, 2, 2, 1, NAN]) == ["1", "2", "4"]
    assert files([1, 3, 2], mode="max") == ["1", "2"]
    assert files([3, 2, 1], initial_value_threshold=2.5) == ["2", "3"]
    with pytest.raises(InvalidValueError, match="save_freq must be 'epoch' or"):
        callbacks.ModelCheckpoint("net", save_freq="batch")
    with pytest.raises(InvalidValueError, match="no val_loss between epochs"):
        fit(network(), callbacks.ModelCheckpoint("net", save_best_only=True, save_freq=2), validation_split=0.2)
    with pytest.raises(InvalidValueError, match="names 'val_los'; known are epoch, loss"):
        fit(network(), callbacks.ModelCheckpoint(tmp_path / "net-{val_los}"))
    with pytest.raises(InvalidTypeError, match="filepath must be a path, got 3"):
        callbacks.ModelCheckpoint(3)


def test_learning_rate_scheduler(capsys):
    model = network(optimizer=SGD(0.5))
    history = fit(model, callbacks.LearningRateScheduler(lambda epoch, rate: rate / (epoch + 1), verbose=1))
    assert history.history["learning_rate"] == [0.5, 0.25, 0.25 / 3]
    assert capsys.readouterr().out.splitlines()[1] == "Epoch 2: learning rate 0.25"
    by_epoch = callbacks.LearningRateScheduler(schedules.StepDecay(0.5, 2, 0.5))
    assert fit(network(optimizer="sgd"), by_epoch).history["learning_rate"] == [0.5, 0.5, 0.25]
    with pytest.raises(InvalidValueError, match="the schedule's rate of epoch 0 must be at least 0, got -1"):
        fit(network(), callbacks.LearningRateScheduler(lambda epoch: -1))
    with pytest.raises(InvalidTypeError, match="the optimizer follows StepDecay"):
        fit(network(optimizer=SGD(schedules.StepDecay(0.5, 2))), by_epoch)
    with pytest.raises(InvalidTypeError, match="schedule must be a function"):
        callbacks.LearningRateScheduler(0.5)


@pytest.mark.parametrize(
    ("settings", "values", "rates"),
    [
        ({"patience": 2}, [3, 3, 3, 3, 3], [1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 1, "cooldown": 2}, [3, 3, 3, 3, 3, 3], [1, 0.5, 0.5, 0.25, 0.25, 0.125]),
        ({"patience": 1, "min_lr": 0.4}, [3, 3, 3, 3], [1, 0.5, 0.4, 0.4]),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.75, 2.25, 1.5], [1, 0.5, 0.5, 0.5]),
        ({"patience": 1, "mode": "max"}, [1, 2, 1, 3], [1, 1, 0.5, 0.5]),
    ],
)
def test_reduce_on_plateau(settings, values, rates):
    callback, found = callbacks.ReduceLROnPlateau(factor=0.5, **settings), []
    model = network(optimizer=SGD(1.0))
    callback.set_model(model)
    callback.set_params({"metrics": ["val_loss"]})
    callback.on_train_begin({})
    for epoch, value in enumerate(values):
        logs = {"val_loss": value}
        callback.on_epoch_end(epoch, logs)
        assert logs["learning_rate"] == (found[-1] if found else 1.0)
        found.append(model.optimizer.learning_rate)
    assert found == rates
    with pytest.raises(InvalidValueError, match="factor must be below 1, got 1"):
        callbacks.ReduceLROnPlateau(factor=1)


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    history = fit(network(metrics=["accuracy"]), callbacks.CSVLogger(path, ";"), epochs=2).history
    with open(path, newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    assert rows[0] == ["epoch", "accuracy", "loss"]
    for epoch in range(2):
        assert rows[1 + epoch] == [str(epoch), repr(history["accuracy"][epoch]), repr(history["loss"][epoch])]
    fit(network(), callbacks.CSVLogger(path, ";", append=True), epochs=1)
    lines = path.read_text().splitlines()
    assert len(lines) == 4 and lines[3].startswith("0;NA;")
    path.write_text(path.read_text() + "9;0.1")  # half a line
    fit(network(), callbacks.CSVLogger(path, ";", append=True), epochs=1)
    assert len(path.read_text().splitlines()) == 5
    fit(network(), callbacks.CSVLogger(path), epochs=1)
    assert path.read_text().startswith("epoch,loss\n0,") and len(path.read_text().splitlines()) == 2
    assert os.listdir(tmp_path) == ["log.csv"]
    with pytest.raises(InvalidValueError, match="separator must be one character"):
        callbacks.CSVLogger(path, "; ")


def test_tensorboard(tmp_path, monkeypatch):
    written = []

    class Writer:
        def __init__(self, folder):
            self.run = os.path.basename(folder)

        def add_scalar(self, tag, value, step):
            written.append((self.run, tag, value, step))

        def add_histogram(self, tag, values, step):
            written.append((self.run, tag, values.shape, step))

        def flush(self):
            pass

        def close(self):
            written.append((self.run, "closed"))

    from fastnn.callbacks import tensorboard

    with monkeypatch.context() as patch:
        patch.setattr(tensorboard, "_writer_class", lambda: Writer)
        model = network()
        fit(model, callbacks.TensorBoard(tmp_path, histogram_freq=2, update_freq=5), epochs=2, validation_split=0.2)
    loss, val = model.history.history["loss"], model.history.history["val_loss"]
    assert ("train", "epoch_loss", loss[1], 1) in written and ("validation", "epoch_loss", val[0], 0) in written
    assert ("train", "batch_loss", loss[0], 5) in written and ("train", "epoch_learning_rate", 0.001, 1) in written
    assert ("train", "W1", (40,), 0) in written and ("train", "W1", (40,), 1) not in written
    assert written[-2:] == [("train", "closed"), ("validation", "closed")]
    fit(network(), callbacks.TensorBoard(tmp_path / "logs", 1), epochs=1)  # the real one
    assert os.listdir(tmp_path / "logs/train")[0].startswith("events.out.tfevents")
    bad = network()
    bad.weights["b1"][...] = np.nan
    bad.weights["W1"][0] = np.inf
    fit(bad, callbacks.TensorBoard(tmp_path / "bad", 1), epochs=1)
    monkeypatch.setattr(tensorboard, "installed", lambda package: False)
    monkeypatch.setattr("fastnn.optional.installed", lambda package: False)
    with pytest.raises(
        MissingPackageError, match=r"TensorBoard needs tensorboardX: pip install 'fastnn\[tensorboard\]'"
    ):
        fit(network(), callbacks.TensorBoard(tmp_path))
    with pytest.raises(InvalidValueError, match="update_freq must be"):
        callbacks.TensorBoard(update_freq="step")


def diverging(backend="numpy"):
    model = Sequential([Dense(8, "exponential"), Dense(4, "exponential"), Dense(1)], seed=1, backend=backend)
    model.compile(SGD(5.0), "mse")
    return model


@BACKENDS
def test_terminate_on_nan_names_step_and_layer(backend):
    model, guard = diverging(backend), callbacks.TerminateOnNaN()
    with pytest.warns(RuntimeWarning, match="training stopped: the loss is (NaN|infinite) at step"):
        fit(model, guard, y=X[:, 0], epochs=9)
    step = int(guard.message.split("step ")[1].split(";")[0])
    assert len(model.history.epoch) == 1 and "the weights W1 of layer 1 (Dense) are not finite" in guard.message
    # as a training step by step sees it
    twin, seen = diverging(backend), []
    watch = LambdaCallback(on_steps=lambda first, losses: seen.extend(np.isfinite(losses)),
                           on_train_batch_end=lambda *_: None)  # fmt: skip
    with np.errstate(all="ignore"):
        fit(twin, watch, y=X[:, 0], epochs=1)
    assert seen.index(False) == step - 1
    one = diverging(backend)
    one.build((None, 5))
    one.weights["W2"][0, 0] = np.inf
    with pytest.warns(RuntimeWarning, match=r"at step 1; the weights W2 of layer 2 \(Dense\) are not finite"):
        fit(one, callbacks.TerminateOnNaN(), y=X[:, 0])
    one = diverging(backend)
    one.build((None, 5))
    one.weights["W2"][0, 0] = 200.0  # what comes out of layer 1 is about 1
    one.weights["W1"][...] = 0.0
    with pytest.warns(RuntimeWarning, match=r"infinite at step 1; the outputs of layer 2 \(Dense\) are not finite"):
        fit(one, callbacks.TerminateOnNaN(), y=X[:, 0])
    bad = X.copy()
    bad[20, 1] = np.nan
    with pytest.warns(RuntimeWarning, match="at step 3; its samples hold NaN"):
        fit(network(backend), callbacks.TerminateOnNaN(), x=bad, allow_nonfinite=True, shuffle=False)
    last = network(backend)
    breaks = LambdaCallback(on_steps=lambda first, losses: last.weights["b1"].fill(np.nan))
    with pytest.warns(RuntimeWarning, match=r"after step 1 the loss is finite, but the weights b1 of layer 1"):
        fit(last, [breaks, callbacks.TerminateOnNaN()], batch_size=50)


def test_terminate_on_nan_leaves_a_training_alone():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(network(), guard := callbacks.TerminateOnNaN())
    assert guard.message is None


def test_averages_of_weights():
    steps, ends = [], []
    model = network()
    ema = callbacks.ExponentialMovingAverage(0.9, swap_at_end=False)
    swa = callbacks.StochasticWeightAveraging(1, 2, swap_at_end=False)
    watch = LambdaCallback(on_train_batch_end=lambda *_: steps.append(model.parameters.copy()),
                           on_epoch_end=lambda *_: ends.append(model.parameters.copy()))  # fmt: skip
    fit(model, [ema, swa, watch], epochs=6)
    average = steps[0]
    for weights in steps[1:]:
        average = np.float32(0.9) * average + np.float32(1 - 0.9) * weights
    assert_same_bits(ema.average, average)
    assert_same_bits(swa.average, ((ends[1].astype(np.float64) + ends[3] + ends[5]) / 3).astype(np.float32))
    own = model.parameters.copy()
    with pytest.raises(Boom), ema.applied() as averaged:
        assert averaged is model
        assert_same_bits(model.parameters, average)
        raise Boom
    assert_same_bits(model.parameters, own)
    swapped = network()
    fit(swapped, callbacks.ExponentialMovingAverage(0.9), epochs=6)
    assert_same_bits(swapped.parameters, average)
    some = network()
    fit(some, callbacks.ExponentialMovingAverage(0.0, every=5), epochs=6)
    assert_same_bits(some.parameters, steps[39])
    with (
        pytest.raises(NotBuiltError, match="has averaged nothing yet"),
        callbacks.StochasticWeightAveraging().applied(),
    ):
        pass
    for wrong in (1.0, -0.1):
        with pytest.raises(InvalidValueError, match="momentum"):
            callbacks.ExponentialMovingAverage(wrong)


def test_timing(capsys):
    timing = callbacks.Timing(log=True, verbose=1)
    history = fit(network(), timing, epochs=2).history
    assert history["seconds"] == timing.seconds and len(timing.seconds) == 2 and min(timing.seconds) > 0
    assert history["samples_per_second"] == [50 / seconds for seconds in timing.seconds]
    assert "samples/s" in capsys.readouterr().out
    assert "seconds" not in fit(network(), callbacks.Timing()).history


def test_lambda_callback_refuses():
    with pytest.raises(UnknownNameError, match="no hook 'on_epoch'; did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch=print)
    with pytest.raises(InvalidTypeError, match="on_epoch_end must be a function, got 3"):
        LambdaCallback(on_epoch_end=3)


def test_models_are_copied_without_their_callbacks():
    import copy

    model = network()
    fit(model, LambdaCallback(on_epoch_end=lambda epoch, logs: None))
    assert copy.deepcopy(model)._callbacks.callbacks == [] and len(model._callbacks.callbacks) == 1
