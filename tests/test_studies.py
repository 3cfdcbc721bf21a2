"""The studies of ``fastnn bench``: what they ask runs, wrong work is caught, findings are shown in every form."""

from __future__ import annotations

import argparse
import json
import os
import sys
from unittest import mock

import pytest

from fastnn.bench import command, studies
from fastnn.bench.studies import start
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
        _, printed = start.seconds(program, str(tmp_path))
        after = {path for path in tmp_path.rglob("*") if path.is_file()}
        assert (after > before) is expected and float(printed) == 1.0
    with start.folder(True) as cache:
        assert os.listdir(cache) == []
    assert not os.path.exists(cache)


def test_untrained_networks_and_broken_programs_fail_the_study(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(start, "SCRIPTS", tmp_path)
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
    _, printed = start.seconds(["-c", "import fastnn; print(fastnn.__file__)"])
    assert printed.strip() == sys.modules["fastnn"].__file__
    with pytest.raises(FastnnError, match="no_such_package"):
        start.seconds(["-c", "import no_such_package"])
