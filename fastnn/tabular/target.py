"""What is predicted: classes or a quantity, guessed from the target's column and said aloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.models.mlp import TASKS
from fastnn.tabular.features import numbers_of, standard
from fastnn.tabular.reading import as_number
from fastnn.tabular.table import BOOL, NUMBER, OTHER, TEXT, Array, Column, rows_text, spelled

CLASSIFICATION, REGRESSION = TASKS
MOST_CLASSES = 1000
FEW = 20
"""Whole numbers with at most so many different values are taken as classes."""


@dataclass(frozen=True)
class Target:
    """The target's column.

    Attributes
    ----------
    name, task : str
    classes : tuple of str
        Sorted, numbers by size; empty for regression.
    mean, scale : float
        Of the training rows, for regression: the network predicts ``(value - mean) / scale``.
    """

    name: str
    task: str
    classes: tuple[str, ...] = ()
    mean: float = 0.0
    scale: float = 1.0

    @property
    def outputs(self) -> int:
        """Outputs of the network."""
        return len(self.classes) if self.task == CLASSIFICATION else 1

    def encode(self, column: Column) -> Array:
        """Return labels (rows,) as int64, or values (rows,) in float64 that are not scaled yet."""
        if self.task == REGRESSION:
            return numbers_of(self.name, column)
        place = {name: i for i, name in enumerate(self.classes)}
        return np.array([place[name] for name in _names(column)], np.int64)

    def scaled(self, values: Array) -> Array:
        """Return what the network learns: labels as they are, values with mean 0 and deviation 1."""
        return values if self.task == CLASSIFICATION else (values - self.mean) / self.scale

    def predicted(self, outputs: Array) -> Array:
        """Return classes (rows,) as numbers, or values (rows,) in float64, for the network's outputs."""
        if self.task == CLASSIFICATION:
            return np.asarray(outputs.argmax(axis=1))
        return outputs[:, 0].astype(np.float64) * self.scale + self.mean

    def to_plain(self) -> dict[str, Any]:
        """Return the target as JSON knows it."""
        return {"name": self.name, "task": self.task, "classes": list(self.classes), "mean": self.mean,
                "scale": self.scale}  # fmt: skip

    @staticmethod
    def from_plain(tree: Any) -> Target:
        """Return the target that a file's JSON describes, or raise InvalidValueError."""
        try:
            found = Target(str(tree["name"]), str(tree["task"]), tuple(map(str, tree["classes"])), float(tree["mean"]),
                           float(tree["scale"]))  # fmt: skip
        except (TypeError, KeyError, ValueError) as error:
            raise InvalidValueError(f"the file describes no target that fastnn knows: {error}") from None
        if found.task not in TASKS or (found.task == CLASSIFICATION) != (len(found.classes) > 0):
            raise InvalidValueError("the file describes no target that fastnn knows")
        return found


def choose_target(name: str, column: Column, task: str | None, notes: list[str]) -> Target:
    """Return the target with its task and classes; mean and scale come with the training rows.

    Texts and truth values are classes; so are whole numbers with at most ``FEW`` different values, unless nearly every
    row has its own.

    Raises
    ------
    InvalidValueError
        If a value is missing or infinite, or there is one class alone.
    """
    if column.kind == OTHER:
        raise InvalidValueError(f"the target {name!r} holds {column.note}, neither numbers nor texts")
    missing = column.missing()
    if len(missing) == len(column):
        raise InvalidValueError(f"the target {name!r} holds no value")
    if len(missing):
        raise InvalidValueError(f"the target {name!r} has no value in {rows_text(missing)}: remove what is not known")
    if column.kind == NUMBER:
        numbers_of(name, column)
    if task is None:
        task, why = _guessed(column)
        other = CLASSIFICATION if task == REGRESSION else REGRESSION
        notes.append(f"{task}: the target {name!r} {why}; --task {other} asks for the other")
    if task == REGRESSION:
        if column.kind in (TEXT, BOOL):
            raise InvalidValueError(f"regression needs numbers: the target {name!r} holds {_example(column)}")
        values = numbers_of(name, column)
        if (values == values[0]).all():
            raise InvalidValueError(f"the target {name!r} is {values[0]:g} in every row: there is nothing to learn")
        return Target(name, task)
    classes = set(_names(column))
    if len(classes) == 1:
        raise InvalidValueError(f"the target {name!r} is {classes.pop()!r} in every row: nothing can be told apart")
    if len(classes) > MOST_CLASSES:
        hint = "; for a quantity: --task regression" if column.kind == NUMBER else ""
        raise InvalidValueError(f"the target {name!r} has {len(classes)} classes, more than {MOST_CLASSES}{hint}")
    return Target(name, task, tuple(sorted(classes, key=_by_size)))


def _names(column: Column) -> list[str]:
    """Return the class of each row of a column without holes: 1, 1.0 and 01 are one number, hence one class."""
    if column.kind == NUMBER:
        assert column.numbers is not None
        return [spelled(value) for value in column.numbers.tolist()]
    return [text or "" for text in column.texts()]


def _by_size(text: str) -> tuple[int, float, str]:
    number = as_number(text)
    return (1, 0.0, text) if number is None or number != number else (0, number, text)


def _guessed(column: Column) -> tuple[str, str]:
    different = set(_names(column))
    if column.kind in (TEXT, BOOL):
        return CLASSIFICATION, f"holds {'texts' if column.kind == TEXT else 'True and False'}"
    assert column.numbers is not None
    whole = bool((column.numbers == np.floor(column.numbers)).all())
    if whole and len(different) <= FEW and 2 * len(different) <= len(column):
        return CLASSIFICATION, f"holds whole numbers with {len(different)} different values"
    return REGRESSION, f"holds {'whole ' if whole else ''}numbers with {len(different)} different values"


def _example(column: Column) -> str:
    texts = [text for text in column.texts() if text is not None]
    return repr(next(text for text in texts if column.kind == BOOL or as_number(text) is None))


def with_scale(target: Target, values: Array) -> Target:
    """Return the target with mean and deviation of the training rows' values; of classes, as it is."""
    if target.task == CLASSIFICATION:
        return target
    mean, scale = standard(values)
    return Target(target.name, target.task, target.classes, mean, scale)
