"""The benchmark instrument: systems do the same work, a wrong one is caught, every benchmark can run."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import inspect
import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np
import pytest

import fastnn
from fastnn import bench
from fastnn.bench import command, data, floor, table, threads, timing, yardstick
from fastnn.bench.peers import SYSTEMS, System, ours, textbook
from fastnn.bench.runner import NotOffered, Runner
from fastnn.bench.studies import start
from fastnn.bench.workloads import GROUPS
from fastnn.errors import InvalidValueError, UnknownNameError

ROOT = Path(__file__).parent.parent
ONCE = [w for w in bench.WORKLOADS if not (w.kind == "train" and w.name.endswith("-float64"))]
"""Each row but those that repeat another in float64."""
TRAINED = [w for w in ONCE if w.kind == "train" and w.layered is None]
LAYERED = [w for w in ONCE if w.layered is not None]
# Models come with the engine; without them the table's fastnn column says so (test_missing_feature).
READY = all(hasattr(fastnn, name) for name in ("Sequential", "gradient_descent", "sigmoid"))
needs_models = pytest.mark.skipif(not READY, reason="no models yet")


@pytest.fixture(autouse=True)
def environment():
    """Whatever a run sets for the threads ends with the test."""
    with mock.patch.dict(os.environ):
        yield


def small(workload, **changes):
    if workload.kind == "elementwise":
        return replace(workload, sizes=(1000,), **changes)
    shape = {"batches": min(workload.batches, 3), "epochs": workload.epochs and 1, **changes}
    if workload.name.startswith("digits"):  # the scans have the size they have
        return replace(workload, **shape)
    return workload.at_most(8, **{"batch": min(workload.batch, 4), **shape})


@pytest.fixture
def tiny_rows(monkeypatch):
    rows = tuple(small(w) for w in bench.WORKLOADS)
    monkeypatch.setattr("fastnn.bench.workloads.WORKLOADS", rows)
    monkeypatch.setattr(timing, "PAUSE", 0.0)  # nobody looks at the times
    return rows


def fake(monkeypatch, name, **functions):
    """Add a system whose file offers ``functions``."""
    module = ModuleType(f"fastnn.bench.peers.{name}")
    vars(module).update(functions)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(SYSTEMS, name, System(name, name, name, "numpy"))


def test_flops_of_layers_by_hand():
    rows = {w.name: w for w in LAYERED}
    convolution = 2 * 64 * 32 * 32 * 9 * 32 * 32
    dense = 2 * 64 * 32 * 10
    assert rows["predict-conv3x3"].flops == convolution + dense
    assert rows["conv3x3"].flops == 5 * convolution + 3 * dense  # two forward, two weights' gradients, one input's
    lenet = [28 * 28 * 25 * 6, 10 * 10 * 25 * 6 * 16, 400 * 120, 120 * 84, 84 * 10]
    assert rows["predict-lenet"].flops == 2 * 128 * sum(lenet)
    assert rows["lenet"].flops == 2 * 128 * (3 * sum(lenet) - lenet[0])
    inputs, state, head = 28 * 256 * 28, 28 * 256 * 64, 64 * 10
    assert rows["predict-lstm"].flops == 2 * 64 * (inputs + state + head)
    assert rows["lstm"].flops == 2 * 64 * (2 * inputs + 3 * state + 3 * head)
    assert rows["gru"].flops == 2 * 64 * (3 * (2 * inputs + 3 * state) // 4 + 3 * head)


def test_flops_by_hand():
    row = {w.name: w for w in bench.WORKLOADS}["mnist-small"]
    forward = 2 * 128 * (784 * 128 + 128 * 10)
    assert row.flops == forward + forward + 2 * 128 * 128 * 10 == 52_363_264
    assert {w.name: w.flops for w in bench.WORKLOADS}["predict-tiny"] == 2 * (8 * 16 + 16 * 2)
    assert {w.name: w.flops for w in bench.WORKLOADS}["sigmoid-float32"] == 0


@pytest.mark.parametrize("workload", TRAINED, ids=lambda w: w.name)
def test_textbook_step_is_the_gradient(workload):
    """One SGD step in float64 against central differences of the yardstick's loss."""
    row = small(workload, dtype="float64", optimizer="sgd", batches=1)
    problem = data.problem(row)
    runner = textbook.train(row, problem, 1)
    runner.reset()
    runner.run(1)
    for layer, (W, b) in enumerate(runner.result()):
        for trained, which in ((W, 0), (b, 1)):
            start = problem.weights[layer][which]
            slope = np.empty(start.shape)
            for index in np.ndindex(start.shape):
                values = []
                for sign in (1.0, -1.0):
                    moved = [[p.copy() for p in pair] for pair in problem.weights]
                    moved[layer][which][index] += sign * 1e-6
                    values.append(data.loss(row, moved))
                slope[index] = (values[0] - values[1]) / 2e-6
            np.testing.assert_allclose((start - trained) / row.learning_rate, slope, rtol=1e-5, atol=1e-8)


