"""Tables: what is read, how columns become inputs, `fastnn train`, `fastnn predict` and `fastnn search`."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from fastnn import cli, optional
from fastnn.errors import FileFormatError, InvalidTypeError, InvalidValueError, MissingPackageError
from fastnn.layers import Dense
from fastnn.models import Sequential, load_metadata
from fastnn.tabular import features, prepare, read_table
from fastnn.tabular.features import from_plain, to_plain
from fastnn.tabular.scores import by_class, scores
from fastnn.tabular.split import split_rows
from fastnn.tabular.target import Target

# --- metadata of a model's file -------------------------------------------------------------------


def test_metadata_of_users(tmp_path):
    model = Sequential([Dense(2)], backend="numpy")
    model.build(3)
    file = tmp_path / "model.safetensors"
    notes = {"columns": ["größe", "b"], "scale": [0.1, 1e-300], "none": None}
    model.save(file, metadata=notes)
    assert load_metadata(file) == notes
    assert Sequential.load(file).parameters.tobytes() == model.parameters.tobytes()
    model.save(file)
    assert load_metadata(file) == {}
    before = file.read_bytes()
    with pytest.raises(InvalidTypeError, match="what JSON can say"):
        model.save(file, metadata={"a": object()})
    with pytest.raises(InvalidTypeError, match="what JSON can say"):
        model.save(file, metadata={"a": float("nan")})
    assert file.read_bytes() == before
    model.save_weights(file)
    with pytest.raises(FileFormatError, match="no model of fastnn"):
        load_metadata(file)


# --- files ----------------------------------------------------------------------------------------


def written(folder, text, name="table.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return str(path)


def kinds(table):
    return {name: column.kind for name, column in table.columns.items()}


def test_csv(tmp_path):
    text = 'age, kind ,"good, or not",note\n1,"a ""b""",True,x\n\n2.5e1,NA,false,\n ,c,TRUE,"two\nlines"\n'
    table = read_table(written(tmp_path, text))
    assert kinds(table) == {"age": "number", "kind": "text", "good, or not": "bool", "note": "text"}
    np.testing.assert_array_equal(table["age"].numbers, [1.0, 25.0, np.nan])
    assert table["kind"].raw == ['a "b"', None, "c"] and table["note"].raw == ["x", None, "two\nlines"]
    assert table["good, or not"].numbers.tolist() == [1.0, 0.0, 1.0]
    assert table["good, or not"].texts() == ["True", "False", "True"]
    assert table.rows == 3 and len(table.sha256) == 64
    # the shortest text of every number gives the number back
    numbers = np.frombuffer(np.random.default_rng(0).bytes(8000), np.float64)
    numbers = numbers[np.isfinite(numbers)]
    table = read_table(written(tmp_path, "x\n" + "\n".join(map(repr, numbers.tolist()))))
    assert table["x"].numbers.tobytes() == numbers.tobytes()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_marks(tmp_path, delimiter):
    text = f"a{delimiter}b\r\n1{delimiter}2\r\n"
    assert list(read_table(written(tmp_path, text, encoding="utf-8-sig")).columns) == ["a", "b"]
    assert list(read_table(written(tmp_path, "a;b,c\n1;2,3\n"), ";").columns) == ["a", "b,c"]
    assert list(read_table(written(tmp_path, "größe\n1\n")).columns) == ["größe"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (" \n\n", "the file is empty"),
        ("a,b\n", "there are no rows"),
        ("a,b\n1,2\n3\n", "line 3 has 1 fields, the header 2"),
        ("a,a\n1,2\n", "two columns are called 'a'"),
        ("a,\n1,2\n", "column 2 has no name"),
        ("1,2\n3,4\n", "the first line must name the columns"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data"),
    ],
)
def test_damaged_csv(tmp_path, text, message):
    with pytest.raises(InvalidValueError, match=message):
        read_table(written(tmp_path, text))


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(InvalidValueError, match=r"cannot read '.*no.csv': No such file"):
        read_table(str(tmp_path / "no.csv"))
    with pytest.raises(InvalidValueError, match=r"ends in .csv, .*got 'table.xlsx'"):
        read_table("table.xlsx")
    with pytest.raises(InvalidValueError, match="line 2 is not UTF-8"):
        read_table(written(tmp_path, "a\nö\n", encoding="latin-1"))
    with pytest.raises(InvalidValueError, match="one character"):
        read_table(written(tmp_path, "a\n1\n"), ", ")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InvalidValueError, match="Is a directory"):
        read_table(str(tmp_path / "folder.csv"))
    for name in ("t.npz", "t.parquet"):
        with pytest.raises(InvalidValueError, match="cannot be read as"):
            read_table(written(tmp_path, "a,b\n1,2\n", name))


