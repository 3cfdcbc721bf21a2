"""Results of trials in a file of JSON lines: appended durably one by one, read again by a search that goes on.

The first line says which search the file belongs to; each further line is one trial's row. A line is written in one
piece and flushed to the disk before the next trial counts, so a process killed at any moment leaves at most one
damaged line, the last; it is cut off, and that trial runs again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from fastnn.errors import InvalidValueError

Row = dict[str, Any]


class Journal:
    """The rows of one search, on disk if there is a path.

    Parameters
    ----------
    path : str or path, optional
        A new file, or one that the same search has begun.
    about : dict
        Plain data that tells this search from others.

    Raises
    ------
    InvalidValueError
        The file belongs to another search (the message names what differs), is no such file, or is damaged before
        its last line. It stays as it is.
    """

    def __init__(self, path: str | os.PathLike[str] | None, about: dict[str, Any]) -> None:
        self.path = None if path is None else Path(path)
        self.rows: list[Row] = []
        self._about = json.loads(json.dumps(about, allow_nan=False))
        if self.path is None:
            return
        if not self.path.parent.is_dir():
            raise InvalidValueError(f"results must be a file in a folder that exists, got {str(self.path)!r}")
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        assert self.path is not None
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise InvalidValueError(f"cannot read {str(self.path)!r}: {error.strerror}") from None
        whole = content.rfind(b"\n") + 1
        lines = content[:whole].split(b"\n")[:-1]
        parsed = [_parsed(line) for line in lines]
        if parsed and parsed[-1] is None and len(parsed) > 1:  # a last line that a crash left as zeros, say
            whole -= len(lines[-1]) + 1
            parsed.pop()
        if None in parsed:
            raise InvalidValueError(f"{str(self.path)!r} is no file of search results: line {parsed.index(None) + 1}")
        if parsed:
            self._check(parsed[0] or {})
            self.rows = [row for row in parsed[1:] if row is not None]
        elif content and not content.startswith(b'{"search'):
            raise InvalidValueError(f"{str(self.path)!r} is no file of search results")
        if whole < len(content):
            os.truncate(self.path, whole)

    def _check(self, first: Row) -> None:
        found = first.get("search")
        if not isinstance(found, dict):
            raise InvalidValueError(f"{str(self.path)!r} is no file of search results: line 1")
        for name in {**self._about, **found}:
            if found.get(name) != self._about.get(name):
                raise InvalidValueError(
                    f"{str(self.path)!r} belongs to another search: its {name} is {_short(found.get(name))}, now "
                    f"{_short(self._about.get(name))}; name another file, or remove it to start anew"
                )

    def add(self, row: Row) -> None:
        """Append a row; it is on the disk when this returns."""
        if self.path is not None:
            new = not self.path.exists() or self.path.stat().st_size == 0
            lines = [{"search": self._about}, row] if new else [row]
            text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
            with open(self.path, "ab") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            if new:
                _flush_folder(self.path.parent)
        self.rows.append(row)


def _parsed(line: bytes) -> Row | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _flush_folder(folder: Path) -> None:
    """Make a new file's name durable, where folders can be opened (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
