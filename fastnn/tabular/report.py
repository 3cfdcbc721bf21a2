"""The report of a job: one HTML file with its pictures, readable without a network, the same bytes for the same job."""

from __future__ import annotations

import contextlib
import hashlib
import platform
from importlib import metadata
from typing import Any

import numpy as np

from fastnn.plots.confusion_matrix import confusion_matrix
from fastnn.plots.figure import new_figure
from fastnn.plots.learning_curves import learning_curves
from fastnn.plots.predicted_against_true import predicted_against_true
from fastnn.tabular.features import CategoryFeature, Feature
from fastnn.tabular.html import bar, card, digest, page, picture, table, text
from fastnn.tabular.importance import TIMES, importance
from fastnn.tabular.scores import by_class
from fastnn.tabular.table import BOOL, Column
from fastnn.tabular.training import TrainedTable

MOST_COLUMNS = 60
MOST_CLASSES = 30
EXAMPLES = 10


def report(found: TrainedTable, command: str, versions: dict[str, str]) -> str:
    """Return the page.

    Parameters
    ----------
    found : TrainedTable
    command : str
        The line that runs the job again.
    versions : dict of str
        Of what computed it, by name.
    """
    target = found.prepared.target
    title = f"Predicting {target.name} from {_file(found)}"
    parts = [f"<h1>{text(title)}</h1>", *_summary(found), *_data(found), *_training(found), *_results(found),
             *_columns_that_matter(found), *_examples(found), *_reproduction(found, command, versions)]  # fmt: skip
    return page(title, parts)


def _file(found: TrainedTable) -> str:
    return found.prepared.table.path.replace("\\", "/").rsplit("/", 1)[-1]


def number(value: float) -> str:
    """Return a number as people read it: four digits, thousands apart."""
    if value != value:
        return "–"
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def score_text(name: str, value: float) -> str:
    """Return a score as people read it: shares as percents."""
    if value != value:
        return "–"
    return f"{value:.1%}" if "accuracy" in name else number(value)


def _summary(found: TrainedTable) -> list[str]:
    target, split = found.prepared.target, found.prepared.split
    kind = f"classification into {len(target.classes)} classes" if target.classes else "regression"
    shown = list(found.scores.items())
    cards = [card(score_text(name, own), f"{name} on the test rows; guessing scores {score_text(name, guess)}")
             for name, (own, guess) in shown]  # fmt: skip
    rows = len(split.train) + len(split.validation) + len(split.test)
    return [
        f'<p class="soft">A network for {text(kind)} that learned from {len(split.train):,} of {rows:,} rows.</p>',
        f'<div class="cards">{"".join(cards)}</div>',
        '<p class="soft">Scores are of rows that the network never saw and that nothing was chosen by. Guessing means '
        f"{'the most frequent class' if target.classes else 'the mean (for the absolute error, the median)'} of the "
        "training rows, every time.</p>",
    ]


def _data(found: TrainedTable) -> list[str]:
    prepared, split = found.prepared, found.prepared.split
    sizes = f"{len(split.train):,} to train on, {len(split.validation):,} to validate on, {len(split.test):,} to test"
    evenly = ", each class by the same shares" if prepared.target.classes else ""
    parts = [
        "<h2>Data</h2>",
        f"<p>{text(_file(found))}: {prepared.table.rows:,} rows. Drawn at random{evenly}: {sizes} on. "
        f"{len(prepared.features)} columns make {prepared.x.shape[1]:,} inputs of the network.</p>",
    ]
    if prepared.notes:
        parts.append(f"<ul>{''.join(f'<li>{text(note)}</li>' for note in prepared.notes)}</ul>")
    shown = prepared.features[:MOST_COLUMNS]
    rows = [_column_row(feature, prepared.table[feature.name]) for feature in shown]
    parts.append(table(["column", "taken as", "values", "missing"], rows, numbers=[3]))
    if len(prepared.features) > len(shown):
        parts.append(f'<p class="soft">... and {len(prepared.features) - len(shown):,} more columns.</p>')
    if prepared.target.classes:
        counts = np.bincount(prepared.truth, minlength=len(prepared.target.classes))
        head = prepared.target.classes[:MOST_CLASSES]
        lines = [[name, f"{int(n):,}", bar(int(n) / int(counts.max()))] for name, n in zip(head, counts)]
        parts.append(f"<p>Classes of {text(prepared.target.name)}, by rows:</p>{table([], lines, numbers=[1])}")
        if len(prepared.target.classes) > len(head):
            parts.append(f'<p class="soft">... and {len(prepared.target.classes) - len(head):,} more classes.</p>')
    else:
        ordered = np.sort(prepared.truth)
        parts.append(f"<p>{text(prepared.target.name)} is between {number(ordered[0])} and {number(ordered[-1])}, half "
                     f"of it above {number(ordered[len(ordered) // 2])}.</p>")  # fmt: skip
    return parts


def _column_row(feature: Feature, column: Column) -> list[Any]:
    missing = len(column.missing())
    if isinstance(feature, CategoryFeature):
        names = [name or "(missing)" for name in feature.categories]
        listed = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        return [feature.name, f"{len(names)} categories", listed, missing or "–"]
    if column.kind == BOOL:
        return [feature.name, "truth value", f"True in {feature.mean:.0%} of the training rows", missing or "–"]
    known = np.sort(column.numbers[~np.isnan(column.numbers)]) if column.numbers is not None else np.array([])
    values = f"{number(known[0])} to {number(known[-1])}, mean {number(feature.mean)}" if len(known) else ""
    filled = "" if feature.fill is None or not missing else f", filled with {number(feature.fill)}"
    return [feature.name, "number", values + filled, missing or "–"]


