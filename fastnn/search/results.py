"""What a search found: rows of plain data, the best first, as a table, CSV, pandas and pictures."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from typing import Any

from fastnn.errors import InvalidValueError
from fastnn.models.sequential import Sequential
from fastnn.optional import load
from fastnn.plots.heat_map import heat_map
from fastnn.plots.parallel_coordinates import parallel_coordinates
from fastnn.search.trial import OK

Row = dict[str, Any]


class SearchResults:
    """The trials of a search, best first; trials that failed come last.

    Attributes
    ----------
    rows : list of dict
        One a trial: ``trial``, ``parameters``, ``seed``, ``epochs``, ``status`` ("ok", "diverged", "failed"),
        ``error``, ``score``, ``values`` (losses and metrics after the last epoch), ``weights`` (SHA-256 of the trained
        weights). Trials of successive halving that went further stand before those that were stopped earlier.
    metric : str
        What ``score`` is.
    maximize : bool
        Whether more of it is better.
    seconds : dict
        Time spent on each trial. It stands apart: rows of two runs are equal, times are not.
    """

    def __init__(self, rows: list[Row], metric: str, maximize: bool,
                 train: Callable[[Row], Sequential] | None = None) -> None:  # fmt: skip
        self.metric, self.maximize = metric, maximize
        self.seconds: dict[int, float] = {}
        latest: dict[int, Row] = {}
        for row in rows:
            number = row["trial"]
            self.seconds[number] = round(self.seconds.get(number, 0.0) + row.get("seconds", 0.0), 3)
            if number not in latest or row["epochs"] > latest[number]["epochs"]:
                latest[number] = {name: value for name, value in row.items() if name != "seconds"}
        self.rows = sorted(latest.values(), key=self._order)
        self._train = train

    def _order(self, row: Row) -> tuple[Any, ...]:
        if row["status"] != OK:
            return (1, 0, 0.0, row["trial"])
        return (0, -row["epochs"], -row["score"] if self.maximize else row["score"], row["trial"])

    @property
    def best(self) -> Row:
        """The best row.

        Raises
        ------
        InvalidValueError
            If every trial failed; the message holds the first one's error.
        """
        if not self.rows:
            raise InvalidValueError("the search holds no trial")
        if self.rows[0]["status"] != OK:
            raise InvalidValueError(f"every trial failed, the first one with: {self.rows[0]['error']}")
        return self.rows[0]

    def best_model(self) -> Sequential:
        """Return the best trial's network, trained again: the same bits as in the search."""
        if self._train is None:
            raise InvalidValueError("these results were read without the search's data and builder")
        return self._train(self.best)

    def records(self) -> list[dict[str, Any]]:
        """Return flat rows: trial, score, epochs, one entry a parameter, losses and metrics, status, error."""
        names = list(dict.fromkeys(name for row in self.rows for name in row["parameters"]))
        values = list(dict.fromkeys(name for row in self.rows for name in row["values"] if name != self.metric))
        found = []
        for row in self.rows:
            record = {"trial": row["trial"], self.metric: row["score"], "epochs": row["epochs"]}
            record |= {name: row["parameters"].get(name) for name in names}
            record |= {name: row["values"].get(name) for name in values}
            record |= {"status": row["status"], "error": row["error"], "seed": row["seed"], "weights": row["weights"]}
            found.append(record)
        return found

    def table(self, rows: int | None = 20) -> str:
        """Return a table for people: trial, score, epochs, parameters; why a trial failed stands behind it."""
        records = self.records()[:rows]
        hidden = {"status", "error", "seed", "weights", *(name for row in self.rows for name in row["values"])}
        names = [name for name in (records[0] if records else {}) if name not in hidden or name == self.metric]
        cells = [[_cell(record[name]) for name in names] for record in records]
        widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
        lines = ["  ".join(name.rjust(width) for name, width in zip(names, widths))]
        for record, row in zip(records, cells):
            line = "  ".join(cell.rjust(width) for cell, width in zip(row, widths))
            why = "" if record["status"] == OK else f"  {record['status']}: {' '.join(record['error'].split())}"
            lines.append(line + why)
        if len(self.rows) > len(records):
            lines.append(f"... and {len(self.rows) - len(records)} more")
        return "\n".join(lines)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write ``records()`` as CSV."""
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(self.csv())

    def csv(self) -> str:
        """Return ``records()`` as CSV; numbers in full precision."""
        records = self.records()
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(records[0] if records else [])
        for record in records:
            writer.writerow([json.dumps(v) if isinstance(v, list | bool) else v for v in record.values()])
        return out.getvalue()

    def to_pandas(self) -> Any:
        """Return ``records()`` as a pandas DataFrame."""
        return load("pandas", purpose="SearchResults.to_pandas").DataFrame.from_records(self.records())

    def plot_coordinates(self, *, title: str | None = None, figure: Any = None) -> Any:
        """Draw one line a trial across all parameters; see ``fastnn.plots.parallel_coordinates``."""
        return parallel_coordinates(self.rows, self.metric, maximize=self.maximize, title=title, figure=figure)

    def plot_heat_map(self, x: str, y: str, *, title: str | None = None, figure: Any = None) -> Any:
        """Draw the best score by two parameters; see ``fastnn.plots.heat_map``."""
        return heat_map(self.rows, x, y, self.metric, maximize=self.maximize, title=title, figure=figure)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<SearchResults of {len(self.rows)} trials by {self.metric}>"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
