"""How much each column matters: what is lost on the test rows when its values change places between rows.

Source: Breiman, Random forests, Machine Learning 45 (2001), section 10.
"""

from __future__ import annotations

import numpy as np

from fastnn.backends.numpy_backend import random
from fastnn.random import Purpose
from fastnn.tabular.scores import scores
from fastnn.tabular.training import TrainedTable

TIMES = 5
"""Permutations of each column, whose losses are averaged."""
MOST_COLUMNS = 200


def importance(found: TrainedTable) -> tuple[str, list[tuple[str, float]]]:
    """Return the score that is looked at, and by how much it gets worse for each column, the most first.

    Accuracy falls, the root mean squared error rises. Tables with more than ``MOST_COLUMNS`` columns get an empty list.
    """
    target = found.prepared.target
    name = "accuracy" if target.classes else "root mean squared error"
    sign = 1.0 if target.classes else -1.0
    features = found.prepared.features
    if len(features) > MOST_COLUMNS:
        return name, []
    rows = found.prepared.split.test
    known = found.prepared.truth[found.prepared.split.train]
    x = found.prepared.x[rows].astype(found.settings.dtype)
    base = found.scores[name][0]
    lost: list[tuple[str, float]] = []
    start = 0
    for number, feature in enumerate(features):
        inputs = slice(start, start + len(feature.inputs))
        start = inputs.stop
        total = 0.0
        for time in range(TIMES):
            order = random.permutation(found.settings.seed, time, len(rows), purpose=Purpose.SPLIT, layer=1 + number)
            changed = np.array(x)
            changed[:, inputs] = x[order][:, inputs]
            score = scores(target, found.truth, found.model.network.predict(changed), known)[name][0]
            total += sign * (base - score)
        lost.append((feature.name, total / TIMES))
    return name, sorted(lost, key=lambda entry: -entry[1])
