"""Searches: the same bits for any number of workers, files that a killed search goes on from, spaces, results."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import warnings

import joblib
import numpy as np
import optuna
import pytest

from fastnn import optional
from fastnn.errors import InvalidTypeError, InvalidValueError, MissingPackageError
from fastnn.layers import Dense, Dropout
from fastnn.models import Sequential
from fastnn.models.snapshot import restore, snapshot
from fastnn.plots import new_figure
from fastnn.search import MLPBuilder, Range, SearchResults, mlp_for, rungs, search, suggest
from fastnn.search.space import checked_space, grid_points, random_point, trial_seed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int)
SPACE = {"learning_rate": Range(1e-3, 1e-1, log=True), "width": [4, 8], "dropout": [0.0, 0.3], "batch_size": [8, 16]}


def quick(**settings):
    return search(
        **{"space": SPACE, "x": X, "y": Y, "trials": 6, "epochs": 2, "backend": "numpy", "seed": 3} | settings
    )


# --- spaces ---------------------------------------------------------------------------------------


def test_ranges():
    assert Range(1, 5).grid.__self__.whole and not Range(1.0, 5).whole
    assert Range(0.0, 1.0, steps=5).grid() == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert Range(8, 128, log=True, steps=5).grid() == [8, 16, 32, 64, 128]
    assert Range(1, 3, steps=9).grid() == [1, 2, 3]
    shares = np.linspace(0, 1, 2001)[:-1]
    whole = [Range(2, 5).at(s) for s in shares]
    assert {v: whole.count(v) for v in set(whole)} == {2: 500, 3: 500, 4: 500, 5: 500}
    log = [Range(1e-4, 1e-1, log=True).at(s) for s in shares]
    assert min(log) == 1e-4 and max(log) <= 1e-1 and log == sorted(log)
    assert sum(v < 1e-3 for v in log) == pytest.approx(2000 / 3, abs=2)
    assert set(Range(1, 4, log=True).at(s) for s in shares) == {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Range(2, 1), "low of a Range must be below high, got 2 and 1"),
        (lambda: Range(0.0, 1.0, log=True), "above 0"),
        (lambda: Range("a", 1), "must be a number, got 'a'"),
        (lambda: Range(0.0, float("inf")), "finite"),
        (lambda: Range(0.0, 1.0, steps=1), "at least 2"),
        (lambda: Range(0.0, 1.0).grid(), "steps=5"),
        (lambda: checked_space({}), "a space maps names"),
        (lambda: checked_space({"a": []}), "lists no value"),
        (lambda: checked_space({"a": "relu"}), "must be a list"),
        (lambda: checked_space({"a": [object()]}), "let the builder turn a name into it"),
        (lambda: checked_space({1: [2]}), "names in a space are strings"),
    ],
)
def test_spaces_that_are_none(make, message):
    with pytest.raises((InvalidTypeError, InvalidValueError), match=message):
        make()


def test_grid_is_every_combination_and_random_points_are_their_numbers():
    assert grid_points(checked_space({"a": [1, 2], "b": (3.0, "c")})) == [
        {"a": 1, "b": 3.0},
        {"a": 1, "b": "c"},
        {"a": 2, "b": 3.0},
        {"a": 2, "b": "c"},
    ]
    space = checked_space(SPACE)
    points = [random_point(space, 0, trial) for trial in range(200)]
    assert points == [random_point(space, 0, trial) for trial in range(200)]
    assert points != [random_point(space, 1, trial) for trial in range(200)]
    assert {p["width"] for p in points} == {4, 8} and {p["batch_size"] for p in points} == {8, 16}
    assert len({p["learning_rate"] for p in points}) > 190
    # independent: widths and drop-outs come in all combinations about as often
    assert all(30 < sum(p["width"] == w and p["dropout"] == d for p in points) < 70 for w in (4, 8) for d in (0, 0.3))
    assert len({trial_seed(0, trial) for trial in range(1000)}) == 1000
    # a parameter more leaves the others where they are
    more = random_point(checked_space(SPACE | {"l2": [0.0, 0.1]}), 0, 7)
    assert {name: more[name] for name in SPACE} == points[7]


# --- trials ---------------------------------------------------------------------------------------


def test_workers_change_no_bit():
    one = quick()
    assert len(one) == 6 and all(row["status"] == "ok" and len(row["weights"]) == 64 for row in one.rows)
    assert len({row["weights"] for row in one.rows}) == 6
    assert [row["score"] for row in one.rows] == sorted(row["score"] for row in one.rows)
    assert quick(workers=2).rows == one.rows
    assert str(quick(seed=4)) != str(one)


@pytest.mark.needs_jit
def test_backends_and_threads_change_no_bit():
    few = {"trials": 3, "epochs": 2}
    reference = quick(**few)
    assert quick(**few, backend="numba").rows == reference.rows
    assert quick(**few, backend="numba", workers=2).rows == reference.rows


def test_a_trial_uses_one_thread_and_leaves_no_trace():
    import numba

    seen = []

    def build(width, seed):
        seen.append(numba.get_num_threads())
        return MLPBuilder("classification", 2)(width=width, seed=seed)

    from fastnn.search.trial import one_thread

    before = numba.get_num_threads()
    with one_thread("numba"):
        build(3, 1)
    assert seen == [1] and numba.get_num_threads() == before


def test_halving_continues_where_trials_stood():
    found = quick(strategy="halving", trials=6, epochs=6, factor=2, min_epochs=1)
    assert [(r.trials, r.epochs) for r in rungs(6, 6, 2, 1)] == [(6, 1), (3, 3), (1, 6)]
    assert [row["epochs"] for row in found.rows] == [6, 3, 3, 1, 1, 1]
    best = found.best
    # the best trial, trained by itself in one go
    whole = search({n: [v] for n, v in best["parameters"].items()}, X, Y, build=Fixed(best["seed"]), strategy="grid",
                   epochs=6, backend="numpy", seed=3)  # fmt: skip
    assert whole.best["weights"] == best["weights"] and whole.best["score"] == best["score"]
    assert quick(strategy="halving", trials=6, epochs=6, factor=2, min_epochs=1, workers=2).rows == found.rows


@pytest.mark.parametrize("metric", ["val_loss", "val_accuracy"])
def test_halving_goes_on_with_the_best(metric):
    rows = []
    found = quick(
        strategy="halving",
        trials=6,
        epochs=6,
        factor=2,
        min_epochs=1,
        metric=metric,
        on_result=lambda r: rows.append(r),
    )
    sign = -1 if found.maximize else 1
    for fewer, more in ((1, 3), (3, 6)):
        ranked = sorted((r for r in rows if r["epochs"] == fewer), key=lambda r: (sign * r["score"], r["trial"]))
        went_on = {r["trial"] for r in rows if r["epochs"] == more}
        assert {r["trial"] for r in ranked[: len(went_on)]} == went_on and 0 < len(went_on) < len(ranked)


class Fixed:
    """The default network with a given seed, whatever the trial's."""

    def __init__(self, seed):
        self.seed = seed

    def __call__(self, learning_rate, width, dropout):
        model = MLPBuilder("classification", 2)(
            learning_rate=learning_rate, width=width, dropout=dropout, seed=self.seed
        )
        model.build(4)
        return model


