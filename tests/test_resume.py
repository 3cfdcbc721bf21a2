"""A training that is interrupted and resumed ends in the bits of one that is not: weights, history, callbacks.

Here the interruption is a file of that moment, loaded into a new model; ``test_files_killed.py`` kills processes.
"""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from bits import assert_same_bits

from fastnn import callbacks, layers, metrics, schedules
from fastnn.callbacks import CALLBACKS, Callback
from fastnn.errors import InvalidValueError
from fastnn.models import Sequential
from fastnn.optimizers import OPTIMIZERS, SGD, Adam
from fastnn.training import loop
from fastnn.training.loop import evaluate

BACKENDS = pytest.mark.parametrize("backend", ["numpy", pytest.param("numba", marks=pytest.mark.needs_jit)])
EPOCHS = 3
FIT = {"batch_size": 8, "verbose": 0, "validation_split": 0.25}
"""24 samples to train on: three steps an epoch."""


def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((32, 3)), rng.standard_normal((32, 1))


def make(backend="numpy", optimizer=None, **options):
    stack = [layers.Dense(4, "tanh"), layers.Dropout(0.2), layers.BatchNormalization(), layers.Dense(1)]
    model = Sequential(stack, dtype=options.pop("dtype", "float64"), seed=3, backend=backend)
    model.compile(optimizer or Adam(0.03), "mse", metrics=["mae", metrics.R2Score()])
    return model


class Keeper(Callback):
    """Saves every moment that a checkpoint can have, if it is given a folder."""

    def __init__(self, folder=None):
        self.folder, self.files, self.seen = folder, [], []
        self.name = "keeper"

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((batch, logs["loss"], logs["mae"]))

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((epoch, logs.get("val_loss")))

    def on_checkpoint(self):
        if self.folder is None:
            return
        self.files.append(self.folder / f"{len(self.files)}.safetensors")
        self.model.save(self.files[-1])

    def state(self):
        return {"seen": self.seen}

    def load_state(self, state):
        self.seen = state["seen"]


def everything(model):
    """Return all that a training leaves behind; callbacks as they are in the model."""
    fit = model._fit.state()
    timeless = [entry for entry in fit.callbacks if entry["name"] != "timing"]
    return {
        "vectors": [model._vector, model._statistics, model._slots],
        "rest": repr((model.history.history, model.history.epoch, model.history.params, vars(model._counter),
                      fit.terms, fit.position, fit.metrics, timeless, fit.stop, model.optimizer)),
    }  # fmt: skip


def assert_same(a, b):
    for one, other in zip(a["vectors"], b["vectors"], strict=True):
        assert_same_bits(one, other)
    assert a["rest"] == b["rest"]


def check(tmp_path, make_model, make_callbacks=list, epochs=EPOCHS, moments=slice(None), **fit):
    """Train without interruption, and from every file of a moment; everything must be equal."""
    x, y = data()
    fit = FIT | fit
    keeper, whole = Keeper(tmp_path), make_model()
    whole.fit(x, y, epochs=epochs, callbacks=[*make_callbacks(), keeper], **fit)
    assert len(keeper.files) >= 4
    for file in keeper.files[moments]:
        model = Sequential.load(file)
        again = Keeper()
        model.fit(x, y, epochs=epochs, callbacks=[*make_callbacks(), again], resume=True, **fit)
        assert_same(everything(model), everything(whole))
        assert again.seen == keeper.seen
    return whole


@BACKENDS
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_from_every_step(tmp_path, backend, dtype):
    check(tmp_path, lambda: make(backend, dtype=dtype))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(tmp_path, name):
    check(tmp_path, lambda: make(optimizer=OPTIMIZERS[name]()), epochs=2, moments=slice(1, None, 3))


def test_a_schedule_goes_on(tmp_path):
    check(tmp_path, lambda: make(optimizer=SGD(schedules.CosineDecay(0.1, 9), momentum=0.9)))


def test_weights_of_samples_and_no_shuffling(tmp_path):
    weight = np.linspace(0, 2, 32)
    check(tmp_path, make, shuffle=False, sample_weight=weight, seed=11)