SAME_WORK = [w for w in bench.WORKLOADS if w in ONCE or w.name in ("mnist-small-float64", "digits-float64")]


@pytest.mark.parametrize("system", [s for s in SYSTEMS if s not in ("numpy", "torch-compile")])
@pytest.mark.parametrize("workload", SAME_WORK, ids=lambda w: w.name)
@pytest.mark.needs_jit
def test_systems_do_the_same_work(workload, system):
    if importlib.util.find_spec(SYSTEMS[system].imports) is None:
        pytest.skip(f"{system} is not installed")
    threads.set_environment(2)
    row = small(workload)
    problem = data.problem(row)
    prints, weights = [], []
    if row.layered is not None and row.kind == "predict":
        prints = [yardstick.outputs(row.layered, problem.weights, problem.X[: row.batch]).ravel()]
    reference = "numpy" if row.layered is None else "fastnn-numpy"
    for name in [system] if prints else [reference, system]:
        module = importlib.import_module(f"fastnn.bench.peers.{SYSTEMS[name].module}")
        try:
            runner = table._prepare(module, row, problem, 2)
        except NotOffered as reason:
            if system in ("fastnn", "fastnn-numpy") and READY:
                pytest.fail(f"fastnn does not offer {row.name}: {reason}")
            pytest.skip(str(reason))
        first = data.fingerprint(row, runner.result())
        if row.trains:
            weights.append(data.kept(row, runner.result()))
        runner.reset()
        runner.run(row.unit)
        assert data.difference(first, data.fingerprint(row, runner.result())) <= 1e-6, "reset() is not a restart"
        prints.append(first)
    assert data.difference(*prints) <= row.tolerance
    if weights:
        assert data.apart(weights[1], weights[0], problem.weights) <= row.weights_tolerance