def test_rungs():
    assert [(r.trials, r.epochs) for r in rungs(27, 27)] == [(27, 1), (9, 3), (3, 9), (1, 27)]
    assert [(r.trials, r.epochs) for r in rungs(27, 4)] == [(27, 1), (9, 4)]
    assert [(r.trials, r.epochs) for r in rungs(27, 30)] == [(27, 1), (9, 3), (3, 10), (1, 30)]
    assert [(r.trials, r.epochs) for r in rungs(2, 10)] == [(2, 10)]
    assert [(r.trials, r.epochs) for r in rungs(10, 10, 2, 5)] == [(10, 5), (5, 10)]
    with pytest.raises(InvalidValueError, match="at most epochs"):
        rungs(3, 2, 3, 5)


def test_snapshots():
    def network():
        model = Sequential([Dense(6, "tanh"), Dropout(0.2), Dense(1)], seed=1, backend="numpy")
        model.compile("adam", "mse")
        return model

    whole, first, second = network(), network(), network()
    whole.fit(X, Y, epochs=5, verbose=0)
    first.fit(X, Y, epochs=2, verbose=0)
    second.build(4)
    restore(second, snapshot(first))
    second.fit(X, Y, epochs=3, verbose=0)
    assert second.parameters.tobytes() == whole.parameters.tobytes()
    assert second.history.epoch == [2, 3, 4]
    other = Sequential([Dense(1)], backend="numpy")
    other.compile("sgd", "mse")
    other.build(4)
    with pytest.raises(InvalidValueError, match="another network"):
        restore(other, snapshot(first))


