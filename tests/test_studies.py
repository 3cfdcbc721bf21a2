"""The studies of ``fastnn bench``: what they ask runs, wrong work is caught, findings are shown in every form."""

from __future__ import annotations

import argparse
import json
import os
import sys
from unittest import mock

import pytest

from fastnn.bench import command, data, studies, timing
from fastnn.bench.studies import processes, scale, start, threads, width
from fastnn.bench.studies.findings import Settings
from fastnn.errors import FastnnError, InvalidValueError, UnknownNameError


@pytest.fixture(autouse=True)
def environment():
    """Whatever a study sets for the threads ends with the test."""
    with mock.patch.dict(os.environ):
        yield


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.main(parser.parse_args([str(argument) for argument in arguments]))


def test_every_study_says_what_it_asks():
    for name in studies.STUDIES:
        study = studies.load(name)
        assert callable(study.measure) and callable(study.draw)


def test_bad_arguments():
    with pytest.raises(UnknownNameError, match="did you mean 'import'"):
        run("start", "--rows", "imports")
    with pytest.raises(InvalidValueError, match="threads=0"):
        run("start", "--threads", 0)
    with pytest.raises(InvalidValueError, match="--json must name a file"):
        run("start", "--json", "/no/such/folder/x.json")


# start


def test_every_program_is_there():
    for task in start.TASKS:
        assert task.systems[0] == "fastnn" and set(task.peers) < set(task.systems)
        for system in task.systems:
            *_, last = task.command(system)
            assert last.endswith(system) or last == "pass" if task.name == "import" else os.path.isfile(last)


