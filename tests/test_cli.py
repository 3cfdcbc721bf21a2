"""The console script: every command, its exit codes, and what it says when it cannot run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np
import pytest

import fastnn
from fastnn import cli, optional
from fastnn.backends import BACKENDS, numpy_backend
from fastnn.backends.numpy_backend import self_check
from fastnn.cli import compare, info
from fastnn.cli.demos import data, digits, rnn
from fastnn.cli.demos.experiment import Experiment

SMALL = ["compare", "--sizes", "4", "5", "2", "--batch", "8", "--steps", "2"]


@pytest.fixture(autouse=True)
def environment():
    """Variables that --threads sets end with the test."""
    with mock.patch.dict(os.environ):
        yield


def python(*arguments, **settings):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **settings)


# --- the command line itself ----------------------------------------------------------------------


def test_alone_it_prints_its_help(capsys):
    assert cli.main([]) == 0
    out = capsys.readouterr().out
    assert out.startswith("usage: fastnn") and all(f"\n    {name}" in out for name in cli.COMMANDS)


def test_module_and_version():
    found = python("-m", "fastnn", "--version")
    assert found.returncode == 0 and re.fullmatch(r"fastnn \d+\.\d+\S*\n", found.stdout)


def test_a_working_tree_that_nobody_has_installed(monkeypatch, capsys):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.delitem(vars(fastnn), "__version__", raising=False)
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    monkeypatch.delitem(vars(fastnn), "__version__")
    assert capsys.readouterr().out == "fastnn 0+unknown\n"


@pytest.mark.parametrize("arguments", [[], ["--version"], ["--help"], *([name, "--help"] for name in cli.COMMANDS)])
def test_help_imports_nothing_heavy(arguments):
    code = f"""
import sys
from fastnn.cli import main
try:
    main({arguments!r})
except SystemExit as leave:
    assert not leave.code
heavy = {{"numba", "sklearn", "matplotlib", "torch", "jax", "tqdm"}} & set(sys.modules)
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    found = python("-c", code)
    assert found.returncode == 0, found.stderr
    assert found.stdout


@pytest.mark.parametrize("arguments", [["train"], ["compare", "--sizes", "a"], ["demo", "cats"], ["info", "--xml"]])
def test_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as leave:
        cli.main(arguments)
    assert leave.value.code == 2
    assert "usage: fastnn" in capsys.readouterr().err


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "--sizes", "4"], "sizes must list"),
        ([*SMALL, "--activation", "rellu"], "did you mean 'relu'"),
        ([*SMALL, "--threads", "0"], "threads must be at least 1, got 0"),
        (["demo", "--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["demo", "--backend", "numpy"], "the demo digits runs both backends"),
        (["demo", "cnn", "--epochs", "0"], "--epochs must be at least 1, got 0"),
        (["demo", "--output", "no/such/folder/x.png"], "in a folder that exists, got 'no/such/folder/x.png'"),
        (["bench", "--threads", "0"], "threads=0"),
        (["bench", "--plot", "no/such/folder/x.png"], "--plot must name a file in a folder that exists"),
    ],
)
def test_errors_are_one_line(arguments, message, capsys):
    if arguments[0] == "demo":
        pytest.importorskip("sklearn")
        pytest.importorskip("matplotlib")
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("fastnn: ") and message in err and err.count("\n") == 1


def test_an_interruption_is_no_traceback(monkeypatch, capsys):
    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr(info, "collect", stop)
    assert cli.main(["info"]) == 130
    assert capsys.readouterr().err == "fastnn: interrupted\n"


