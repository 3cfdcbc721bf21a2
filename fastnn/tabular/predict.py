"""Predictions for new rows, by what the model's file says alone: columns, scales, categories, classes."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.models.sequential import Sequential
from fastnn.tabular.features import Feature, encode, from_plain, to_plain
from fastnn.tabular.table import Array, Table
from fastnn.tabular.target import CLASSIFICATION, Target

VERSION = 1
KEY = "fastnn.tabular"
"""Under which the file's metadata hold the description."""


@dataclass
class TableModel:
    """A network and what it needs to read tables.

    Attributes
    ----------
    network : Sequential
    features : list of Feature
    target : Target
    """

    network: Sequential
    features: list[Feature]
    target: Target

    def inputs(self, table: Table, notes: list[str]) -> Array:
        """Return the network's inputs (rows, D) in its dtype."""
        return encode(self.features, table, notes).astype(self.network.dtype)

    def outputs(self, table: Table, notes: list[str]) -> Array:
        """Return the network's outputs (rows, outputs): a probability for each class, or the scaled value.

        Parameters
        ----------
        table : Table
            Its columns are found by name; those not needed are ignored, with a note.
        notes : list of str
            Remarks are added.
        """
        names = {feature.name for feature in self.features}
        ignored = [name for name in table.columns if name not in names]
        if ignored:
            notes.append(f"ignored columns: {', '.join(ignored)}")
        return self.network.predict(self.inputs(table, notes))

    def description(self) -> dict[str, Any]:
        """Return what the file has to say besides the network."""
        return {"version": VERSION, "features": to_plain(self.features), "target": self.target.to_plain()}

    @staticmethod
    def described(network: Sequential, tree: Any) -> TableModel:
        """Return the model that a network and its file's description make, or raise InvalidValueError."""
        if not isinstance(tree, dict) or tree.get("version") != VERSION:
            raise InvalidValueError("the file holds a network, but not how to read tables; train it with fastnn train")
        found = TableModel(network, from_plain(tree.get("features")), Target.from_plain(tree.get("target")))
        inputs = [name for feature in found.features for name in feature.inputs]
        plan = network._built_plan()
        if plan.inputs.shape != (len(inputs),) or plan.outputs.shape != (found.target.outputs,):
            raise InvalidValueError("the file's network does not fit the columns that it describes")
        return found


def predictions_csv(target: Target, outputs: Array, rows: Array, truth: Array | None = None) -> str:
    """Return predictions as CSV: row numbers from 1, the truth if known, the prediction, a probability for each class.

    Values are as short as gives them back exactly.
    """
    predicted = target.predicted(outputs)
    head = ["row", *([target.name] if truth is not None else []), "prediction"]
    sorting = target.task == CLASSIFICATION
    head += [f"probability of {name}" for name in target.classes]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    names = np.array(target.classes, object)
    shown = names[predicted].tolist() if sorting else predicted.tolist()
    known = None if truth is None else (names[truth].tolist() if sorting else truth.tolist())
    for i, row in enumerate(rows.tolist()):
        line = [row + 1, *([known[i]] if known is not None else []), shown[i]]
        writer.writerow([*line, *(str(p) for p in outputs[i])] if sorting else line)
    return out.getvalue()