def test_stateful_layers_go_on(tmp_path):
    x = np.random.default_rng(0).standard_normal((12, 3, 2))
    y = x[:, 0, :1]
    fit = {"batch_size": 4, "shuffle": False, "verbose": 0}

    def fresh():
        model = Sequential([layers.GRU(3, stateful=True), layers.Dense(1)], dtype="float64", seed=3, backend="numpy")
        model.compile("adam", "mse", metrics=["mae"])
        return model

    keeper, whole = Keeper(tmp_path), fresh()
    whole.fit(x, y, epochs=3, callbacks=[keeper], **fit)
    for file in keeper.files[1:5]:
        model = Sequential.load(file)
        model.fit(x, y, epochs=3, callbacks=[Keeper()], resume=True, **fit)
        assert_same(everything(model), everything(whole))
        assert_same_bits(model._carried.values, whole._carried.values)


def rate_of(epoch, rate):
    return rate * 0.75


CALLBACK_CASES = {
    "csv_logger": lambda folder: callbacks.CSVLogger(folder / "log.csv"),
    "early_stopping": lambda folder: callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
    "exponential_moving_average": lambda folder: callbacks.ExponentialMovingAverage(0.5, every=2),
    "lambda": lambda folder: callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: None),
    "learning_rate_scheduler": lambda folder: callbacks.LearningRateScheduler(rate_of),
    "model_checkpoint": lambda folder: callbacks.ModelCheckpoint(folder / "best.safetensors", save_best_only=True),
    "reduce_lr_on_plateau": lambda folder: callbacks.ReduceLROnPlateau(patience=1, factor=0.5, min_delta=0.5),
    "stochastic_weight_averaging": lambda folder: callbacks.StochasticWeightAveraging(start_averaging=1),
    "tensorboard": lambda folder: callbacks.TensorBoard(folder / "logs"),
    "terminate_on_nan": lambda folder: callbacks.TerminateOnNaN(),
    "timing": lambda folder: callbacks.Timing(),
}


@pytest.mark.parametrize("name", CALLBACKS)
def test_every_callback_goes_on(tmp_path, name):
    """Between two others, so that the order matters."""

    def some():
        return [callbacks.Timing(), CALLBACK_CASES[name](tmp_path), callbacks.Timing()]

    moments = slice(1, None, 5) if name == "tensorboard" else slice(None)
    check(tmp_path, make, some, moments=moments)


def test_a_training_that_stopped_early_stays_stopped(tmp_path):
    def some():
        return [callbacks.EarlyStopping("loss", patience=1, baseline=0.0, restore_best_weights=True)]

    whole = check(tmp_path, make, some, epochs=9)
    assert len(whole.history.epoch) < 9
    whole.save(tmp_path / "stopped")
    model = Sequential.load(tmp_path / "stopped")
    assert model.fit(*data(), epochs=20, resume=True, callbacks=some(), **FIT).history == whole.history.history


class StopAt(Callback):
    name = "stop at"

    def on_train_batch_end(self, batch, logs=None):
        if self.model.iterations == 5:
            self.model.stop_training = True


def test_a_stop_within_an_epoch(tmp_path):
    whole = check(tmp_path, make, lambda: [StopAt()])
    assert whole.iterations == 5 and len(whole.history.epoch) == 2


def test_four_epochs_and_six_are_ten(tmp_path):
    x, y = data()
    whole, first = make(), make()
    whole.fit(x, y, epochs=10, **FIT)
    first.fit(x, y, epochs=4, **FIT)
    first.save(tmp_path / "four")
    second = Sequential.load(tmp_path / "four")
    history = second.fit(x, y, epochs=10, resume=True, **FIT)
    assert len(history.epoch) == 10 and history is second.history
    assert_same(everything(second), everything(whole))
    assert_same_bits(second.predict(x), whole.predict(x))
    kept = second.parameters.copy()
    second.fit(x, y, epochs=10, resume=True, **FIT)  # nothing is left to do
    assert_same_bits(second.parameters, kept)
    first.fit(x, y, epochs=10, resume=True, **FIT)  # in the same process
    assert_same(everything(first), everything(whole))


@pytest.mark.needs_jit
@pytest.mark.parametrize("end", ["numpy", "numba"])
def test_the_other_backend_goes_on(tmp_path, end):
    x, y = data()
    whole, model = make(end), make("numba" if end == "numpy" else "numpy")
    whole.fit(x, y, epochs=4, **FIT)
    model.fit(x, y, epochs=2, **FIT)
    model.save(tmp_path / "model")
    model = Sequential.load(tmp_path / "model", backend=end)
    model.fit(x, y, epochs=4, resume=True, **FIT)
    assert_same(everything(model), everything(whole))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["copy", "pickle"])