def unlucky(width, learning_rate=0.1):
    if width == 3:
        raise RuntimeError("no network\nof 3")
    model = Sequential([Dense(width, "relu"), Dense(1)])
    model.compile("sgd" if width < 8 else "adam", "mse")
    if width == 8:
        model.build(4)
        model.parameters[:] = np.inf
    return model


def test_trials_that_fail_are_recorded(tmp_path):
    file = tmp_path / "found.jsonl"
    found = search({"width": [3, 4, 8]}, X, Y, build=unlucky, strategy="grid", epochs=1, backend="numpy", results=file)
    assert [(row["parameters"]["width"], row["status"]) for row in found.rows] == [
        (4, "ok"),
        (3, "failed"),
        (8, "diverged"),
    ]
    table = str(found).splitlines()
    assert table[2].endswith("failed: RuntimeError: no network of 3") and "diverged: val_loss is nan" in table[3]
    assert all(json.loads(line) for line in file.read_text().splitlines())
    assert found.best["parameters"] == {"width": 4}
    none = search({"width": [3]}, X, Y, build=unlucky, strategy="grid", epochs=1, backend="numpy")
    with pytest.raises(InvalidValueError, match="every trial failed, the first one with: RuntimeError"):
        _ = none.best


def test_an_interruption_ends_the_search_and_keeps_what_is_done(tmp_path):
    def stop(row):
        if row["trial"] == 2:
            raise KeyboardInterrupt

    file = tmp_path / "found.jsonl"
    with pytest.raises(KeyboardInterrupt):
        quick(results=file, on_result=stop)
    assert len(file.read_text().splitlines()) == 1 + 3
    assert quick(results=file).rows == quick().rows


# --- the file of results --------------------------------------------------------------------------


def test_a_search_goes_on_from_its_file(tmp_path):
    file = tmp_path / "found.jsonl"
    whole = quick(results=file)
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 7
    ran = []
    assert quick(results=file, on_result=ran.append).rows == whole.rows and not ran
    for content, missing in [
        (b"".join(lines[:4]), 3),
        (b"".join(lines[:4]) + lines[4][:20], 3),  # killed in the middle of a line
        (b"".join(lines[:4]) + b"\0" * 30 + b"\n", 3),  # a file system that lost the last block
        (lines[0], 6),
        (lines[0][:50], 6),
        (b"", 6),
    ]:
        file.write_bytes(content)
        ran = []
        assert quick(results=file, on_result=ran.append).rows == whole.rows
        assert len(ran) == missing
        assert len(file.read_bytes().splitlines()) == 7


def test_halving_goes_on_from_its_file(tmp_path):
    settings = {"strategy": "halving", "trials": 6, "epochs": 6, "factor": 2, "min_epochs": 1}
    file = tmp_path / "found.jsonl"
    whole = quick(**settings, results=file)
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 6 + 3 + 1
    for kept in (3, 7, 8, 10):
        file.write_bytes(b"".join(lines[:kept]))
        assert quick(**settings, results=file).rows == whole.rows


def test_files_of_something_else_are_left_alone(tmp_path):
    file = tmp_path / "found.jsonl"
    quick(results=file)
    content = file.read_bytes()
    for change, message in [
        ({"seed": 4}, "belongs to another search: its seed is 3, now 4"),
        ({"epochs": 3}, "its rounds is"),
        ({"x": X + 1}, "its data is"),
        ({"space": SPACE | {"width": [4]}}, "its space is"),
        ({"build": unlucky, "space": {"width": [4]}}, "its space is"),
    ]:
        with pytest.raises(InvalidValueError, match=message):
            quick(results=file, **change)
        assert file.read_bytes() == content
    lines = content.splitlines(keepends=True)
    for wrong in (b"learning rate,loss\n1,2\n", b"[1]\n", lines[0] + b"damaged\n" + lines[1], b"no newline"):
        file.write_bytes(wrong)
        with pytest.raises(InvalidValueError, match="no file of search results"):
            quick(results=file)
        assert file.read_bytes() == wrong
    with pytest.raises(InvalidValueError, match="in a folder that exists"):
        quick(results=tmp_path / "no" / "found.jsonl")


