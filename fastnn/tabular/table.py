"""A table read from a file: columns by name, each of numbers, of truth values or of texts, with holes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError, unknown_name

Array = np.ndarray[Any, Any]
Text = str | None

NUMBER, BOOL, TEXT, OTHER = "number", "bool", "text", "other"
"""Kinds of columns; the last is what networks cannot use, a date for example."""


@dataclass
class Column:
    """One column.

    Attributes
    ----------
    kind : str
    numbers : ndarray (rows,) or None
        Of numbers and truth values, float64, NaN where a value is missing.
    raw : list of (str or None), or None
        The texts, None where missing: of texts always, of the others as a CSV file spells them.
    note : str
        What a column of other things holds.
    """

    kind: str
    numbers: Array | None = None
    raw: list[Text] | None = None
    note: str = ""

    def __len__(self) -> int:
        return len(self.numbers) if self.numbers is not None else len(self.raw or ())

    def texts(self) -> list[Text]:
        """Return every value as text: as the file spells it, or whole numbers without a point."""
        if self.raw is not None:
            return self.raw
        assert self.numbers is not None
        return [None if value != value else spelled(value, self.kind) for value in self.numbers.tolist()]

    def missing(self) -> Array:
        """Return the numbers of the rows without a value, from 0."""
        if self.numbers is not None:
            return np.flatnonzero(np.isnan(self.numbers))
        return np.flatnonzero(np.array([text is None for text in self.raw or ()], bool))


def spelled(value: float, kind: str = NUMBER) -> str:
    """Return a number as text: "True" and "False", whole ones without a point, others with all digits."""
    if kind == BOOL:
        return str(bool(value))
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))


@dataclass
class Table:
    """Columns of one length, by name.

    Attributes
    ----------
    columns : dict of Column
    path : str
        Where it was read, for messages.
    sha256 : str
        Of the file.
    """

    columns: dict[str, Column]
    path: str = ""
    sha256: str = ""
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        self.rows = len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, name: str) -> Column:
        if name not in self.columns:
            raise unknown_name("column", name, self.columns)
        return self.columns[name]

    def without(self, names: list[str]) -> Table:
        """Return the table without some columns, all of which must be there."""
        for name in names:
            self[name]
        return Table({n: column for n, column in self.columns.items() if n not in names}, self.path, self.sha256)


def rows_text(rows: Array) -> str:
    """Return row numbers as people count them, from 1 without the header: ``"rows 3, 5, 9 and 12 more"``."""
    shown = [str(int(row) + 1) for row in rows[:3]]
    if len(rows) == 1:
        return f"row {shown[0]}"
    if len(rows) <= 3:
        return f"rows {', '.join(shown[:-1])} and {shown[-1]}"
    return f"rows {', '.join(shown)} and {len(rows) - 3} more"


def bad_table(path: str, what: str) -> InvalidValueError:
    """Return the error for a file that holds no usable table."""
    return InvalidValueError(f"{path}: {what}")