def test_npz_and_parquet_hold_the_same(tmp_path):
    import pyarrow
    from pyarrow import parquet

    x, day = np.array([[1.5, 2.0], [3.0, 4.0]]), np.array(["2020-01-01", "2021-01-01"], "M8[D]")
    np.savez(
        tmp_path / "t.npz", x=x, kind=np.array(["a", ""]), good=np.array([True, False]), n=np.array([3, 4]), day=day
    )
    table = read_table(tmp_path / "t.npz")
    assert kinds(table) == {
        "x0": "number",
        "x1": "number",
        "kind": "text",
        "good": "bool",
        "n": "number",
        "day": "other",
    }
    assert table["kind"].raw == ["a", None]
    columns = {"x0": x[:, 0], "x1": x[:, 1], "kind": pyarrow.array(["a", None]).dictionary_encode(),
               "good": [True, False], "n": pyarrow.array([3, 4], pyarrow.int8()), "day": day}  # fmt: skip
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    again = read_table(tmp_path / "t.parquet")
    assert kinds(again) == kinds(table)
    for name in table.columns:
        assert again[name].texts() == table[name].texts()
    assert again["n"].texts() == ["3", "4"]
    parquet.write_table(pyarrow.table({"n": pyarrow.array([3, None], pyarrow.int8())}), tmp_path / "t.parquet")
    assert np.isnan(read_table(tmp_path / "t.parquet")["n"].numbers).tolist() == [False, True]
    np.savez(tmp_path / "t.npz", a=np.zeros(2), b=np.zeros(3))
    with pytest.raises(InvalidValueError, match="the same number of rows"):
        read_table(tmp_path / "t.npz")
    np.savez(tmp_path / "t.npz", a=np.zeros((2, 2, 2)))
    with pytest.raises(InvalidValueError, match="arrays must have shape"):
        read_table(tmp_path / "t.npz")
    np.savez(tmp_path / "t.npz", a=np.array([object()]))
    with pytest.raises(InvalidValueError, match="cannot be read as arrays"):
        read_table(tmp_path / "t.npz")  # a pickle, which would run code


# --- from columns to inputs -----------------------------------------------------------------------


def flowers(rows=60, **columns):
    """Return a table as text: two numbers, a category, a target that follows from them."""
    rng = np.random.default_rng(1)
    size, weight = rng.normal(5, 2, rows).round(3), rng.normal(50, 20, rows).round(2)
    color = rng.choice(["red", "blue", "white"], rows)
    kind = np.where(size + (color == "red") * 2 > 5.5, "rose", "lily")
    price = (2 * size + 0.1 * weight + (color == "white")).round(3)
    data = {"size": size, "weight": weight, "color": color, "kind": kind, "price": price, **columns}
    data = {name: values for name, values in data.items() if values is not None}
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(data)
    writer.writerows(zip(*data.values()))
    return out.getvalue()


