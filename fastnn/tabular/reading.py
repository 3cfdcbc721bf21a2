"""Tables from CSV, NPZ and Parquet files.

CSV is read by Python's own reader, and numbers by its ``float``, which rounds correctly everywhere: the same file is
the same bits on every machine. What kind a column is follows from all of its values.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import zipfile
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.optional import load
from fastnn.tabular.table import BOOL, NUMBER, OTHER, TEXT, Array, Column, Table, Text, bad_table

MISSING = frozenset(["", "na", "n/a", "nan", "null", "#n/a"])
"""Texts that stand for no value, in any case; so does a field of spaces."""
DELIMITERS = (",", ";", "\t", "|")
SUFFIXES = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".npz": "npz", ".parquet": "parquet", ".pq": "parquet"}
_TRUTH = {"true": 1.0, "false": 0.0}


def read_table(path: str | os.PathLike[str], delimiter: str | None = None) -> Table:
    """Return the table in a file.

    Parameters
    ----------
    path : path
        ``.csv``, ``.tsv``, ``.txt``; ``.npz`` with arrays (N,) and (N, columns), the latter's columns numbered;
        ``.parquet``, by pyarrow.
    delimiter : str, optional
        Of a CSV file; by default the one that splits its first line into most fields.

    Raises
    ------
    InvalidValueError
        If the file is missing, empty, or no such table; the message names the line.
    MissingPackageError
        If pyarrow is needed and not installed.
    """
    name = os.fspath(path)
    kind = SUFFIXES.get(os.path.splitext(name)[1].lower())
    if kind is None:
        raise InvalidValueError(f"a table is a file that ends in {', '.join(SUFFIXES)}, got {name!r}")
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise InvalidValueError(f"cannot read {name!r}: {error.strerror}") from None
    if not content.strip():
        raise bad_table(name, "the file is empty")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise InvalidValueError(f"delimiter must be one character, got {delimiter!r}")
    columns = {"csv": _csv, "npz": _npz, "parquet": _parquet}[kind](name, content, delimiter)
    table = Table(columns, name, hashlib.sha256(content).hexdigest())
    if not table.rows:
        raise bad_table(name, "there are no rows")
    return table


# --- CSV ------------------------------------------------------------------------------------------


def _csv(path: str, content: bytes, delimiter: str | None) -> dict[str, Column]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise bad_table(path, f"line {line} is not UTF-8; save the file as UTF-8") from None
    first = text.lstrip("\r\n").splitlines()[0]
    chosen = delimiter or max(DELIMITERS, key=lambda d: len(next(csv.reader([first], delimiter=d), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=chosen, strict=True)
    names: list[str] = []
    rows: list[list[str]] = []
    try:
        for fields in reader:
            if not fields or (len(names) > 1 and fields == [""]):
                continue
            if not names:
                names = _checked_names(path, [name.strip() for name in fields])
                continue
            if len(fields) != len(names):
                raise bad_table(path, f"line {reader.line_num} has {len(fields)} fields, the header {len(names)}")
            rows.append(fields)
    except csv.Error as error:
        raise bad_table(path, f"line {reader.line_num}: {error}") from None
    return {name: text_column(list(values)) for name, values in zip(names, zip(*rows))}


def _checked_names(path: str, names: list[str]) -> list[str]:
    for position, name in enumerate(names):
        if not name:
            raise bad_table(path, f"column {position + 1} has no name; the first line names the columns")
        if name in names[:position]:
            raise bad_table(path, f"two columns are called {name!r}")
    if all(as_number(name) is not None for name in names):
        raise bad_table(path, "the first line must name the columns, it holds numbers")
    return names


def text_column(values: list[Any]) -> Column:
    """Return the column that a CSV file's texts are: of numbers or truth values if all of them are."""
    plain = _plain_numbers(values)
    if plain is not None:
        return Column(NUMBER, plain, list(map(str.strip, values)))
    raw: list[Text] = [None if value.strip().lower() in MISSING else value.strip() for value in values]
    present = [value for value in raw if value is not None]
    numbers = [None if value is None else as_number(value) for value in raw]
    if len(present) == len(numbers) - numbers.count(None):
        return Column(NUMBER, np.array([np.nan if n is None else n for n in numbers]), raw)
    if present and all(value.lower() in _TRUTH for value in present):
        found = [np.nan if value is None else _TRUTH[value.lower()] for value in raw]
        return Column(BOOL, np.array(found), [None if v is None else str(v.lower() == "true") for v in raw])
    return Column(TEXT, None, raw)


def _plain_numbers(values: list[str]) -> Array | None:
    """Return the numbers of a column that holds nothing else, all at once; else None."""
    joined = "".join(values)
    if not joined.isascii() or "_" in joined:
        return None
    try:
        found = np.array(list(map(float, values)))
    except ValueError:
        return None
    return None if np.isnan(found).any() else found


def as_number(text: str) -> float | None:
    """Return the number that a text is, or None; digits alone, no ``1_000``."""
    if not text.isascii() or "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


# --- NPZ ------------------------------------------------------------------------------------------


def _npz(path: str, content: bytes, delimiter: str | None) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise bad_table(path, f"cannot be read as arrays of NumPy: {error}") from None
    for name, array in arrays.items():
        if array.ndim == 2:
            columns |= {f"{name}{i}": _array_column(array[:, i]) for i in range(array.shape[1])}
        elif array.ndim == 1:
            columns[name] = _array_column(array)
        else:
            raise bad_table(path, f"arrays must have shape (rows,) or (rows, columns), {name} has {array.shape}")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise bad_table(path, f"all arrays must have the same number of rows, got {lengths}"[:200])
    return columns


def _array_column(array: Any) -> Column:
    if array.dtype.kind == "b":
        return Column(BOOL, array.astype(np.float64))
    if array.dtype.kind in "iuf":
        return Column(NUMBER, array.astype(np.float64))
    if array.dtype.kind in "US":
        texts = array.tolist() if array.dtype.kind == "U" else [v.decode("utf-8", "replace") for v in array.tolist()]
        return Column(TEXT, None, [None if t.strip().lower() in MISSING else t.strip() for t in texts])
    return Column(OTHER, None, [None] * len(array), str(array.dtype))


# --- Parquet --------------------------------------------------------------------------------------


def _parquet(path: str, content: bytes, delimiter: str | None) -> dict[str, Column]:
    arrow = load("pyarrow", purpose="reading Parquet files")
    parquet = load("pyarrow.parquet", purpose="reading Parquet files")
    try:
        table = parquet.read_table(io.BytesIO(content))
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, OSError) as error:
        raise bad_table(path, f"cannot be read as Parquet: {str(error).splitlines()[0]}") from None
    names = _checked_names(path, [name.strip() for name in table.column_names])
    return {name: _arrow_column(arrow, table.column(i)) for i, name in enumerate(names)}


def _arrow_column(arrow: Any, column: Any) -> Column:
    types = arrow.types
    kind = column.type
    if types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if types.is_boolean(kind):
        values = [np.nan if v is None else float(v) for v in column.to_pylist()]
        return Column(BOOL, np.array(values, np.float64))
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        values = [np.nan if v is None else float(v) for v in column.to_pylist()]
        return Column(NUMBER, np.array(values, np.float64))
    if types.is_string(kind) or types.is_large_string(kind):
        raw = [None if v is None or v.strip().lower() in MISSING else v.strip() for v in column.to_pylist()]
        return Column(TEXT, None, raw)
    return Column(OTHER, None, [None] * len(column), str(kind))
