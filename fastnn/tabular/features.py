"""From columns to the network's inputs: numbers standardized, categories one-hot, all of it plain data for the file.

Means, scales and categories come from the training rows alone. Sums run in order, so the same table gives the same
bits everywhere.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.tabular.reading import as_number
from fastnn.tabular.table import BOOL, NUMBER, OTHER, TEXT, Array, Column, Table, rows_text

MOST_CATEGORIES = 100
"""A column of texts with more different ones is refused unless it is named as categorical."""


@dataclass(frozen=True)
class NumberFeature:
    """A column of numbers: ``(value - mean) / scale``, one input.

    Attributes
    ----------
    name : str
    mean, scale : float
        Of the training rows; the scale of a constant is 1.
    fill : float or None
        What stands in for a missing value: the median; None if none may be missing.
    """

    name: str
    mean: float
    scale: float
    fill: float | None = None
    kind: str = NUMBER

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs."""
        return [self.name]

    def encode(self, column: Column, notes: list[str]) -> Array:
        """Return the inputs (rows, 1)."""
        values = numbers_of(self.name, column)
        missing = np.isnan(values)
        if missing.any():
            if self.fill is None:
                raise missing_values(self.name, column)
            values = np.where(missing, self.fill, values)
        return ((values - self.mean) / self.scale)[:, None]


@dataclass(frozen=True)
class CategoryFeature:
    """A column of categories: one input each, 1 for the row's own, 0 for the others.

    Attributes
    ----------
    name : str
    categories : tuple of str
        Of the training rows, sorted. A text that is none of them is all zeros.
    fill : bool
        Whether values may be missing: they are the category "".
    """

    name: str
    categories: tuple[str, ...]
    fill: bool = False
    kind: str = "category"

    @property
    def inputs(self) -> list[str]:
        """Names of the inputs."""
        return [f"{self.name}={category}" for category in self.categories]

    def encode(self, column: Column, notes: list[str]) -> Array:
        """Return the inputs (rows, categories)."""
        if column.kind == OTHER:
            raise other_things(self.name, column)
        if not self.fill and len(column.missing()):
            raise missing_values(self.name, column)
        place = {category: i for i, category in enumerate(self.categories)}
        places = np.array([place.get(text or "", -1) for text in column.texts()], np.int64)
        unseen = np.flatnonzero(places < 0)
        if len(unseen):
            first = column.texts()[unseen[0]] or ""
            notes.append(f"column {self.name!r}: {len(unseen)} of {len(places)} values were not seen in training "
                         f"({first!r} in row {unseen[0] + 1}); they count as none of the categories")  # fmt: skip
        return (places[:, None] == np.arange(len(self.categories))).astype(np.float64)


Feature = NumberFeature | CategoryFeature


def choose_features(table: Table, rows: Array, categorical: list[str], impute: bool,
                    notes: list[str]) -> list[Feature]:  # fmt: skip
    """Return how each column becomes inputs.

    Parameters
    ----------
    table : Table
        Without the target.
    rows : ndarray
        Those to train on: means, scales and categories are theirs.
    categorical : list of str
        Columns to take as categories whatever they look like.
    impute : bool
        Whether missing values are filled in rather than refused.
    notes : list of str
        Remarks are added.

    Raises
    ------
    InvalidValueError
        All columns that cannot be used are named, with what to do.
    """
    for name in categorical:
        table[name]
    problems: list[str] = []
    features: list[Feature] = []
    for name, column in table.columns.items():
        try:
            if name in categorical or column.kind == TEXT:
                features.append(_category(name, column, rows, name in categorical, impute))
            else:
                feature = _number(name, column, rows, impute)
                constant = np.isin(numbers_of(name, column)[rows], [feature.mean, np.nan]).all()
                if constant:
                    notes.append(f"column {name!r} holds one value alone, {feature.mean:g}")
                features.append(feature)
        except InvalidValueError as error:
            problems.append(str(error))
    if problems:
        raise InvalidValueError("; ".join(problems))
    if not features:
        raise InvalidValueError("no column is left to predict from")
    return features