def test_inputs_are_standardized_and_one_hot(tmp_path):
    job = prepare(read_table(written(tmp_path, flowers())), "kind", drop=["price"])
    assert [f.name for f in job.features] == ["size", "weight", "color"]
    assert [name for f in job.features for name in f.inputs] == [
        "size",
        "weight",
        "color=blue",
        "color=red",
        "color=white",
    ]
    train = job.x[job.split.train]
    np.testing.assert_allclose(train[:, :2].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(train[:, :2].std(axis=0), 1, rtol=1e-12)
    assert (job.x[:, 2:].sum(axis=1) == 1).all() and job.target.classes == ("lily", "rose")
    # of the training rows alone: other test rows change nothing
    size = job.table["size"].numbers
    assert job.features[0].mean == pytest.approx(size[job.split.train].mean())
    assert job.features[0].mean != pytest.approx(size.mean())
    assert from_plain(json.loads(json.dumps(to_plain(job.features)))) == job.features


def test_missing_values(tmp_path):
    rng = np.random.default_rng(0)
    holes = np.array([f"{v:.3f}" for v in rng.normal(size=60)], object)
    holes[[3, 40]] = ["", "NA"]
    texts = rng.choice(["p", "q"], 60).astype(object)
    texts[7] = ""
    table = read_table(written(tmp_path, flowers(holes=holes, texts=texts)))
    with pytest.raises(
        InvalidValueError, match=r"'holes' has no value in rows 4 and 41: .*--impute median.*'texts' .*row 8"
    ):
        prepare(table, "kind")
    job = prepare(table, "kind", impute=True)
    feature = {f.name: f for f in job.features}
    known = np.array([float(holes[row]) for row in job.split.train if row not in (3, 40)])
    assert feature["holes"].fill == np.median(known)
    assert job.x[3, 2] == job.x[40, 2] if job.features[2].name == "holes" else True
    assert set(feature["texts"].categories) <= {"", "p", "q"}


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({"size": ["big"] + ["1"] * 59}, {}, r"'size' holds numbers, and 'big' in row 1: .*--categorical size"),
        ({"id": [f"id{i}" for i in range(60)] * 1}, {"most": 20}, "'id' holds .* different texts: leave it out"),
        ({"size": [""] * 60}, {"impute": True}, "'size' holds no value: leave it out with --drop"),
        ({"size": ["inf"] + ["1"] * 59}, {}, "'size' holds inf in row 1"),
        ({}, {"target": "knid"}, "no column 'knid'; did you mean 'kind'"),
        ({}, {"drop": ["colour"]}, "no column 'colour'; did you mean 'color'"),
        ({}, {"drop": ["kind"]}, "the target 'kind' cannot be dropped"),
        ({}, {"categorical": ["colour"]}, "did you mean 'color'"),
        ({}, {"drop": ["size", "weight", "color", "price"]}, "no column is left"),
        ({"kind": ["rose"] * 60}, {}, "the target 'kind' is 'rose' in every row: nothing can be told apart"),
        ({"kind": ["rose"] * 59 + [""]}, {}, "the target 'kind' has no value in row 60"),
        ({"kind": [""] * 60}, {}, "the target 'kind' holds no value"),
        ({}, {"task": "regression"}, "regression needs numbers: the target 'kind' holds 'rose'|'lily'"),
        ({"price": [3] * 60}, {"target": "price", "task": "regression"}, "is 3 in every row"),
        ({}, {"test": 1.0}, "the share of rows for test must be between 0 and 1, got 1.0"),
        ({}, {"validation": 0.001}, "60 rows leave none to validation on"),
        ({"price": ["inf"] * 60}, {"target": "price"}, "holds inf in rows 1, 2, 3 and 57 more"),
    ],
)
def test_tables_that_cannot_be_learned_from(tmp_path, monkeypatch, columns, settings, message):
    monkeypatch.setattr(features, "MOST_CATEGORIES", settings.pop("most", 100))
    table = read_table(written(tmp_path, flowers(**columns)))
    with pytest.raises(InvalidValueError, match=message):
        prepare(table, settings.pop("target", "kind"), **settings)


def test_too_few_rows(tmp_path):
    with pytest.raises(InvalidValueError, match="training needs at least 10 rows, got 9"):
        prepare(read_table(written(tmp_path, flowers(9))), "price")


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 30, "classification"),
        ([True, False] * 30, "classification"),
        ([0, 1, 2] * 20, "classification"),
        (list(range(20)) * 3, "classification"),
        (list(range(21)) * 2 + list(range(18)), "regression"),
        ([0.5, 1.0] * 30, "regression"),
    ],
)
def test_the_task_is_guessed_and_said(tmp_path, values, task):
    table = read_table(written(tmp_path, flowers(y=values)))
    job = prepare(table, "y")
    assert job.target.task == task and any(note.startswith(task) and "--task" in note for note in job.notes)
    if isinstance(values[0], int | float) and not isinstance(values[0], bool):
        other = {"classification": "regression", "regression": "classification"}[task]
        assert prepare(table, "y", task=other).target.task == other