def test_a_reader_that_has_gone():
    command = [sys.executable, "-m", "fastnn", "bench", "--rows", "xor", "--systems", "numpy", "--quick"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        err = process.stderr.read()
    assert process.returncode == 141, err
    assert "Traceback" not in err and "Error" not in err


# --- compare --------------------------------------------------------------------------------------


@pytest.mark.needs_jit
def test_compare(capsys):
    assert cli.main([*SMALL, "--threads", "1"]) == 0
    out = capsys.readouterr().out
    assert "4-5-2, relu and softmax, float32, batch 8, adam, seed 0" in out
    assert out.endswith("identical: yes, every bit\n")


def test_compare_finds_a_wrong_backend(capsys, monkeypatch):
    class Wrong(numpy_backend.executor):
        def run(self, program, *rest, **settings):
            losses = super().run(program, *rest, **settings)
            if program == "gradients":
                self.state.gradients[0] = np.nextafter(self.state.gradients[0], np.float64(9))
            return losses

    module = ModuleType("wrong_backend")
    module.executor, module.random = Wrong, numpy_backend.random
    monkeypatch.setitem(sys.modules, "wrong_backend", module)
    monkeypatch.setitem(BACKENDS, "wrong", "wrong_backend")
    assert cli.main([*SMALL, "--dtype", "float64", "--backends", "numpy", "wrong"]) == 1
    assert "NO: 1 differ by up to 1 ulp; dW1[0, 0]" in capsys.readouterr().out
    assert cli.main([*SMALL, "--dtype", "float64", "--backends", "numpy", "wrong", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["identical"] is False
    assert [q["name"] for q in found["quantities"] if not q["identical"]] == ["gradients"]


def test_compare_passes_every_option_on(monkeypatch):
    def fake(*given, **named):
        seen.append((given, named))
        return mock.Mock(identical=True)

    seen = []
    monkeypatch.setattr("fastnn.comparison.compare", fake)
    options = [
        "--activation",
        "tanh",
        "--optimizer",
        "sgd",
        "--seed",
        "4",
        "--dtype",
        "float64",
        "--threads",
        "2",
    ]
    assert compare.run(cli.parser().parse_args([*SMALL, *options])) == 0
    assert seen == [(
        ([4, 5, 2], 8, "float64"),
        {"activation": "tanh", "optimizer": "sgd", "steps": 2, "seed": 4, "threads": 2,
         "backends": ["numpy", "numba"]},
    )]  # fmt: skip


# --- demo -----------------------------------------------------------------------------------------


@pytest.mark.needs_jit
def test_demo(tmp_path, capfd, monkeypatch):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(digits, "TURNS", 1)
    png = tmp_path / "curves.png"
    assert cli.main(["demo", "--output", str(png)]) == 0
    out, err = capfd.readouterr()
    accuracy = dict(re.findall(r"^(numba|numpy|textbook NumPy) +(\d+\.\d)%", out, re.M))
    assert accuracy["numba"] == accuracy["numpy"]
    assert all(float(share) >= 97 for share in accuracy.values()) and len(accuracy) == 3
    digests = re.findall(r"^(numba|numpy) +([0-9a-f]{64})$", out, re.M)
    assert [name for name, _ in digests] == ["numba", "numpy"] and digests[0][1] == digests[1][1]
    assert "yes, every bit" in out and str(png) in out
    assert png.read_bytes().startswith(b"\x89PNG") and png.stat().st_size > 20_000
    if optional.installed("tqdm"):
        assert err.count("Epoch 25/25 |") >= 2


@pytest.mark.needs_jit
def test_demo_fails_where_a_bit_differs(tmp_path, capsys, monkeypatch):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    real = digits.trained

    def spoiled(backend, *rest):
        network, history = real(backend, *rest)
        if backend == "numpy":
            network.parameters[9] = np.nextafter(network.parameters[9], np.float32(9))
        return network, history

    monkeypatch.setattr(digits, "trained", spoiled)
    assert cli.main(["demo", "--epochs", "1", "--output", str(tmp_path / "x.png")]) == 1
    assert re.search(r"^identical +NO$", capsys.readouterr().out, re.M)


PICTURES = {
    "cnn": ("", "-hardest", "-filters"),
    "rnn": ("",),
    "autoencoder": ("", "-scans"),
    "gradients": ("",),
}
IDENTICAL = {"rnn": 4, "gradients": 2}
"""Of demos that train more than one network."""


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("demo", "backend"), [("cnn", "numba"), ("rnn", "numba"), ("autoencoder", "numpy"), ("gradients", "numpy")]
)
def test_quick_demos(demo, backend, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", demo, "--quick", "--backend", backend]) == 0
    out = capsys.readouterr().out
    assert out.count("weights: identical, every bit") == IDENTICAL.get(demo, 1)
    assert "not asked of a quick run" in out and f"on the {backend} backend" in out
    for name in PICTURES[demo]:
        path = tmp_path / f"fastnn-{demo}{name}.png"
        assert path.name in out
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5_000
    assert len(list(tmp_path.iterdir())) == len(PICTURES[demo])


@pytest.mark.needs_jit
def test_convolutions_reach_their_goal(tmp_path, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    assert cli.main(["demo", "cnn", "--output", str(tmp_path / "x.png")]) == 0
    assert re.search(r"^goal: .*: reached$", capsys.readouterr().out, re.M)


@pytest.mark.needs_jit
def test_gradients_vanish_as_the_readme_says(tmp_path, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    assert cli.main(["demo", "gradients", "--output", str(tmp_path / "x.png")]) == 0
    out = capsys.readouterr().out
    assert len(re.findall(r"^goal: .*: reached$", out, re.M)) == 3
    # whatever the machine, the bits are the same, and with them the README's figures
    ratios = re.search(r"^first / last +(\S+) +(\S+)$", out, re.M).groups()
    losses = re.search(r"^loss after training +(\S+) +(\S+)$", out, re.M).groups()
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert all(figure in readme for figure in (*ratios, *losses))


@pytest.mark.needs_jit
def test_a_demo_that_misses_its_goal_fails(tmp_path, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    assert cli.main(["demo", "autoencoder", "--epochs", "1", "--output", str(tmp_path / "x.png")]) == 1
    out = capsys.readouterr().out
    assert "MISSED" in out and (tmp_path / "x-scans.png").exists()


@pytest.mark.needs_jit
def test_a_demo_fails_where_a_bit_differs(tmp_path, capsys, monkeypatch):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    real = Experiment.model

    def spoiled(self, backend, seed):
        network = real(self, backend, seed)
        if backend == "numpy":
            network.parameters[9] = np.nextafter(network.parameters[9], np.float32(9))
        return network

    monkeypatch.setattr(Experiment, "model", spoiled)
    assert cli.main(["demo", "cnn", "--quick", "--output", str(tmp_path / "x.png")]) == 1
    assert "NOT IDENTICAL" in capsys.readouterr().out


def test_data_of_the_demos():
    pytest.importorskip("sklearn")
    found = data.digits()
    assert found.x.shape == (1348, 8, 8, 1) and found.test_x.shape == (449, 8, 8, 1)
    everything = np.concatenate([found.x, found.test_x]).reshape(-1, 64)
    original = data.load("sklearn.datasets", purpose="a test").load_digits().data / np.float32(16)
    assert sorted(map(bytes, everything)) == sorted(map(bytes, original.astype(np.float32)))  # none twice, none lost

    rows = found.x[:2, :, :, 0]
    x, y = data.moved(rows, found.y[:2])
    assert np.array_equal(x[:2], rows) and np.array_equal(y, np.tile(found.y[:2], 5))
    assert np.array_equal(x[2:4, :-1], rows[:, 1:]) and not x[2:4, -1].any()  # up
    assert np.array_equal(x[4:6, 1:], rows[:, :-1]) and not x[4:6, 0].any()  # down
    assert np.array_equal(x[6:8, :, :-1], rows[:, :, 1:]) and not x[6:8, :, -1].any()  # left
    assert np.array_equal(x[8:, :, 1:], rows[:, :, :-1]) and not x[8:, :, 0].any()  # right


def test_the_adding_problem():
    x, y = rnn.sums(0, 200)
    numbers, marks = x[..., 0], x[..., 1]
    assert x.shape == (200, 50, 2) and y.shape == (200, 1)
    assert np.all(marks[:, :25].sum(axis=1) == 1) and np.all(marks[:, 25:].sum(axis=1) == 1)
    assert np.array_equal(y[:, 0], (numbers * marks).sum(axis=1))
    assert len(np.unique(marks.argmax(axis=1))) == 25
    assert np.array_equal(rnn.sums(0, 200)[0], x) and not np.array_equal(rnn.sums(1, 200)[0], x)


def test_demo_names_the_extras_that_are_missing(capsys, monkeypatch):
    monkeypatch.setattr(optional, "installed", lambda package: package not in ("sklearn", "matplotlib"))
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err == (
        "fastnn: fastnn demo needs sklearn and matplotlib: pip install 'fastnn[plot,sklearn]'\n"
    )


# --- info and bench -------------------------------------------------------------------------------


@pytest.mark.needs_jit
def test_info(capsys, monkeypatch):
    assert cli.main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["versions"]["numpy"] == np.__version__
    assert set(found["versions"]) == {"python", "fastnn", "numpy", "numba", "llvmlite"}
    assert found["threading"]["layer"] in ("omp", "tbb", "workqueue")
    assert 1 <= found["threading"]["threads"] <= found["threading"]["most"]
    assert found["cpu"]["vector_bits"] in (128, 256, 512) and found["cpu"]["target"]
    assert found["cache"]["bytes"] >= 0 and found["cache"]["folder"]
    assert len(found["checks"]) == 8 and all(found["checks"].values())
    monkeypatch.setattr(info, "collect", lambda: found)
    assert cli.main(["info"]) == 0
    text = capsys.readouterr().out
    assert found["cpu"]["target"] in text and text.count("  ok ") == 8
    assert max(map(len, text.splitlines())) <= 120
    found["checks"]["numba, float32: subnormals are kept"] = False
    assert cli.main(["info"]) == 1
    assert "FAILED  numba, float32: subnormals are kept" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_self_checks_can_fail(dtype):
    def fused(a, b, c):
        return (a.astype(np.longdouble) * b + c).astype(dtype)

    def flushed(a, b, c):
        out = a * b + c
        return np.where(abs(out) < np.finfo(dtype).tiny, dtype(0), out)

    def flushed_before(a, b, c):
        return np.where(abs(a) < np.finfo(dtype).tiny, dtype(0), a) * b + c

    assert self_check.products_are_rounded(dtype) and self_check.subnormals_are_kept(dtype)
    assert not self_check.subnormals_are_kept(dtype, flushed)
    assert not self_check.subnormals_are_kept(dtype, flushed_before)
    if np.finfo(np.longdouble).nmant > 60:  # float64 products need the wider type to look fused
        assert not self_check.products_are_rounded(dtype, fused)


def test_bench(capsys):
    assert cli.main(["bench", "--rows", "xor", "--systems", "numpy", "--quick", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]