def test_copies_resume_too(copied):
    x, y = data()
    whole, first = make(), make()
    whole.fit(x, y, epochs=3, callbacks=[callbacks.EarlyStopping()], **FIT)
    first.fit(x, y, epochs=1, callbacks=[callbacks.EarlyStopping()], **FIT)
    twin = copied(first)
    twin.fit(x, y, epochs=3, callbacks=[callbacks.EarlyStopping()], resume=True, **FIT)
    assert_same(everything(twin), everything(whole))


class Break(Callback):
    name = "break"

    def __init__(self, at, error):
        self.at, self.error = at, error

    def on_checkpoint(self):
        if self.model.iterations == self.at:
            self.at = None
            raise self.error

    def on_train_batch_end(self, batch, logs=None):
        pass


@pytest.mark.parametrize("at", range(1, 10))
def test_after_an_exception_or_ctrl_c(tmp_path, at):
    x, y = data()
    whole, model = make(), make()
    whole.fit(x, y, epochs=3, callbacks=[Break(None, None)], **FIT)
    error = KeyboardInterrupt() if at % 2 else RuntimeError("no more")
    with pytest.raises(type(error)):
        model.fit(x, y, epochs=3, callbacks=[Break(at, error)], **FIT)
    model.save(tmp_path / "broken")
    for resumed in (Sequential.load(tmp_path / "broken"), model):
        resumed.fit(x, y, epochs=3, callbacks=[Break(None, None)], resume=True, **FIT)
        assert_same(everything(resumed), everything(whole))


def test_ctrl_c_while_validating(tmp_path, monkeypatch):
    x, y = data()
    whole, model = make(), make()
    whole.fit(x, y, epochs=3, **FIT)
    calls = []

    def interrupted(*arguments, **options):
        values = evaluate(*arguments, **options)  # metrics have taken in the validation's samples
        calls.append(values)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return values

    monkeypatch.setattr(loop, "evaluate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=3, **FIT)
    monkeypatch.undo()
    assert len(model.history.epoch) == 1 and model.iterations == 6
    model.save(tmp_path / "broken")
    model = Sequential.load(tmp_path / "broken")
    model.fit(x, y, epochs=3, resume=True, **FIT)
    assert_same(everything(model), everything(whole))


def test_what_does_not_go_on_is_refused(tmp_path):
    x, y = data()
    model = make()
    model.fit(x, y, epochs=1, resume=True, **FIT)  # nothing to go on with: begin
    for changed, message in [
        ({"batch_size": 16}, "has batch_size 8, got 16"),
        ({"shuffle": False}, "has shuffle True, got False"),
        ({"seed": 9}, "has seed 3, got 9"),
        ({"validation_split": 0.5}, r"has x 'float64 of shape \(24, 3\)', got 'float64 of shape \(16, 3\)'"),
        ({"sample_weight": np.ones(32)}, "has weights 'none', got 'float64 of shape"),
        ({"validation_split": 0.0, "validation_data": (x, y)}, "has x 'float64 of shape"),
    ]:
        before = everything(model)
        with pytest.raises(InvalidValueError, match=message):
            model.fit(x, y, epochs=2, resume=True, **(FIT | changed))
        assert_same(everything(model), before)
    with pytest.raises(InvalidValueError, match=r"has x 'float64 .* got 'float32"):
        model.fit(x.astype(np.float32), y, epochs=2, resume=True, **FIT)
    model.fit(x, y, epochs=1, **FIT)  # anew
    assert len(model.history.epoch) == 1
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=2, resume=True, **(FIT | {"batch_size": 3}))
    assert len(model.history.epoch) == 2


class SavesWithin(Callback):
    name = "saves within"

    def on_epoch_end(self, epoch, logs=None):
        self.model.save(self.params["path"])

    def set_params(self, params):
        self.params = {**params, "path": self.path}


def test_a_file_saved_between_two_callbacks_says_so(tmp_path):
    x, y = data()
    saving = SavesWithin()
    saving.path = tmp_path / "within"
    make().fit(x, y, epochs=1, callbacks=[saving, callbacks.EarlyStopping()], **FIT)
    model = Sequential.load(saving.path)
    with pytest.raises(InvalidValueError, match="save in on_checkpoint"):
        model.fit(x, y, epochs=2, resume=True, **FIT)
    model.fit(x, y, epochs=2, **FIT)