def test_classes_of_numbers_are_in_order(tmp_path):
    table = read_table(written(tmp_path, flowers(y=["10", "9", "9.0", "2.0", "02", "10"] * 10)))
    job = prepare(table, "y")
    assert job.target.classes == ("2", "9", "10") and job.truth[:6].tolist() == [2, 1, 1, 0, 0, 2]


def test_splits():
    labels = np.array([0] * 70 + [1] * 25 + [2] * 5)
    split = split_rows(100, labels, 0.2, 0.25, 3)
    parts = [split.train, split.validation, split.test]
    assert sorted(np.concatenate(parts).tolist()) == list(range(100))
    assert [np.bincount(labels[part], minlength=3).tolist() for part in parts] == [[42, 15, 3], [14, 5, 1], [14, 5, 1]]
    again, other = split_rows(100, labels, 0.2, 0.25, 3), split_rows(100, labels, 0.2, 0.25, 4)
    assert (again.test == split.test).all() and not (other.test == split.test).all()
    free = split_rows(100, None, 0.2, 0.25, 3)
    assert [len(free.train), len(free.validation), len(free.test)] == [60, 20, 20]
    assert not (np.diff(free.train) > 0).all()


def test_scores():
    target = Target("y", "classification", ("a", "b", "c"))
    truth, outputs = np.array([0, 0, 0, 1]), np.eye(3)[[0, 0, 1, 1]]
    found = scores(target, truth, outputs, np.array([0, 0, 1]))
    assert found == {"accuracy": (0.75, 0.75), "balanced accuracy": ((2 / 3 + 1) / 2, 0.5)}
    assert by_class(target, outputs.argmax(axis=1), truth)[:2] == [("a", 3, 2 / 3, 1.0), ("b", 1, 1.0, 0.5)]
    target = Target("y", "regression", (), 2.0, 1.0)
    found = scores(target, np.array([1.0, 3.0]), np.array([[0.0], [1.0]]), np.array([0.0, 1.0, 8.0]))
    assert found == {"mean absolute error": (0.5, 1.0), "root mean squared error": (0.5**0.5, 1.0), "R2": (0.5, 0.0)}


# --- fastnn train ---------------------------------------------------------------------------------

TRAIN = ["--epochs", "4", "--hidden", "8", "--backend", "numpy", "--quiet"]


def run(*arguments):
    return cli.main([str(a) for a in arguments])


def refused(capsys, *arguments):
    """Return what a command that cannot run says, in its one line."""
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("fastnn: ") and err.count("\n") == 1
    return err


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_whole_job(here, capsys):
    data = written(here, flowers(120), "flowers.csv")
    command = ["train", "flowers.csv", "--target", "kind", *TRAIN, "--seed", "5"]
    assert run(*command) == 0
    out = capsys.readouterr().out
    assert "note: classification: the target 'kind' holds texts" in out
    assert "77 rows to train on, 19 to validate on, 24 to test on; 4 columns, 6 inputs" in out
    assert "on 24 test rows (guessing: " in out and "wrote fastnn-train/report.html" in out
    folder = here / "fastnn-train"
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "predictions.csv", "report.html"]
    report = (folder / "report.html").read_text()
    check_page(report)
    assert f"fastnn {shlex.join(command)}" in re.sub("</?span>", "", report)
    assert report.count("data:image/png;base64,") == 2
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24 and list(rows[0]) == [
        "row",
        "kind",
        "prediction",
        "probability of lily",
        "probability of rose",
    ]
    # again, with an output elsewhere: the same bytes but for the command in the report
    shutil.move(folder, here / "first")
    assert run(*command) == 0
    for name in ("model.safetensors", "predictions.csv", "report.html"):
        assert (folder / name).read_bytes() == (here / "first" / name).read_bytes()
    # the model says of the same rows what it said then
    assert run("predict", folder / "model.safetensors", data, "--backend", "numpy", "--output", here / "all.csv") == 0
    captured = capsys.readouterr()
    assert "ignored columns: kind" in captured.err and "wrote" in captured.out
    with open(here / "all.csv", newline="") as file:
        everything = {row["row"]: row for row in csv.DictReader(file)}
    assert len(everything) == 120
    for row in rows:
        assert everything[row["row"]] == {name: text for name, text in row.items() if name != "kind"}


