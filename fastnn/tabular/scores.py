"""How good predictions are, in the target's own units, beside what guessing without looking would score."""

from __future__ import annotations

import numpy as np

from fastnn.tabular.table import Array
from fastnn.tabular.target import CLASSIFICATION, Target

NAN = float("nan")


def scores(target: Target, truth: Array, outputs: Array, trained_on: Array) -> dict[str, tuple[float, float]]:
    """Return by name each score of the predictions, and of always guessing the same.

    Parameters
    ----------
    target : Target
    truth : ndarray (rows,)
        Labels, or values.
    outputs : ndarray (rows, outputs)
        Of the network.
    trained_on : ndarray
        The training rows' labels or values: what is guessed is their most frequent class, or their mean (their median
        for the absolute error, which it makes least).
    """
    predicted = target.predicted(outputs)
    if target.task == CLASSIFICATION:
        counts = np.bincount(trained_on, minlength=len(target.classes))
        usual = int(counts.argmax())
        return {
            "accuracy": (_mean(predicted == truth), _mean(truth == usual)),
            "balanced accuracy": (_balanced(predicted, truth), _balanced(np.full(len(truth), usual), truth)),
        }
    ordered = np.sort(trained_on)
    median = 0.5 * (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2])
    spread = _mean((truth - _mean(truth)) * (truth - _mean(truth)))
    wrong = _mean((predicted - truth) * (predicted - truth))
    guessed = _mean((truth - target.mean) * (truth - target.mean))
    return {
        "mean absolute error": (_mean(abs(predicted - truth)), _mean(abs(truth - median))),
        "root mean squared error": (float(np.sqrt(wrong)), float(np.sqrt(guessed))),
        "R2": (1.0 - wrong / spread, 1.0 - guessed / spread) if spread > 0 else (NAN, NAN),
    }


def by_class(target: Target, predicted: Array, truth: Array) -> list[tuple[str, int, float, float]]:
    """Return for each class its name, rows, recall and precision; NaN where there is no row."""
    found = []
    for number, name in enumerate(target.classes):
        rows, said = truth == number, predicted == number
        right = int((rows & said).tolist().count(True))
        count, claims = rows.tolist().count(True), said.tolist().count(True)
        found.append((name, count, right / count if count else NAN, right / claims if claims else NAN))
    return found


def _balanced(predicted: Array, truth: Array) -> float:
    """Return the mean of the classes' recalls, of those that occur."""
    recalls = [_mean(predicted[truth == number] == number) for number in np.unique(truth)]
    return _mean(np.array(recalls))


def _mean(values: Array) -> float:
    """Return the mean, summed in order."""
    return float(np.add.accumulate(values.astype(np.float64))[-1] / len(values))
