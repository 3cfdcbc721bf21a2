"""Compiling ahead, and what is on disk: a warm process needs no Numba, and damaged files are compiled again."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import fastnn
from fastnn import cli, warmup
from fastnn.errors import UnavailableError, UnknownNameError
from fastnn.layers import Dense

needs_jit = pytest.mark.needs_jit

XOR = """
import sys
import numpy as np
import fastnn
from fastnn.layers import Dense
model = fastnn.Sequential([Dense(8, activation="tanh"), Dense(1, activation="sigmoid")])
model.compile("adam", "binary_crossentropy")
X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "f4"), np.array([[0], [1], [1], [0]], "f4")
model.fit(X, y, epochs=5, batch_size=4, verbose=0)
print(float(model.predict(X)[0, 0]), "numba" in sys.modules)
"""


def run(code, folder):
    """Run a program of its own with a cache of its own; return what it prints."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert not done.stderr
    return done.stdout.split()


@needs_jit
def test_a_warm_process_imports_no_numba_and_damage_is_compiled_again(tmp_path):
    cold = run(XOR, tmp_path)
    assert cold[1] == "True"
    assert run(XOR, tmp_path) == [cold[0], "False"]
    files = sorted(tmp_path.rglob("fastnn_*.o"))
    assert len(files) > 8 and not list(tmp_path.rglob("*.tmp"))
    before = [file.read_bytes() for file in files]
    files[0].write_bytes(before[0][:-1])
    flipped = bytearray(before[1])
    flipped[-9] ^= 1
    files[1].write_bytes(bytes(flipped))
    files[2].write_bytes(before[3])  # whole, but of another key
    files[4].write_bytes(b"")
    assert run(XOR, tmp_path) == [cold[0], "True"]
    assert run(XOR, tmp_path) == [cold[0], "False"]


@needs_jit
def test_compiling_ahead_leaves_nothing_to_compile(monkeypatch):
    from fastnn.backends.numba_backend import _ops

    model = fastnn.Sequential([Dense(3, activation="relu"), Dense(2)])
    model.compile("sgd", "mse")
    X, y = np.ones((70, 4), np.float32), np.ones((70, 2), np.float32)
    model.fit(X, y, epochs=1, verbose=0)
    weights = [w.copy() for w in model.get_weights()]
    shown = []
    done = warmup.warmup(model=model, progress=lambda *what: shown.append(what))
    assert all((a == b).all() for a, b in zip(weights, model.get_weights(), strict=True)), "the model is left alone"
    assert shown[0] == (0, done.compiled, "") and len(shown) == done.compiled + 1
    again = warmup.warmup(model=model)
    assert again.compiled == 0 and again.ready == done.compiled + done.ready > 8
    other = fastnn.Sequential([Dense(3, activation="relu"), Dense(2)])
    other.compile("sgd", "mse")
    other.build((None, 4))
    monkeypatch.setattr(_ops, "compiling_module", None)  # whatever would be compiled fails
    monkeypatch.setattr(_ops, "_ADDRESSES", {})
    other.fit(X, y, epochs=1, verbose=0)
    other.evaluate(X, y)
    other.predict(X)


AHEAD = """
import fastnn, fastnn.warmup
from fastnn.layers import Dense
model = fastnn.Sequential([Dense(1)])
model.build((None, 2))
print(fastnn.warmup.warmup(model=model).compiled)
"""


@needs_jit
def test_the_launch_of_threads_is_compiled_ahead_too(tmp_path):
    (compiled,) = run(AHEAD, tmp_path)
    assert int(compiled) > 0 and list(tmp_path.rglob("*_launch_team*.nbc"))


@needs_jit
def test_planning_compiles_and_runs_nothing():
    from fastnn.backends.numba_backend import _ops, walker

    with _ops.planning() as wanted:
        assert _ops.op(walker.make_walk) == 0
        _ops.call_op(walker.make_walk)(0, 0, 0, 0, 0)  # would read address 0
    assert wanted == [(walker.make_walk,)] * 2 and not _ops.is_planning()
    assert _ops.op(walker.make_walk) != 0


@needs_jit
def test_the_command(tmp_path, capsys):
    model = fastnn.Sequential([Dense(3), Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 2), np.float32), np.ones((4, 1), np.float32), verbose=0)
    model.save(tmp_path / "model.safetensors")
    for _ in range(2):
        assert cli.main(["warmup", str(tmp_path / "model.safetensors")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-2].startswith("0 compiled in ") and out[-2].endswith("were there")
    assert out[-1].startswith("cache: ") and out[-1].endswith(" MB")
    assert cli.main(["warmup", str(tmp_path / "absent")]) == 2
    assert "absent" in capsys.readouterr().err


@needs_jit
def test_what_it_cannot_do(monkeypatch, capsys):
    from fastnn.backends.numba_backend import _cache

    with pytest.raises(UnknownNameError, match="did you mean 'dense'"):
        warmup.warmup(["dens"])
    with pytest.raises(ValueError, match="dtype"):
        warmup.warmup(["dense"], "float16")
    with pytest.raises(ValueError, match="built"):
        warmup.warmup(model=fastnn.Sequential([Dense(1)]))
    monkeypatch.setattr(_cache, "CACHE_FOLDER", None)
    with pytest.raises(UnavailableError, match="NUMBA_CACHE_DIR"):
        warmup.warmup()
    assert cli.main(["warmup"]) == 2
    assert "no folder for compiled code" in capsys.readouterr().err


def test_the_bar(capsys):
    class Terminal:
        text = ""

        def isatty(self):
            return True

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    terminal = Terminal()
    from fastnn.cli.warmup import Bar

    bar = Bar(terminal)
    bar(0, 4, "")
    bar(2, 4, "dense forward")
    bar.close()
    assert "] 0/4" in terminal.text and "#" * 15 + "." * 15 + "] 2/4 dense forward" in terminal.text
    assert terminal.text.endswith("\n")