def _training(found: TrainedTable) -> list[str]:
    s, network = found.settings, found.model.network
    hidden = " – ".join([str(found.prepared.x.shape[1]), *map(str, s.hidden), str(found.prepared.target.outputs)])
    rows: list[list[Any]] = [
        ["layers", f"{hidden} units, {network.parameters.size:,} weights, {s.dtype}"],
        ["activation", f"{s.activation}, at the end {'softmax' if found.prepared.target.classes else 'linear'}"],
        ["optimizer", f"{s.optimizer}, learning rate {s.learning_rate:g}, batches of {s.batch_size}"],
        ["regularization", f"dropout {s.dropout:g}, l1 {s.l1:g}, l2 {s.l2:g}"],
        ["seed", s.seed],
        ["end", found.stopped],
    ]
    figure = learning_curves(found.history, figure=new_figure())
    parts = ["<h2>Training</h2>", table([], rows), picture(figure, "loss and metrics by epoch")]
    if not found.prepared.target.classes:
        about = f"scaled to mean 0 and deviation 1: 1 here is {number(found.prepared.target.scale)} of its own units"
        parts.append(f'<p class="soft">The curves are of {text(found.prepared.target.name)} {about}.</p>')
    return parts


def _results(found: TrainedTable) -> list[str]:
    target = found.prepared.target
    predicted = target.predicted(found.outputs)
    rows = [[name, score_text(name, own), score_text(name, guess)] for name, (own, guess) in found.scores.items()]
    parts = [f"<h2>Results on {len(found.truth):,} test rows</h2>",
             table(["score", "network", "guessing"], rows, numbers=[1, 2])]  # fmt: skip
    if not target.classes:
        figure = predicted_against_true(found.truth, predicted, name=target.name, figure=new_figure())
        return [*parts, picture(figure, "predicted against true values, and the errors")]
    if len(target.classes) <= MOST_CLASSES:
        names = np.array(target.classes, object)
        figure = confusion_matrix(names[found.truth], names[predicted], labels=list(target.classes),
                                  figure=new_figure())  # fmt: skip
        parts.append(picture(figure, "confusion matrix"))
    lines = [[name, f"{count:,}", score_text("accuracy", recall), score_text("accuracy", precision)]
             for name, count, recall, precision in by_class(target, predicted, found.truth)[:MOST_CLASSES]]  # fmt: skip
    parts.append(table(["class", "rows", "found (recall)", "right when said (precision)"], lines, numbers=[1, 2, 3]))
    return parts


def _columns_that_matter(found: TrainedTable) -> list[str]:
    name, lost = importance(found)
    if not lost:
        return []
    shown = lost[:20]
    top = max(value for _, value in lost)
    rows = [[column, score_text(name, value), bar(value / top if top > 0 else 0.0)] for column, value in shown]
    falls = "falls" if found.prepared.target.classes else "rises"
    return [
        "<h2>Columns that matter</h2>",
        f"<p>By how much the {name} on the test rows {falls} when a column's values change places between rows, mean "
        f"of {TIMES} times. Columns that say the same share it, and about 0 means that the network does without.</p>",
        table(["column", "loss", ""], rows, numbers=[1]),
        *([f'<p class="soft">... and {len(lost) - len(shown)} more columns.</p>'] if len(lost) > len(shown) else []),
    ]


def _examples(found: TrainedTable) -> list[str]:
    target, rows = found.prepared.target, found.prepared.split.test
    predicted = target.predicted(found.outputs)
    if target.classes:
        sure = found.outputs.max(axis=1)
        wrong = np.flatnonzero(predicted != found.truth)
        worst = wrong[np.argsort(-sure[wrong], kind="stable")][:EXAMPLES]
        if not len(worst):
            return []
        names = target.classes
        lines = [[int(rows[i]) + 1, names[found.truth[i]], names[predicted[i]], f"{float(sure[i]):.1%}"]
                 for i in worst]  # fmt: skip
        head, about = ["row", f"true {target.name}", "predicted", "probability"], "wrong and most sure of it"
    else:
        worst = np.argsort(-abs(predicted - found.truth), kind="stable")[:EXAMPLES]
        lines = [[int(rows[i]) + 1, number(found.truth[i]), number(predicted[i]), number(predicted[i] - found.truth[i])]
                 for i in worst]  # fmt: skip
        head, about = ["row", f"true {target.name}", "predicted", "error"], "furthest off"
    numbers = [0, 3] if target.classes else [0, 1, 2, 3]
    return [
        "<h2>Where it errs</h2>",
        f"<p>Test rows for which the network is {about}; rows are counted from 1, without the header. Errors in the "
        "data show here first.</p>",
        table(head, lines, numbers=numbers),
    ]


def _reproduction(found: TrainedTable, command: str, versions: dict[str, str]) -> list[str]:
    words = " ".join(f"<span>{text(word)}</span>" for word in command.split(" "))
    weights = hashlib.sha256(found.model.network.parameters.tobytes()).hexdigest()
    rows: list[list[Any]] = [
        ["seed", found.settings.seed],
        ["data", digest(found.prepared.table.sha256)],
        ["weights", digest(weights)],
        ["computed with", ", ".join(f"{name} {version}" for name, version in versions.items())],
    ]
    return [
        "<h2>Again, to the bit</h2>",
        "<p>This line, on the same data, makes the same network, bit for bit, on any machine and with any number of "
        f"threads:</p><pre>{words}</pre>",
        table([], rows),
    ]


def versions_in_use() -> dict[str, str]:
    """Return the versions of what computes, by name."""
    found = {"Python": platform.python_version()}
    for name in ("fastnn", "numpy", "numba"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