KILLED = """
import numpy as np, sys, time
from fastnn.search import Range, search
x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
y = (x[:, 0] > 0).astype(int)
def slow(row):
    print(row["trial"], flush=True)
    time.sleep(0.05)
found = search({"learning_rate": Range(1e-3, 1e-1, log=True)}, x, y, trials=8, epochs=1, backend="numpy",
               results=sys.argv[1], on_result=slow)
print(found.csv())
"""


def test_a_killed_search_ends_with_the_same_table(tmp_path):
    def run(file):
        return subprocess.run([sys.executable, "-c", KILLED, file], capture_output=True, text=True, check=True).stdout

    expected = run(tmp_path / "whole.jsonl").partition("trial,")[2]
    file = tmp_path / "killed.jsonl"
    process = subprocess.Popen([sys.executable, "-c", KILLED, file], stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        process.stdout.readline()
    time.sleep(0.03)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert 3 <= len(file.read_text().splitlines()) - 1 < 8
    assert run(file).partition("trial,")[2] == expected


# --- what is asked for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strategy": "bayes"}, "strategy must be one of grid, random, halving, got 'bayes'"),
        ({"strategy": "grid"}, "a grid tries every combination"),
        ({"strategy": "grid", "trials": None}, "steps=5"),
        ({"space": {"rate": [0.1]}}, "build does not take what the space names: got an unexpected .*'rate'"),
        ({"space": {"batch_size": [8]}, "build": lambda width: None}, "missing a required argument: 'width'"),
        ({"build": 3}, "build must be a function"),
        ({"trials": 0}, "trials must be at least 1"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"seed": -1}, "seed must be between 0"),
        ({"mode": "up"}, "mode must be"),
        ({"metric": 3}, "metric must be"),
        ({"validation_split": 0}, "val_loss needs validation data"),
        ({"validation_split": 0.001}, "leaves one part empty"),
        ({"validation_split": 1}, r"in \[0, 1\)"),
        ({"validation_data": X}, "validation_data must be"),
        ({"y": Y[:-1]}, "one row per sample"),
        ({"backend": "numbo"}, "did you mean 'numba'"),
        ({"metric": "val_acuracy"}, "no metric 'val_acuracy'; did you mean 'val_accuracy'"),
        ({"metric": "val_mean_absolute_error"}, "accepted: accuracy, loss, val_accuracy, val_loss"),
        ({"space": {"activation": ["relu", "rleu"]}}, "no activation 'rleu'; did you mean 'relu'"),
        ({"space": {"optimizer": ["adamm"]}}, "no optimizer 'adamm'; did you mean 'adam'"),
    ],
)
def test_errors_come_before_any_work(change, message, tmp_path):
    with pytest.raises((InvalidTypeError, InvalidValueError), match=message):
        quick(**change, results=tmp_path / "found.jsonl")
    assert not list(tmp_path.iterdir())


def test_metric_and_mode():
    best = quick(metric="val_accuracy").rows
    assert [row["score"] for row in best] == sorted((row["score"] for row in best), reverse=True)
    worst = quick(metric="val_accuracy", mode="min")
    assert not worst.maximize and worst.rows[0]["score"] == best[-1]["score"]
    unknown = quick(metric="val_acuracy", trials=1, build=lambda **settings: mlp_for(Y)(**settings))
    assert "the history holds no 'val_acuracy' but loss, accuracy" in unknown.rows[0]["error"]
    assert quick(metric="loss", validation_split=0, trials=1).rows[0]["values"].keys() == {"loss", "accuracy"}
    given = quick(validation_data=(X[:20], Y[:20]), trials=1)
    assert given.rows[0]["status"] == "ok"


