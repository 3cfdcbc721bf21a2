"""What a benchmark run found, as data and as tables.

A row keeps every system's best time, why a system has none, and whether its result agreed with the others'.
Ratios count only systems that did the same work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastnn.bench import layout
from fastnn.bench.workloads import GROUPS, Workload

OURS = "fastnn"


@dataclass
class Entry:
    """One system on one row.

    Attributes
    ----------
    seconds : float or None
        Best time of a step (of the whole run where the row says so), None when there is none.
    spread : float or None
        Median of the turns divided by the best one: how quiet the machine was.
    loss : float or None
        Loss over the data after the first steps, from the weights the system returned.
    turns : int
        How many turns it had.
    difference : float or None
        Largest relative difference from the reference system's result: of the losses, or of the outputs.
    apart : float or None
        Of a training, the difference of the weights relative to the way that they went.
    agrees : bool
        Whether both are within the row's tolerances.
    note : str
        Why there is no time, or how the work was done.
    error : str
        What went wrong, empty when nothing did.
    """

    seconds: float | None = None
    spread: float | None = None
    turns: int = 0
    loss: float | None = None
    difference: float | None = None
    apart: float | None = None
    agrees: bool = True
    note: str = ""
    error: str = ""


@dataclass
class Row:
    """A row of the table: a workload, the systems' entries, the floors in seconds, the rate of the matrix product."""

    workload: Workload
    entries: dict[str, Entry]
    floors: dict[str, float] = field(default_factory=dict)
    gflops: float | None = None

    @property
    def floor(self) -> float | None:
        """The highest of the floors."""
        return max(self.floors.values(), default=None)

    def seconds(self, system: str) -> float | None:
        """Return the best time of ``system`` if it ran and did the same work."""
        entry = self.entries.get(system)
        return entry.seconds if entry and entry.agrees else None

    @property
    def best_peer(self) -> str | None:
        """The fastest system that is not fastnn."""
        return self._best([n for n in self.entries if not n.startswith(OURS)])

    @property
    def ratio(self) -> float | None:
        """Time of the best peer divided by fastnn's."""
        return self._against(self.best_peer)

    @property
    def target_peer(self) -> str | None:
        """The fastest of the systems that the target is stated against."""
        return self._best(list(self.workload.against)) if self.workload.against else self.best_peer

    @property
    def reached(self) -> float | None:
        """Time of the target's peer divided by fastnn's: to be compared with the target."""
        return self._against(self.target_peer)

    def _best(self, names: list[str]) -> str | None:
        timed = {name: t for name in names if (t := self.seconds(name)) is not None}
        return min(timed, key=lambda name: timed[name]) if timed else None

    def _against(self, peer: str | None) -> float | None:
        ours, theirs = self.seconds(OURS), self.seconds(peer) if peer else None
        return theirs / ours if theirs and ours else None

    @property
    def floor_share(self) -> float | None:
        """The floor divided by fastnn's time."""
        ours = self.seconds(OURS)
        return self.floor / ours if self.floor and ours else None

    @property
    def left(self) -> float | None:
        """Seconds by which fastnn's time is above the floor."""
        ours = self.seconds(OURS)
        return ours - self.floor if self.floor and ours else None


