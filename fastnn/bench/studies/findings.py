"""What a study is asked and what it found: lines of plain values, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from fastnn.bench import layout
from fastnn.errors import unknown_name

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """What a study is to do.

    Attributes
    ----------
    threads : int or None
        For every system (None: 2); for the study of threads the most (None: one a core).
    turns : int or None
        Times that each figure is taken, the best counts; None leaves it to the study.
    quick : bool
        Small sizes and few turns: that it runs, not how fast.
    systems : list of str or None
        Of those that the study knows; None for all that are installed.
    rows : list of str or None
        Rows of the table, for studies that measure some.
    dtype : {"float32", "float64"}
    size : float or None
        Gigabytes of data, for the study of scale.
    progress : callable
        Called with a few words as each part begins.
    """

    threads: int | None = None
    turns: int | None = None
    quick: bool = False
    systems: list[str] | None = None
    rows: list[str] | None = None
    dtype: str = "float32"
    size: float | None = None
    progress: Callable[[str], None] = lambda part: None


@dataclass(frozen=True)
class Column:
    """A column: the key of its values in a line, its heading, and the format of a number."""

    key: str
    heading: str
    form: str = "{:.3g}"

    def cell(self, line: dict[str, Any]) -> str:
        """Return a line's value as text."""
        value = line.get(self.key)
        return value if isinstance(value, str) else layout.number(value, self.form)


@dataclass
class Findings:
    """Everything that a study found.

    Attributes
    ----------
    study : str
    title : str
        What was measured, in which unit.
    columns : list of Column
        What of a line is shown, in order.
    lines : list of dict
        One measured thing each; keys beyond those of ``columns`` go into the JSON only.
    machine : dict
        As ``fastnn.bench.machine.describe`` has it.
    notes : list of str
        What a reader must know.
    failures : list of str
        Checks of the work done that did not hold; the command ends with 1 if there is one.
    """

    study: str
    title: str
    columns: list[Column]
    lines: list[dict[str, Any]]
    machine: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "study": self.study, "title": self.title, "machine": self.machine, "lines": self.lines,
            "notes": self.notes, "failures": self.failures,
        }  # fmt: skip

    def to_text(self) -> str:
        """Return the table for a terminal."""
        return "\n".join([self.heading, "", layout.text(self._cells()), "", *self._remarks()])

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        remarks = [f"- {remark}" for remark in self._remarks()]
        return "\n".join([self.heading, "", layout.markdown(self._cells()), "", *remarks]) + "\n"

    def plot(self, path: str | Path) -> None:
        """Draw the findings as their study does and write a PNG (needs matplotlib)."""
        from fastnn.bench.studies import load
        from fastnn.plots.figure import new_figure

        figure = new_figure()
        load(self.study).draw(self, figure)
        m = self.machine
        figure.suptitle(f"{self.title}; threads: {m['threads']}; {m['cpu']}", fontsize=9)
        figure.savefig(path, dpi=120, format="png")

    @property
    def heading(self) -> str:
        """Title, threads, CPU."""
        m = self.machine
        return f"{self.title}; threads: {m['threads']}; {m['cpu']}; Python {m['python']}"

    def _cells(self) -> layout.Cells:
        return [[c.heading for c in self.columns]] + [[c.cell(line) for c in self.columns] for line in self.lines]

    def _remarks(self) -> list[str]:
        return [*self.notes, *(f"FAILED: {failure}" for failure in self.failures)]


def select(names: list[str] | None, known: Mapping[str, T], kind: str = "row") -> list[T]:
    """Return what is called by ``names`` (None: all), in the order of ``known``.

    Raises
    ------
    UnknownNameError
    """
    for name in names or ():
        if name not in known:
            raise unknown_name(f"{kind} of this study", name, known)
    return [value for name, value in known.items() if names is None or name in names]