def test_imports_are_measured_and_written(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    files = {form: tmp_path / form for form in ("json", "markdown", "plot")}
    options = [text for form, path in files.items() for text in (f"--{form}", path)]
    assert run("start", "--quick", "--rows", "import", *options) == 0
    found = json.loads(files["json"].read_text())
    assert [line["system"] for line in found["lines"]] == ["fastnn", "numpy", "python"]
    ours, numpy, _ = found["lines"]
    assert ours["ratio"] == ours["seconds"] / numpy["seconds"] and ours["target"] == 1.3
    assert files["markdown"].read_text().count("\n| import") == 3
    assert files["plot"].read_bytes().startswith(b"\x89PNG")
    assert "times the peer" in capsys.readouterr().out


@pytest.mark.needs_jit
def test_cold_is_cold_and_warm_is_not(tmp_path):
    """A program compiles into the folder that it is given, and only the first time."""
    program = ["-c", "import fastnn; print(2 * fastnn.sigmoid([[0.0]])[0, 0])"]
    for expected in (True, False):
        before = {path for path in tmp_path.rglob("*") if path.is_file()}
        _, printed = processes.run(program, NUMBA_CACHE_DIR=str(tmp_path))
        after = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert (after > before) is expected and float(printed) == 1.0
    with start.folder(True) as cache:
        assert os.listdir(cache) == []
    assert not os.path.exists(cache)


def test_untrained_networks_and_broken_programs_fail_the_study(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(processes, "SCRIPTS", tmp_path)
    (tmp_path / "xor_fastnn.py").write_text("print(0.75)")
    (tmp_path / "xor_fastnn_tutorial.py").write_text("raise ValueError('out of luck')")
    (tmp_path / "xor_torch.py").write_text("print(1.0)")
    monkeypatch.setattr(start, "IMPORTED_BY", {"jax": "no_such_package", "scikit-learn": "no_such_package"})
    assert run("start", "--quick", "--rows", "xor-warm") == 1
    printed = capsys.readouterr().out
    assert "xor-warm: the network of fastnn has 75% of its samples right" in printed
    assert "ValueError: out of luck" in printed
    assert "jax: not installed" in printed
    found = start.measure(Settings(rows=["xor-warm"], quick=True))
    assert [line["system"] for line in found.lines] == ["torch"]


def test_each_process_gets_the_fastnn_that_measures():
    _, printed = processes.run(["-c", "import fastnn; print(fastnn.__file__)"])
    assert printed.strip() == sys.modules["fastnn"].__file__
    with pytest.raises(FastnnError, match="no_such_package"):
        processes.run(["-c", "import no_such_package"])


# width, threads, scale


@pytest.mark.needs_jit
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_width_measures_each_share(tmp_path, capsys, monkeypatch, dtype):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    json_file, picture = tmp_path / "width.json", tmp_path / "width.png"
    arguments = ["--quick", "--turns", 1, "--dtype", dtype, "--rows", "16x32", "32x128", "--systems", "fastnn"]
    assert run("width", *arguments, "--json", json_file, "--plot", picture) == 0
    found = json.loads(json_file.read_text())
    assert [(line["width"], line["batch"], line["dtype"]) for line in found["lines"]] == [
        (16, 32, dtype), (32, 128, dtype),
    ]  # fmt: skip
    for line in found["lines"]:
        floor_us = 10 * line["batch"] * line["width"] ** 2 / line["gflops"] * 1e-3
        assert line["fastnn share"] == pytest.approx(floor_us / line["fastnn us"])
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "16x32" in capsys.readouterr().out


def test_width_work_agrees_with_the_textbook():
    row = width.workload(16, 32, "float64")
    assert row.flops == 10 * 32 * 16**2
    problem = data.problem(row)
    assert problem.Y.shape == problem.X.shape == (32 * row.batches, 16)


def test_counts_of_threads():
    assert [threads.counts(n) for n in (1, 2, 3, 16)] == [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4, 8, 16]]


def test_threads_divides_by_the_best_of_one(monkeypatch, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    times = iter([9.0, 6.0, 12.0, 5.0])

    def process(settings, count, rows, systems):
        entry = {"us": next(times), "error": "", "agrees": True}
        row = {"name": "mnist-small", "title": "784-128-10", "systems": {"fastnn": entry}}
        return {"rows": [row], "machine": {"cpu": "?", "python": "3", "threads": count}, "notes": []}

    monkeypatch.setattr(threads, "_process", process)
    json_file = tmp_path / "threads.json"
    arguments = ["--threads", 2, "--rows", "mnist-small", "--json", json_file, "--plot", tmp_path / "threads.png"]
    assert run("threads", *arguments) == 0
    (line,) = json.loads(json_file.read_text())["lines"]
    assert (line["us 1"], line["us 2"], line["speedup 2"], line["target"]) == (9.0, 5.0, 1.8, 1.8)
    assert "1.80x" in capsys.readouterr().out


@pytest.mark.needs_jit
def test_threads_runs_processes():
    found = threads._process(Settings(quick=True, turns=1), 1, ["xor"], ["fastnn"])
    assert found["machine"]["threads"] == 1 and found["rows"][0]["systems"]["fastnn"]["us"] > 0


@pytest.mark.needs_jit
def test_scale_times_every_size(monkeypatch, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(timing, "PAUSE", 0.0)
    monkeypatch.setattr(scale, "ROWS", (256, 512, 1024))
    json_file = tmp_path / "scale.json"
    assert run("scale", "--quick", "--rows", "time", "--json", json_file, "--plot", tmp_path / "scale.png") == 0
    lines = json.loads(json_file.read_text())["lines"]
    assert [line["samples"] for line in lines] == [256, 512]
    assert min(line["ratio"] for line in lines) == 1.0


@pytest.mark.needs_jit
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_sees_a_copy_of_the_data(monkeypatch, tmp_path):
    """An epoch over a file is within its limit; one over a copy of it, which a careless loader would make, is not."""
    monkeypatch.setattr(scale, "CONSTANT", 30e6)
    assert scale.measure(Settings(rows=["memory"], size=0.1)).failures == []
    for program in processes.SCRIPTS.glob("mapped_fastnn.py"):
        copying = program.read_text().replace("model.fit(X, labels", "model.fit(X + 0, labels")
        assert copying != program.read_text()
        (tmp_path / program.name).write_text(copying)
    monkeypatch.setattr(processes, "SCRIPTS", tmp_path)
    (failure,) = scale.measure(Settings(rows=["memory"], size=0.1)).failures
    assert "more than 40" in failure