def _number(name: str, column: Column, rows: Array, impute: bool) -> NumberFeature:
    values = numbers_of(name, column)
    if not impute and len(column.missing()):
        raise missing_values(name, column)
    known = values[rows][~np.isnan(values[rows])]
    if not len(known):
        raise InvalidValueError(f"column {name!r} holds no value: leave it out with --drop")
    fill = None
    if impute:
        ordered = np.sort(known)
        fill = float(0.5 * (ordered[(len(known) - 1) // 2] + ordered[len(known) // 2]))
        known = np.where(np.isnan(values[rows]), fill, values[rows])
    mean, scale = standard(known)
    return NumberFeature(name, mean, scale, fill)


def _category(name: str, column: Column, rows: Array, asked: bool, impute: bool) -> CategoryFeature:
    if column.kind == OTHER:
        raise other_things(name, column)
    if not impute and len(column.missing()):
        raise missing_values(name, column)
    texts = column.texts()
    found = sorted({texts[row] or "" for row in rows})
    if not asked:
        present = [text for text in texts if text is not None]
        wrong = [row for row, text in enumerate(texts) if text is not None and as_number(text) is None]
        if 2 * len(wrong) <= len(present):
            raise InvalidValueError(
                f"column {name!r} holds numbers, and {texts[wrong[0]]!r} in {rows_text(np.array(wrong))}: correct it, "
                f"or take all as categories with --categorical {_quoted(name)}"
            )
        if len(found) > MOST_CATEGORIES:
            raise InvalidValueError(
                f"column {name!r} holds {len(found)} different texts: leave it out with --drop {_quoted(name)}, or "
                f"take each as a category with --categorical {_quoted(name)}"
            )
    return CategoryFeature(name, tuple(found), impute)


def numbers_of(name: str, column: Column) -> Array:
    """Return a column's numbers, or raise an error that names the first text or infinity."""
    if column.kind == OTHER:
        raise other_things(name, column)
    if column.numbers is None:
        assert column.raw is not None
        parsed = [np.nan if text is None else as_number(text) for text in column.raw]
        wrong = np.flatnonzero(np.array([value is None for value in parsed]))
        if len(wrong):
            raise InvalidValueError(
                f"column {name!r} must hold numbers, got {column.raw[wrong[0]]!r} in {rows_text(wrong)}"
            )
        return np.array(parsed, np.float64)
    infinite = np.flatnonzero(np.isinf(column.numbers))
    if len(infinite):
        raise InvalidValueError(f"column {name!r} holds {column.numbers[infinite[0]]} in {rows_text(infinite)}")
    return column.numbers


def standard(values: Array) -> tuple[float, float]:
    """Return mean and standard deviation, summed in order in float64; 1 instead of 0."""
    mean = float(np.add.accumulate(values)[-1] / len(values))
    apart = values - mean
    scale = float(np.sqrt(np.add.accumulate(apart * apart)[-1] / len(values)))
    # a constant's deviation is rounding: of 0.1 a hundred times it is 1e-16, not 0
    return mean, scale if scale > abs(mean) * 1e-12 and scale > 0 else 1.0


def missing_values(name: str, column: Column) -> InvalidValueError:
    """Return the error for a column with holes."""
    rows = column.missing()
    return InvalidValueError(
        f"column {name!r} has no value in {rows_text(rows)}: fill them in with --impute median, or leave the column "
        f"out with --drop {_quoted(name)}"
    )


def other_things(name: str, column: Column) -> InvalidValueError:
    """Return the error for a column of dates and the like."""
    return InvalidValueError(
        f"column {name!r} holds {column.note}, neither numbers nor texts: leave it out with --drop {_quoted(name)}"
    )


def _quoted(name: str) -> str:
    return f"'{name}'" if " " in name else name


def encode(features: list[Feature], table: Table, notes: list[str]) -> Array:
    """Return the inputs (rows, D) in float64.

    Raises
    ------
    InvalidValueError
        If columns are missing (all are named), or one holds what it cannot.
    """
    absent = [feature.name for feature in features if feature.name not in table.columns]
    if absent:
        known = ", ".join(table.columns)
        raise InvalidValueError(f"{table.path} lacks the columns {', '.join(map(repr, absent))}; it has {known}")
    return np.concatenate([feature.encode(table[feature.name], notes) for feature in features], axis=1)


def to_plain(features: list[Feature]) -> list[dict[str, Any]]:
    """Return features as JSON knows them."""
    return [asdict(feature) for feature in features]


def from_plain(tree: Any) -> list[Feature]:
    """Return the features that a file's JSON describes, or raise InvalidValueError."""
    try:
        return [_feature(**entry) for entry in tree]
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidValueError(f"the file describes no columns that fastnn knows: {error}") from None


def _feature(kind: str, name: str, **rest: Any) -> Feature:
    if kind == NUMBER:
        numbers = {key: None if value is None else float(value) for key, value in rest.items()}
        return NumberFeature(str(name), **numbers)  # type: ignore[arg-type]
    if kind == "category":
        return CategoryFeature(str(name), tuple(str(c) for c in rest["categories"]), bool(rest["fill"]))
    raise ValueError(f"no kind {kind!r}")


__all__ = ["BOOL", "CategoryFeature", "Feature", "NumberFeature", "choose_features", "encode", "from_plain", "standard",
           "to_plain"]  # fmt: skip
