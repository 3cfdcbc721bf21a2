"""Trains in processes that are killed (-9) at random moments, each going on from the file that the one before left.

    python killed_training.py FOLDER KILLS

Every step is saved. After each kill the file, if there is one, must load; each training that comes to its end must have
the digest of one that was never interrupted. Prints the kills, the trainings that ended and how many different moments
the files were of. Children are forked, without any thread of this process, so that they cost milliseconds.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from fastnn import callbacks, layers
from fastnn.models import Sequential

EPOCHS = 5


def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((20, 3)), rng.standard_normal((20, 1))


def fresh():
    stack = [layers.Dense(4, "tanh"), layers.Dropout(0.2), layers.BatchNormalization(), layers.Dense(1)]
    model = Sequential(stack, dtype="float64", seed=3, backend="numpy")
    model.compile("adam", "mse", metrics=["mae"])
    return model


def train(path, end=EPOCHS):
    """Train to the end, from the file if there is one, saving to it after each step."""
    model = Sequential.load(path) if path.exists() else fresh()
    some = [
        callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True),
        callbacks.ModelCheckpoint(path, save_freq=1),
        callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1.0),
    ]
    model.fit(*data(), batch_size=4, epochs=end, verbose=0, callbacks=some, resume=True)
    model.save(path)
    return model


def digest(model):
    """Return a hash of all that a training leaves behind."""
    fit = model._fit.state()
    text = repr((model.history.history, vars(model._counter), fit.callbacks, fit.position, model.optimizer))
    found = hashlib.sha256(text.encode())
    for vector in (model._vector, model._statistics, model._slots):
        found.update(vector.tobytes())
    return found.hexdigest()


def main():
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    wanted = digest(train(folder / "reference"))
    begin = time.perf_counter()
    train(folder / "timing")
    long = time.perf_counter() - begin
    path, rng = folder / "model.safetensors", random.Random(int(os.environ.get("KILL_SEED", "1")))
    killed = ended = 0
    moments = set()
    while killed < kills or not ended:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                train(path)
                code = 0
            finally:
                os._exit(code)
        deadline = time.perf_counter() + rng.uniform(0, long / 3)
        status = None
        while time.perf_counter() < deadline and status is None:
            done, code = os.waitpid(child, os.WNOHANG)
            status = code if done else None
            time.sleep(0.0002)
        if status is None:
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            killed += 1
        else:
            assert os.WEXITSTATUS(status) == 0, "a child failed; its traceback stands above"
            assert digest(Sequential.load(path)) == wanted, "another digest than without interruption"
            ended += 1
            path.unlink()
        if path.exists():
            moments.add(Sequential.load(path).iterations)
        left = [p for p in folder.iterdir() if p.suffix == ".tmp"]
        assert len(left) <= 1, f"temporary files pile up: {left}"
    assert digest(train(path)) == wanted
    assert not [p for p in folder.iterdir() if p.suffix == ".tmp"]
    print(killed, ended + 1, len(moments))


if __name__ == "__main__":
    main()