@pytest.mark.needs_jit
def test_backends_make_the_same_files(here, capsys):
    written(here, flowers(), "flowers.csv")
    for backend in ("numpy", "numba"):
        assert run("train", "flowers.csv", "--target", "price", *TRAIN, "--backend", backend, "--output", backend) == 0
    first, second = (Sequential.load(here / b / "model.safetensors") for b in ("numpy", "numba"))
    assert first.parameters.tobytes() == second.parameters.tobytes()
    assert (here / "numpy/predictions.csv").read_bytes() == (here / "numba/predictions.csv").read_bytes()


def check_page(text):
    """Assert that a page needs no network and is whole."""
    assert text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", text)
    assert "http" not in re.sub(r"base64,[^\"]*", "", text) and "<script" not in text and "@import" not in text
    parser = Balance()
    parser.feed(text)
    assert not parser.open


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_names_are_text_not_markup(here, capsys):
    text = flowers(color=None, kind=["<script>alert(1)</script>", 'b"&amp;'] * 30, **{"<b>&x": ["1", "2", "3"] * 20})
    written(here, text, "a&b.csv")
    assert run("train", "a&b.csv", "--target", "kind", *TRAIN) == 0
    report = (here / "fastnn-train" / "report.html").read_text()
    check_page(report)
    assert "&lt;b&gt;&amp;x" in report and "b&quot;&amp;amp;" in report