@pytest.mark.needs_jit
@pytest.mark.parametrize("workload", [w for w in LAYERED if w.kind == "train"], ids=lambda w: w.name)
def test_layered_step_is_the_gradient(workload):
    """As above for the networks that the textbook does not do, by our reference backend, at some of the weights."""
    row = small(workload, dtype="float64", optimizer="sgd", learning_rate=0.1, batches=1)
    problem = data.problem(row)
    runner = ours.train(row, problem, 1, "numpy")
    runner.reset()
    runner.run(1)
    for layer, arrays in enumerate(runner.result()):
        for which, trained in enumerate(arrays):
            start = problem.weights[layer][which]
            for index in list(np.ndindex(start.shape))[:: max(1, start.size // 12)]:
                values = []
                for sign in (1.0, -1.0):
                    moved = [[p.copy() for p in group] for group in problem.weights]
                    moved[layer][which][index] += sign * 1e-6
                    values.append(data.loss(row, moved))
                slope = (values[0] - values[1]) / 2e-6
                step = (start[index] - trained[index]) / row.learning_rate
                np.testing.assert_allclose(step, slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("workload", [w for w in LAYERED if w.kind == "train"], ids=lambda w: w.name)
@pytest.mark.needs_jit
def test_tolerance_sees_one_step_of_layers(workload):
    problem = data.problem(workload)
    losses = []
    for batches in (workload.batches, workload.batches - 1):
        kept = slice(0, batches * workload.batch)
        row = replace(workload, batches=batches)
        runner = ours.train(row, replace(problem, X=problem.X[kept], Y=problem.Y[kept]), 2)
        runner.reset()
        runner.run(batches)
        losses.append(data.fingerprint(workload, runner.result()))
    assert data.difference(*losses) > 2 * workload.tolerance


@pytest.mark.parametrize("workload", [w for w in TRAINED if w.name != "wide"], ids=lambda w: w.name)
def test_tolerance_sees_one_step(workload):
    """On the rows as they are, a system that leaves out the last step before the comparison is outside."""
    runner = textbook.train(workload, data.problem(workload), 2)
    losses = []
    for steps in (workload.unit, workload.unit - 1):
        runner.reset()
        runner.run(steps)
        losses.append(data.fingerprint(workload, runner.result()))
    assert data.difference(*losses) > 2 * workload.tolerance


def test_difference():
    a = np.array([1.0, -2.0])
    assert data.difference(a, a) == 0.0
    assert data.difference(a, np.array([1.0, -1.0])) == 0.5
    assert data.difference(a, np.array([1.0, np.nan])) == float("inf")
    assert data.difference(a, np.array([1.0])) == float("inf")


def test_apart():
    """Relative to the way, of the worst array; nothing done is 1, another shape inf."""
    start, there = [(np.zeros(3), np.zeros(2))], [(np.full(3, 2.0), np.ones(2))]
    assert data.apart(there, there, start) == 0.0
    assert data.apart(start, there, start) == 1.0
    assert data.apart([(there[0][0], np.array([1.0, 1.5]))], there, start) == pytest.approx(0.5 / 2**0.5)
    assert data.apart([(np.zeros(4), np.zeros(2))], there, start) == float("inf")


@pytest.mark.parametrize("moved", ["loss", "weights"])
def test_training_that_ends_elsewhere_ends_the_command_with_1(monkeypatch, tiny_rows, capsys, moved):
    """Whether its loss is another one, or its loss is ours and two hidden units' weights went to the wrong place."""

    def train(workload, problem, threads):
        honest = textbook.train(workload, problem, threads)

        def result():
            (W, b), (V, c) = honest.result()
            if moved == "loss":
                return [(W, b), (V, c + 1e-3)]
            order = [1, 0, 2, 3]  # the same function of the data
            return [(W[:, order], b[order]), (V[order], c)]

        return Runner(honest.run, result, honest.reset)

    fake(monkeypatch, "wrong", train=train)
    arguments = ["--quick", "--turns", "1", "--rows", "xor", "--systems", "numpy", "wrong", "--json", "-"]
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert command.main(parser.parse_args(arguments)) == 1
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    wrong = row["systems"]["wrong"]
    assert not wrong["agrees"] and row["best_peer"] == "numpy"
    assert (wrong["difference"] <= 1e-9) is (moved == "weights")
    assert wrong["apart"] > 1e-7


def test_a_failing_fastnn_ends_the_command_with_1():
    def passed(**entries):
        return bench.BenchResult([bench.Row(bench.WORKLOADS[0], entries)], list(entries), {}).passed

    assert passed(fastnn=bench.Entry(1.0), torch=bench.Entry(error="out of luck"))
    assert not passed(fastnn=bench.Entry(error="out of luck"), torch=bench.Entry(1.0))


def test_long_rows_get_three_turns(monkeypatch):
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    contestant = timing.Contestant(Runner(lambda steps: None, lambda: None), 1, steps=1)
    timing.take_turns([contestant], 9, longest=-1.0)
    assert len(contestant.seconds) == timing.LEAST_TURNS == 3


def test_floors_of_rows():
    """Products for networks; bytes for a function over an array and for the weights that one row has to read."""
    rows = {w.name: w for w in bench.WORKLOADS}
    kinds = {}
    for name in ("mnist-small", "sigmoid-float32", "predict-mnist", "predict-tiny", "predict-60000"):
        row = replace(rows[name], batch=min(rows[name].batch, 2), batches=1)
        kinds[name] = {each.name: each for each in floor.floors(row, data.problem(row), 2)}
        for each in kinds[name].values():
            each.runner.run(1)
    assert [set(found) for found in kinds.values()] == [
        {"products"}, {"bytes"}, {"products", "bytes"}, {"products", "bytes"}, {"products"},
    ]  # fmt: skip
    assert kinds["predict-mnist"]["bytes"].share == 1.0
    assert floor.aligned(1001, "float64").ctypes.data % 64 == 0
    assert kinds["predict-tiny"]["bytes"].share == (8 * 16 + 16 + 16 * 2 + 2) / 8192


def test_wrong_system_is_not_counted(monkeypatch, tiny_rows):
    """One that skips its last step is fast, and caught."""

    def train(workload, problem, threads):
        honest = textbook.train(workload, problem, threads)
        return Runner(lambda steps: honest.run(max(steps - 1, 1) if steps > 1 else 0), honest.result, honest.reset)

    fake(monkeypatch, "lazy", train=train)
    result = bench.run(["xor", "mnist-small"], ["numpy", "lazy"], quick=True, turns=1)
    for row in result.rows:
        assert not row.entries["lazy"].agrees
        assert row.best_peer == "numpy"
    assert "lazy differs by" in result.to_text()


def test_failures_stay_in_their_cell(monkeypatch, tiny_rows):
    def train(workload, problem, threads):
        raise RuntimeError("out of luck")

    fake(monkeypatch, "unlucky", train=train)
    monkeypatch.setitem(SYSTEMS, "absent", System("absent", "absent", "absent-library", "no_such_package"))
    result = bench.run(["xor", "sigmoid-float32"], ["numpy", "unlucky", "absent"], quick=True, turns=1)
    xor, sigmoid = result.rows
    assert xor.entries["unlucky"].error == "RuntimeError: out of luck"
    assert sigmoid.entries["unlucky"].seconds is None
    assert xor.entries["numpy"].seconds > 0
    assert "absent: not installed (pip install absent-library)" in result.notes
    assert "unlucky failed: RuntimeError: out of luck" in result.to_text()


def test_missing_feature(monkeypatch, tiny_rows):
    """A row that this version of fastnn cannot do is a dash with a reason, not a crash."""
    from fastnn.bench.peers import ours

    monkeypatch.setattr(ours, "fastnn", ModuleType("empty"))
    result = bench.run(["xor"], ["fastnn", "numpy"], quick=True, turns=1)
    assert result.rows[0].entries["fastnn"].seconds is None
    assert result.rows[0].ratio is None
    assert "this version of fastnn has no 'gradient_descent'" in result.to_text()


def test_ratios_count_the_right_peers():
    def entry(seconds, agrees=True):
        return bench.Entry(seconds=seconds, agrees=agrees)

    entries = {"fastnn": entry(2.0), "numpy": entry(6.0), "torch": entry(4.0), "jax-step": entry(1.0, False)}
    row = bench.Row(replace(bench.WORKLOADS[0], against=("numpy",)), entries, {"products": 0.1, "bytes": 1.0})
    assert (row.best_peer, row.ratio) == ("torch", 2.0)
    assert (row.target_peer, row.reached) == ("numpy", 3.0)
    assert (row.floor, row.floor_share, row.left) == (1.0, 0.5, 1.0)
    wanted = bench.Row(replace(bench.WORKLOADS[0], share=0.6), entries, {"products": 1.0})
    tables = [bench.BenchResult([r], ["fastnn"], {})._tables() for r in (row, wanted)]
    assert [cells[1][-2:] for ((_, cells),) in tables] == [["50%", "1,000,000"], ["50% (60% wanted)", "1,000,000"]]


def test_turns_are_interleaved_and_start_afresh(monkeypatch):
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    log = []

    def runner(name):
        return Runner(lambda steps: log.append((name, steps)), lambda: None, lambda: log.append((name, "reset")))

    pair = [timing.Contestant(runner(name), 2, steps=4) for name in "AB"]
    timing.take_turns(pair, 2)
    turn = [("A", "reset"), ("A", 2), ("A", 4), ("B", "reset"), ("B", 2), ("B", 4)]
    assert log == turn + turn
    assert all(len(c.seconds) == 2 for c in pair)
    for steps in (2, 20):
        log.clear()
        timing.take_turns([timing.Contestant(runner("A"), 2, steps=steps)], 1)
        assert log == [("A", "reset"), ("A", 2), ("A", "reset"), ("A", steps)]


def test_calibration_reaches_the_length_in_whole_units(monkeypatch):
    monkeypatch.setattr(timing, "clock", lambda run, steps: steps * 1e-4)
    contestant = timing.Contestant(Runner(lambda steps: None, lambda: None), unit=7)
    timing.calibrate(contestant, 0.02)
    assert contestant.steps % 7 == 0
    assert 200 <= contestant.steps <= 300


def test_a_turn_is_timed_from_a_reset_on_only_where_a_unit_is_long(monkeypatch):
    monkeypatch.setattr(timing, "clock", lambda run, steps: steps * 1e-2)
    for at_least, steps in ((0.02, 14), (0.001, 7)):
        contestant = timing.Contestant(Runner(lambda steps: None, lambda: None), unit=7)
        timing.calibrate(contestant, at_least)
        assert contestant.steps == steps


def test_environment_is_set_before_imports(monkeypatch):
    monkeypatch.setattr(threads, "LIBRARIES", ("numba", "no_such_package"))
    assert threads.set_environment(3) == []
    assert os.environ["OMP_NUM_THREADS"] == os.environ["NPROC"] == "3"
    assert "intra_op_parallelism_threads=3" in os.environ["XLA_FLAGS"]
    monkeypatch.setattr(threads, "LIBRARIES", ("argparse",))
    assert threads.set_environment(1) == ["argparse was imported before the number of threads was set"]
    assert os.environ["XLA_FLAGS"].count("multi_thread_eigen=false") == 1
    assert "multi_thread_eigen=true" not in os.environ["XLA_FLAGS"]


def test_bad_arguments():
    with pytest.raises(UnknownNameError, match="did you mean 'xor'"):
        bench.run(["xorr"])
    with pytest.raises(UnknownNameError, match="did you mean 'numpy'"):
        bench.run(["xor"], ["nunpy"])
    with pytest.raises(InvalidValueError, match="threads=0"):
        bench.run(["xor"], ["numpy"], threads=0)


def test_command_writes_every_form(tmp_path, tiny_rows, capsys, monkeypatch):
    pytest.importorskip("matplotlib")
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    files = {form: tmp_path / f"table.{form}" for form in ("json", "markdown", "plot")}
    options = [text for form, path in files.items() for text in (f"--{form}", str(path))]
    rows = [w.name for w in tiny_rows if w.name in
            ("xor", "mnist-small-float64", "predict-tiny", "sigmoid-float32", "lenet")]  # fmt: skip
    code = command.main(parser.parse_args(["--quick", "--systems", "numpy", "--turns", "1", "--rows", *rows, *options]))
    assert code == 0
    found = json.loads(files["json"].read_text())
    assert [row["name"] for row in found["rows"]] == rows
    layered = {w.name for w in tiny_rows if w.layered is not None}
    assert all((row["systems"]["numpy"]["us"] is None) == (row["name"] in layered) for row in found["rows"])
    assert {name for row in found["rows"] for name in row["floors_us"]} == {"products", "bytes"}
    assert all(row["floor_us"] > 0 for row in found["rows"])
    written = files["markdown"].read_text()
    assert written.count("\n| ") == len(rows) + 2 * len(GROUPS)
    assert [line.strip("*") for line in written.splitlines() if line.startswith("**")] == list(GROUPS.values())
    assert files["plot"].read_bytes().startswith(b"\x89PNG")
    assert tiny_rows[0].title in capsys.readouterr().out


def test_command_fails_when_results_differ(monkeypatch, tiny_rows, capsys):
    fake(monkeypatch, "off", elementwise=lambda w, p, t: Runner(lambda steps: None, lambda: p.X))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    arguments = ["--quick", "--turns", "1", "--rows", "sigmoid-float32", "--systems", "numpy", "off"]
    assert command.main(parser.parse_args(arguments)) == 1
    assert "off differs" in capsys.readouterr().out


def test_importing_the_benchmarks_imports_no_peer():
    program = (
        "import sys, fastnn.bench.command; "
        "print(*sorted({'numba', 'torch', 'jax', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


# The asv suite


def suite(name):
    if str(ROOT / "benchmarks") not in sys.path:
        sys.path.insert(0, str(ROOT / "benchmarks"))
    return importlib.import_module(f"suite.{name}")


MODULES = [p.stem for p in sorted((ROOT / "benchmarks" / "suite").glob("[a-z]*.py")) if p.stem != "common"]


def combinations(kind):
    params = getattr(kind, "params", ())
    if params and not isinstance(params[0], (list, tuple)):
        params = (params,)
    return list(itertools.product(*params))


@needs_models
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.needs_jit
def test_every_asv_benchmark_runs(module, monkeypatch):
    sizes = suite("common").sizes
    tiny = {"features": 5, "hidden": 3, "outputs": 2, "samples": 3, "batch": 3, "elements": 5, "row_limit": 4,
            "steps": 3, "side": 6, "channels": 2}  # fmt: skip
    for name, value in tiny.items():
        monkeypatch.setattr(sizes, name, value)
    ran = 0
    for _, kind in inspect.getmembers(suite(module), inspect.isclass):
        if kind.__module__ != f"suite.{module}":
            continue
        methods = [name for name in vars(kind) if name.startswith(("time_", "track_", "peakmem_"))]
        for parameters in combinations(kind):
            instance = kind()
            try:
                getattr(instance, "setup", lambda *_: None)(*parameters)
            except NotImplementedError:  # which asv shows as "n/a"
                continue
            for method in methods:
                value = getattr(instance, method)(*parameters)
                assert method != "track_ulp_distance" or value == 0, parameters
                ran += 1
    assert ran, f"benchmarks/suite/{module}.py holds no benchmark"


@needs_models
def test_asv_walks_the_registries():
    from fastnn.activations import ACTIVATIONS
    from fastnn.layers import LAYERS
    from fastnn.losses import LOSSES
    from fastnn.optimizers import OPTIMIZERS

    registered = suite("registered")
    assert suite("layers").CASES.keys() == set(LAYERS)
    for kind, registry in (("Activations", ACTIVATIONS), ("Losses", LOSSES), ("Optimizers", OPTIMIZERS)):
        backends, listed = getattr(registered, kind).params
        assert backends == ["numpy", "numba"]
        assert {id(registry[name]) for name in listed} == {id(registry[name]) for name in registry}


def test_asv_tracks_every_row_and_every_start(monkeypatch):
    """Also one that is added: the suite reads the tables of the benchmark."""
    backends, rows = suite("table").Rows.params
    assert (backends, rows) == (["numpy", "numba"], [w.name for w in bench.WORKLOADS])
    assert suite("startup").Start.params == tuple(f"{t.name}: {s}" for t in start.TASKS for s in t.systems)
    added = replace(bench.WORKLOADS[0], name="added")
    monkeypatch.setattr(bench, "WORKLOADS", (*bench.WORKLOADS, added))
    monkeypatch.setattr(start, "TASKS", (replace(start.TASKS[0], name="added"),))
    try:
        assert "added" in importlib.reload(suite("table")).Rows.params[1]
        assert importlib.reload(suite("startup")).Start.params[0] == "added: fastnn"
    finally:
        monkeypatch.undo()
        for name in ("table", "startup"):
            importlib.reload(suite(name))


def test_ulp_distance():
    distance = suite("table").ulp_distance
    one = np.array([1.0, -1.0], dtype=np.float32)
    assert distance(one, one) == 0
    assert distance(one, np.nextafter(one, np.float32(9), dtype=np.float32)) == 1
    assert distance(np.array([0.0]), np.array([-0.0])) == 1
    tiny = np.array([np.nextafter(0.0, 1.0)])
    assert distance(tiny, -tiny) == 3
    with pytest.raises(ValueError, match="float32"):
        distance(one, one.astype(np.float64))


def test_asv_check(tmp_path):
    pytest.importorskip("asv")
    arguments = ["--config", str(ROOT / "benchmarks" / "asv.conf.json"), "check", "-E", "existing"]
    done = subprocess.run([sys.executable, "-m", "asv", *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
