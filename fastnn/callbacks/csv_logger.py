"""Writes each epoch's losses and metrics as a line of a CSV file."""

from __future__ import annotations

import csv
import io
import os
from typing import Any, ClassVar

from fastnn.callbacks.base import CALLBACKS, Callback, Logs
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.folders import make_folder_for


class CSVLogger(Callback):
    """One line an epoch: its number, then the logs by name in alphabetical order.

    Numbers have all their digits. A training that is resumed goes on in the file behind the epochs that it had seen:
    lines of later ones, which are trained anew, and of a half-written last line are replaced.

    Parameters
    ----------
    filename : str or path
        Folders that do not exist are made, before the first epoch.
    separator : str
        One character.
    append : bool
        Keep what the file holds; its first line then says the columns. Else the file starts anew.
    """

    name: ClassVar[str] = "csv_logger"

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        if not isinstance(filename, str | os.PathLike):
            raise InvalidTypeError(f"filename must be a path, got {filename!r}")
        if not isinstance(separator, str) or len(separator) != 1:
            raise InvalidValueError(f"separator must be one character, got {separator!r}")
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = bool(append)
        self._columns: list[str] | None = None
        self._resumed = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Forget the columns of an earlier training; the file is opened by its first line, its folder made here."""
        make_folder_for(self.filename)
        self._columns = None
        self._resumed = False

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write a line."""
        values = dict(logs or {})
        if self._columns is None:
            self._open(epoch, ["epoch", *sorted(values)])
        assert self._columns is not None
        row = [epoch if name == "epoch" else values.get(name, "NA") for name in self._columns]
        with open(self.filename, "a", newline="") as file:
            file.write(self._line(row))

    def _open(self, epoch: int, columns: list[str]) -> None:
        """Make the file hold the column names and the lines that are kept."""
        kept = []
        if (self.append or self._resumed) and os.path.exists(self.filename):
            with open(self.filename, newline="") as file:
                # a training that was killed may have left half a line
                whole = [line for line in file.read().splitlines(keepends=True) if line.endswith("\n")]
            kept = list(csv.reader(whole, delimiter=self.separator))
        if kept and self._resumed:
            place = kept[0].index("epoch") if "epoch" in kept[0] else 0
            kept = [kept[0], *(row for row in kept[1:] if _number(row[place]) < epoch)]
        self._columns = kept[0] if kept else columns
        beside = f"{self.filename}.tmp"
        with open(beside, "w", newline="") as file:
            file.writelines(self._line(row) for row in kept or [columns])
        os.replace(beside, self.filename)

    def _line(self, row: list[Any]) -> str:
        text = io.StringIO()
        csv.writer(text, delimiter=self.separator, lineterminator="\n").writerow(row)
        return text.getvalue()

    def state(self) -> dict[str, Any]:
        """Return whether there is a file to go on in."""
        return {"written": self._columns is not None or self._resumed}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on in the file."""
        self._resumed = bool(state["written"])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("-inf")


CALLBACKS.register(CSVLogger.name, CSVLogger)