def test_default_networks():
    assert mlp_for([0, 2, 1]).outputs == 3 and mlp_for([True, False]).task == "classification"
    assert mlp_for([0.5, 1]).task == "regression" and mlp_for(np.zeros((3, 2))).outputs == 2
    assert mlp_for([0, 1], "regression").task == "regression"
    model = MLPBuilder("regression", 2)(hidden=[5, 3], l1=0.1, learning_rate=0.5, optimizer="sgd", activation="tanh")
    assert [layer.units for layer in model.layers] == [5, 3, 2]
    assert model.layers[0].kernel_regularizer.l1 == 0.1 and model.optimizer.learning_rate == 0.5
    with pytest.raises(InvalidValueError, match="task must be one of"):
        MLPBuilder("sorting", 2)
    with pytest.raises(InvalidValueError, match="targets must be numbers"):
        mlp_for(["a", "b"])
    with pytest.raises(InvalidTypeError, match="hidden must list"):
        MLPBuilder("regression", 2)(hidden=3)


def test_without_joblib(monkeypatch, tmp_path):
    expected = quick(trials=2).rows
    monkeypatch.setattr(optional, "installed", lambda package: False)
    with pytest.raises(MissingPackageError, match=r"a search with several workers needs joblib: .*fastnn\[search\]"):
        quick(workers=2, results=tmp_path / "found.jsonl")
    assert not list(tmp_path.iterdir())
    assert quick(trials=2).rows == expected


# --- results --------------------------------------------------------------------------------------


def test_tables(tmp_path):
    found = quick(metric="val_accuracy")
    lines = str(found).splitlines()
    assert lines[0].split() == ["trial", "val_accuracy", "epochs", *SPACE] and len(lines) == 7
    assert found.table(2).splitlines()[-1] == "... and 4 more"
    found.to_csv(tmp_path / "found.csv")
    frame = found.to_pandas()
    assert list(frame["trial"]) == [row["trial"] for row in found.rows]
    with open(tmp_path / "found.csv", newline="") as file:
        again = list(csv.DictReader(file))
    assert list(again[0]) == list(frame.columns)
    assert [float(row["learning_rate"]) for row in again] == [row["parameters"]["learning_rate"] for row in found.rows]
    assert "seconds" not in frame and set(found.seconds) == set(range(6))
    model = found.best_model()
    accuracy = found.best["values"]["accuracy"]
    assert model.history.history["accuracy"][-1] == accuracy
    with pytest.raises(InvalidValueError, match="without the search's data"):
        SearchResults(found.rows, "val_accuracy", True).best_model()


def test_pictures(tmp_path):
    found = quick()
    figure = new_figure()
    assert found.plot_coordinates(figure=figure, title="six trials") is figure
    figure.savefig(tmp_path / "coordinates.png")
    [axes] = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert {"learning rate", "width", "dropout", "batch size", "val loss"} <= set(texts)
    thick = [line for line in axes.lines if line.get_linewidth() > 2]
    assert len(thick) == 1 and thick[0].get_ydata()[-1] == 0.0  # the least loss, at the bottom of the last axis
    figure = new_figure()
    found.plot_heat_map("width", "dropout", figure=figure)
    figure.savefig(tmp_path / "heat.png")
    table = figure.axes[0].images[0].get_array()
    assert table.shape == (2, 2) and table.min() == found.best["score"]
    with pytest.raises(InvalidValueError, match="no parameter 'depth' but learning_rate"):
        found.plot_heat_map("width", "depth")
    with pytest.raises(InvalidValueError, match="at least 2 trials"):
        quick(trials=1).plot_coordinates()


# --- others ---------------------------------------------------------------------------------------


def test_dask_distributes_trials():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # distributed's own, about the event loop and ports in use
        from distributed import Client

        with (
            Client(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None),
            joblib.parallel_config("dask"),
        ):
            found = quick(workers=None)
    assert found.rows == quick().rows


def test_optuna_takes_the_same_spaces():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = SPACE | {"hidden": [[4], [4, 4]], "depth": Range(1, 2)}
    points = []

    def objective(trial):
        point = suggest(trial, space)
        points.append(point)
        batch_size, _ = point.pop("batch_size"), point.pop("depth")
        model = MLPBuilder("classification", 2)(**point)
        history = model.fit(X[:40], Y[:40], batch_size, 2, 0, validation_data=(X[40:], Y[40:]))
        return history.history["val_loss"][-1]

    from fastnn import use_backend

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    with use_backend("numpy"):
        study.optimize(objective, n_trials=5)
    assert len(study.trials) == 5 and study.best_value == min(t.value for t in study.trials)
    assert {tuple(p["hidden"]) for p in points} <= {(4,), (4, 4)}
    assert all(1e-3 <= p["learning_rate"] <= 1e-1 for p in points)