@dataclass
class BenchResult:
    """Everything a run found.

    Attributes
    ----------
    rows : list of Row
        In the table's order.
    systems : list of str
        Systems asked for, in order.
    machine : dict
        CPU, number of cores, threads, versions.
    notes : list of str
        What a reader must know: systems that are not installed, threads that could not be set.
    """

    rows: list[Row]
    systems: list[str]
    machine: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every system that has a result did the same work, and fastnn did not fail."""
        cells = [(name, entry) for row in self.rows for name, entry in row.entries.items()]
        return all(entry.agrees and not (entry.error and name.startswith(OURS)) for name, entry in cells)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as plain dictionaries, lists, strings and numbers (for JSON); times in us."""
        return {
            "machine": self.machine,
            "notes": self.notes,
            "systems": self.systems,
            "rows": [
                {
                    "name": row.workload.name,
                    "title": row.workload.title,
                    "group": row.workload.group,
                    "dtype": row.workload.dtype,
                    "flops": row.workload.flops,
                    "systems": {
                        name: {
                            "us": None if e.seconds is None else e.seconds * 1e6, "spread": e.spread,
                            "turns": e.turns, "loss": e.loss, "difference": e.difference, "apart": e.apart,
                            "agrees": e.agrees, "note": e.note, "error": e.error,
                        }
                        for name, e in row.entries.items()
                    },
                    "best_peer": row.best_peer,
                    "ratio": row.ratio,
                    "target": row.workload.target,
                    "target_peer": row.target_peer,
                    "reached": row.reached,
                    "floor_us": None if row.floor is None else row.floor * 1e6,
                    "floors_us": {name: seconds * 1e6 for name, seconds in row.floors.items()},
                    "left_us": None if row.left is None else row.left * 1e6,
                    "matrix_product_gflops": row.gflops,
                    "floor_share": row.floor_share,
                    "floor_share_target": row.workload.share,
                }
                for row in self.rows
            ],
        }  # fmt: skip

    def to_text(self) -> str:
        """Return the tables for a terminal."""
        tables = [f"{heading}\n{layout.text(cells)}\n" for heading, cells in self._tables()]
        return "\n".join([self._heading(), "", *tables, *self._remarks()])

    def to_markdown(self) -> str:
        """Return the tables in Markdown."""
        tables = [f"**{heading}**\n\n{layout.markdown(cells)}\n" for heading, cells in self._tables()]
        remarks = [f"- {remark}" for remark in self._remarks()]
        return "\n".join([self._heading(), "", *tables, *remarks]).rstrip() + "\n"

    def plot(self, path: str | Path) -> None:
        """Draw the ratios as bars and write a PNG (needs matplotlib)."""
        from fastnn.bench.plot import plot_ratios

        plot_ratios(self, path)

    def _heading(self) -> str:
        m = self.machine
        threads = f"{m['threads']} thread{'s' if m['threads'] > 1 else ''}"
        return f"us a step, best of {m['turns']}; {threads}; {m['cpu']}; Python {m['python']}"

    def _tables(self) -> list[tuple[str, layout.Cells]]:
        """Return heading and cells of each part, with the systems that do any of its rows."""
        found = []
        for group, heading in GROUPS.items():
            rows = [row for row in self.rows if row.workload.group == group]
            systems = [name for name in self.systems if any(_done(row, name) for row in rows)]
            if rows:
                found.append((heading, [_header(systems)] + [_cells(row, systems) for row in rows]))
        return found

    def _remarks(self) -> list[str]:
        remarks = list(self.notes)
        for row in self.rows:
            for name, entry in row.entries.items():
                if not entry.agrees:
                    remarks.append(
                        f"{row.workload.name}: {name} differs by {_differences(row, entry)}: not counted (!)"
                    )
                elif entry.error:
                    remarks.append(f"{row.workload.name}: {name} failed: {entry.error}")
                elif entry.note and (entry.seconds is not None or name == OURS):
                    remarks.append(f"{row.workload.name}: {name}: {entry.note}")
        return remarks


def _done(row: Row, system: str) -> bool:
    entry = row.entries.get(system, Entry())
    return entry.seconds is not None or bool(entry.error)


def _header(systems: list[str]) -> list[str]:
    return ["row", *systems, "best peer", "ratio", "target", "reached", "floor", "floor share", "left"]


def _cells(row: Row, systems: list[str]) -> list[str]:
    return [
        row.workload.title,
        *(_time(row.entries.get(name, Entry())) for name in systems),
        row.best_peer or "-",
        layout.number(row.ratio, "{:.2f}x"),
        _target(row),
        layout.number(row.reached, "{:.2f}x"),
        layout.three_digits(row.floor and row.floor * 1e6),
        _share(row),
        layout.three_digits(row.left and row.left * 1e6),
    ]


def _time(entry: Entry) -> str:
    if entry.seconds is None:
        return "failed" if entry.error else "-"
    text = layout.three_digits(entry.seconds * 1e6)
    return text if entry.agrees else text + " !"


def _differences(row: Row, entry: Entry) -> str:
    text = f"{entry.difference:.1e} (tolerance {row.workload.tolerance:.0e})"
    if entry.apart is not None:
        text += f", its weights by {entry.apart:.1e} ({row.workload.weights_tolerance:.0e})"
    return text


def _share(row: Row) -> str:
    share, aim = layout.number(row.floor_share, "{:.0%}"), row.workload.share
    return share if aim is None else f"{share} ({aim:.0%} wanted)"


def _target(row: Row) -> str:
    if row.workload.target is None:
        return "-"
    return " ".join([f"{row.workload.target:g}x", *([row.target_peer] if row.target_peer else [])])