def test_regression(here, capsys):
    written(here, flowers(200, kind=None), "flowers.csv")
    words = ["--target", "price", *TRAIN, "--epochs", "90", "--hidden", "16", "--patience", "0"]
    assert run("train", "flowers.csv", *words, "--learning-rate", "0.01") == 0
    out = capsys.readouterr().out
    error = float(re.search(r"mean absolute error +(\S+) on 40 test rows", out).group(1))
    guess = float(re.search(r"mean absolute error .*guessing: (\S+)\)", out).group(1))
    assert error < guess / 5
    with open(here / "fastnn-train" / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert np.mean([abs(float(r["price"]) - float(r["prediction"])) for r in rows]) == pytest.approx(error, rel=1e-3)
    assert "of its own units" in (here / "fastnn-train" / "report.html").read_text()


def test_early_stopping_keeps_the_best(here, capsys):
    rng = np.random.default_rng(0)
    written(here, flowers(y=rng.choice(["a", "b"], 60)), "noise.csv")
    words = ["--epochs", "300", "--hidden", "32", "--backend", "numpy", "--quiet", "--patience", "3"]
    assert run("train", "noise.csv", "--target", "y", *words, "--learning-rate", "0.02") == 0
    stopped, best = re.search(
        r"stopped after epoch (\d+), 3 epochs .* epoch (\d+)$", capsys.readouterr().out, re.M
    ).groups()
    assert int(stopped) == int(best) + 3
    model = Sequential.load(here / "fastnn-train" / "model.safetensors", backend="numpy")
    assert len(model.history.epoch) == int(stopped)
    job = prepare(read_table(here / "noise.csv"), "y")
    loss = model.evaluate(*job.part(job.split.validation))[0]
    assert loss == min(model.history.history["val_loss"])


def test_train_refuses(here, capsys):
    written(here, flowers(), "flowers.csv")
    written(here, "", "empty.csv")
    written(here, "a,b\n1,2\n", "one.csv")
    for arguments, message in [
        (["no.csv", "--target", "kind"], "cannot read 'no.csv': No such file or directory"),
        (["empty.csv", "--target", "kind"], "empty.csv: the file is empty"),
        (["one.csv", "--target", "b"], "training needs at least 10 rows, got 1"),
        (["flowers.csv", "--target", "price", "--task", "classification", "--test", "2"], "between 0 and 1, got 2"),
        (["flowers.csv", "--target", "knid"], "did you mean 'kind'"),
        (["flowers.csv", "--target", "kind", "--activation", "rellu"], "did you mean 'relu'"),
        (["flowers.csv", "--target", "kind", "--optimizer", "adamm"], "did you mean 'adam'"),
        (["flowers.csv", "--target", "kind", "--epochs", "0"], "epochs must be at least 1"),
        (["flowers.csv", "--target", "kind", "--patience", "-1"], "patience must be at least 0"),
        (["flowers.csv", "--target", "kind", "--dropout", "1"], "in [0, 1)"),
        (["flowers.csv", "--target", "kind", "--hidden", "0"], "units must be at least 1"),
        (["flowers.csv", "--target", "kind", "--seed", "-1"], "seed must be between 0"),
        (["flowers.csv", "--target", "kind", "--output", "no/such"], "--output must be a folder in one that exists"),
        (["flowers.csv", "--target", "kind", "--output", "one.csv"], "got the file 'one.csv'"),
    ]:
        assert message in refused(capsys, "train", *arguments, "--quiet", "--backend", "numpy")
    assert sorted(path.name for path in here.iterdir()) == ["empty.csv", "flowers.csv", "one.csv"]


def test_train_without_matplotlib(here, monkeypatch, capsys):
    written(here, flowers(), "flowers.csv")
    monkeypatch.setattr(optional, "installed", lambda package: False)
    assert "needs matplotlib: pip install 'fastnn[plot]'" in refused(capsys, "train", "flowers.csv", "--target", "kind")
    assert [path.name for path in here.iterdir()] == ["flowers.csv"]
    with pytest.raises(MissingPackageError, match=r"fastnn\[table\]"):
        read_table(written(here, "x", "table.parquet"))


# --- fastnn predict -------------------------------------------------------------------------------


@pytest.fixture
def trained(here, capsys):
    written(here, flowers(), "flowers.csv")
    assert run("train", "flowers.csv", "--target", "kind", "--drop", "price", *TRAIN) == 0
    capsys.readouterr()
    return "fastnn-train/model.safetensors"


def predicted(capsys, *arguments):
    assert run("predict", *arguments, "--backend", "numpy") == 0
    out, err = capsys.readouterr()
    return list(csv.DictReader(io.StringIO(out))), err


def test_columns_are_found_by_name(here, trained, capsys):
    whole, err = predicted(capsys, trained, "flowers.csv")
    assert len(whole) == 60 and err == "note: ignored columns: kind, price\n"
    with open(here / "flowers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    out = io.StringIO()
    writer = csv.DictWriter(out, ["color", "size", "weight"], extrasaction="ignore", delimiter=";")
    writer.writeheader()
    writer.writerows(rows[10:13])
    written(here, out.getvalue(), "few.csv")
    few, err = predicted(capsys, trained, "few.csv")
    assert err == "" and [{**row, "row": str(int(row["row"]) + 10)} for row in few] == whole[10:13]


def test_categories_never_seen(here, trained, capsys):
    written(here, "size,weight,color\n5,50,green\n5,50,red\n", "new.csv")
    rows, err = predicted(capsys, trained, "new.csv")
    assert "column 'color': 1 of 2 values were not seen in training ('green' in row 1)" in err
    assert rows[0] != rows[1]
    model = Sequential.load(here / trained, backend="numpy")
    scale = {entry["name"]: entry for entry in load_metadata(here / trained)["fastnn.tabular"]["features"]}
    x = [
        (5 - scale["size"]["mean"]) / scale["size"]["scale"],
        (50 - scale["weight"]["mean"]) / scale["weight"]["scale"],
    ]
    expected = model.predict(np.array([[*x, 0, 0, 0]]).astype(np.float32))[0]
    assert [rows[0]["probability of lily"], rows[0]["probability of rose"]] == [str(p) for p in expected]


def test_categories_that_look_like_numbers(here, capsys):
    written(here, flowers(code=["01", "1", "A2"] * 20), "flowers.csv")
    assert run("train", "flowers.csv", "--target", "kind", "--categorical", "code", *TRAIN) == 0
    capsys.readouterr()
    written(here, "size,weight,color,code,price\n5,50,red,01,3\n5,50,red,1,3\n", "new.csv")
    rows, err = predicted(capsys, "fastnn-train/model.safetensors", "new.csv")
    assert err == "" and rows[0]["prediction"] and rows[0] | {"row": "2"} != rows[1]


def test_predict_refuses(here, trained, capsys):
    written(here, "size,color\n5,red\n", "lacking.csv")
    written(here, "size,weight,color\n5,heavy,red\n", "text.csv")
    written(here, "size,weight,color\n5,,red\n", "hole.csv")
    written(here, "size,weight,color\n5,1,\n", "gap.csv")
    Sequential([Dense(2, input_shape=3)], backend="numpy").save(here / "other.safetensors")
    model = Sequential.load(here / trained)
    tree = load_metadata(here / trained)["fastnn.tabular"]
    for name, change in {
        "version": {"version": 2},
        "kind": {"features": [{"kind": "code", "name": "x"}]},
        "few": {"features": tree["features"][:1]},
        "entries": {"features": [{"kind": "number", "name": "x"}]},
        "target": {"target": {"name": "y"}},
        "task": {"target": tree["target"] | {"task": "dance"}},
    }.items():
        model.save(here / f"{name}.safetensors", metadata={"fastnn.tabular": tree | change})
    (here / "cut.safetensors").write_bytes((here / trained).read_bytes()[:-3])
    for arguments, message in [
        ([trained, "lacking.csv"], "lacking.csv lacks the columns 'weight'; it has size, color"),
        ([trained, "text.csv"], "column 'weight' must hold numbers, got 'heavy' in row 1"),
        ([trained, "hole.csv"], "column 'weight' has no value in row 1"),
        ([trained, "gap.csv"], "column 'color' has no value in row 1"),
        ([trained, "no.csv"], "cannot read 'no.csv'"),
        (["no.safetensors", "flowers.csv"], "cannot read 'no.safetensors': No such file"),
        (["flowers.csv", "flowers.csv"], "flowers.csv: "),
        (["other.safetensors", "flowers.csv"], "holds a network, but not how to read tables"),
        (["cut.safetensors", "flowers.csv"], "cut.safetensors: "),
        (["version.safetensors", "flowers.csv"], "not how to read tables"),
        (["kind.safetensors", "flowers.csv"], "describes no columns that fastnn knows"),
        (["entries.safetensors", "flowers.csv"], "describes no columns that fastnn knows"),
        (["few.safetensors", "flowers.csv"], "does not fit the columns"),
        (["target.safetensors", "flowers.csv"], "describes no target"),
        (["task.safetensors", "flowers.csv"], "describes no target"),
        ([trained, "flowers.csv", "--output", "no/such.csv"], "--output must be a file in a folder that exists"),
    ]:
        assert message in refused(capsys, "predict", *arguments, "--backend", "numpy")


def test_imputed_values_are_filled_in_for_new_rows_too(here, capsys):
    rng = np.random.default_rng(0)
    holes = [""] + [f"{v:.3f}" for v in rng.normal(size=59)]
    written(here, flowers(holes=holes, color=["", *["red", "blue"] * 29, "red"]), "flowers.csv")
    assert "--impute median" in refused(capsys, "train", "flowers.csv", "--target", "kind", *TRAIN)
    assert run("train", "flowers.csv", "--target", "kind", "--impute", "median", *TRAIN) == 0
    capsys.readouterr()
    [entry] = [e for e in load_metadata("fastnn-train/model.safetensors")["fastnn.tabular"]["features"]
               if e["name"] == "holes"]  # fmt: skip
    written(here, f"size,weight,color,holes,price\n5,50,red,,3\n5,50,red,{entry['fill']},3\n5,,,1,3\n", "new.csv")
    rows, _ = predicted(capsys, "fastnn-train/model.safetensors", "new.csv")
    assert rows[0] | {"row": "2"} == rows[1] and len(rows) == 3


# --- fastnn search --------------------------------------------------------------------------------


def test_search_command(here, capsys):
    written(here, flowers(), "flowers.csv")
    words = ["search", "flowers.csv", "--target", "kind", "--epochs", "3", "--trials", "5", "--backend", "numpy",
             "--width", "4..16", "--depth", "1", "2", "--workers", "1"]  # fmt: skip
    assert run(*words) == 0
    out = capsys.readouterr().out
    table = out[out.index("trial  val_loss") :].split("\n\n")[0]
    assert len(table.splitlines()) == 6 and out.count(" epochs, ") == 5
    folder = here / "fastnn-search"
    assert sorted(path.name for path in folder.iterdir()) == [
        "coordinates.png",
        "heat-map.png",
        "results.csv",
        "results.jsonl",
    ]
    again = run(*words)
    out = capsys.readouterr().out
    assert again == 0 and out.count(" epochs, ") == 0 and table in out
    # the line that it ends with runs
    line = next(line for line in out.splitlines() if line.startswith("  fastnn train "))
    assert run(*shlex.split(line)[1:], "--epochs", "2", "--backend", "numpy", "--quiet") == 0
    assert "belongs to another search: its seed is 0, now 1" in refused_after_notes(capsys, *words, "--seed", "1")


def refused_after_notes(capsys, *arguments):
    capsys.readouterr()
    assert run(*arguments) == 2
    return capsys.readouterr().err


def test_search_grid_and_halving(here, capsys):
    written(here, flowers(), "flowers.csv")
    words = ["search", "flowers.csv", "--target", "price", "--backend", "numpy", "--workers", "1"]
    grid = [
        *words,
        "--strategy",
        "grid",
        "--learning-rate",
        "0.1",
        "0.01",
        "--width",
        "4",
        "--epochs",
        "2",
        "--output",
        "g",
    ]
    assert run(*grid) == 0
    assert "trial  val_loss  epochs  learning_rate  width" in capsys.readouterr().out
    assert not (here / "g" / "heat-map.png").exists()  # one parameter varies
    assert run(*words, "--strategy", "halving", "--trials", "4", "--epochs", "4", "--output", "h") == 0
    assert "a grid needs the values" in refused_after_notes(capsys, *words, "--strategy", "grid")
    for change, message in [
        (["--width", "wide"], "--width takes values such as 8 16 or a range such as 8..64, got 'wide'"),
        (["--learning-rate", "1..x"], "got 'x'"),
        (["--dropout", "0.5..0.1"], "low of a Range must be below high"),
        (["--metric", "val_accuracy"], "no metric 'val_accuracy'; "),
        (["--heat-map", "width", "learning-rat"], "no searched parameter 'learning-rat'; did you mean 'learning_rate'"),
        (["--heat-map", "l1", "width"], "no searched parameter 'l1'; "),
    ]:
        assert message in refused_after_notes(capsys, *words, *change, "--output", "m")
        assert not (here / "m" / "results.jsonl").exists()
    # that no trial can be trained is said after all of them
    assert run(*words, "--dropout", "2", "--trials", "2", "--epochs", "1", "--output", "m") == 1
    assert "every trial failed, the first one with: InvalidValueError: Dropout" in capsys.readouterr().out


def test_piped_through_processes(here):
    """The console script itself, as people type it."""
    written(here, flowers(), "flowers.csv")
    python = [sys.executable, "-m", "fastnn"]
    words = ["train", "flowers.csv", "--target", "kind", "--epochs", "2", "--hidden", "--backend", "numpy"]
    done = subprocess.run([*python, *words], capture_output=True, text=True, check=True)
    assert "loss" in done.stdout and "Traceback" not in done.stderr
    done = subprocess.run([*python, "predict", "fastnn-train/model.safetensors", "flowers.csv", "--backend", "numpy"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout.startswith("row,prediction,probability of lily,") and done.stdout.count("\n") == 61


def test_a_pipe_that_nobody_reads(here):
    """`fastnn train ... | head -1` ends without a model: no success, and no traceback."""
    written(here, flowers(), "flowers.csv")
    words = [sys.executable, "-m", "fastnn", "train", "flowers.csv", "--target", "kind", "--backend", "numpy"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141 and not (here / "fastnn-train" / "model.safetensors").exists()
