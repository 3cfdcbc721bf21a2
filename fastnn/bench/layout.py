"""Cells as a table: for a terminal, and in Markdown. The first column is text, the others are numbers."""

from __future__ import annotations

Cells = list[list[str]]
"""Lines of equal length, the headings first."""


def text(cells: Cells) -> str:
    """Return columns padded to one width, a rule under the headings."""
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))) for line in cells
    ]
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)


def markdown(cells: Cells) -> str:
    """Return a table in Markdown."""
    rule = ["---"] + ["---:"] * (len(cells[0]) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [cells[0], rule, *cells[1:]])


def number(value: float | None, form: str = "{:.2f}") -> str:
    """Return a number as text, a dash for none."""
    return "-" if value is None else form.format(value)


def three_digits(value: float | None) -> str:
    """Return a number with three digits that count, all of them before the point from 1000 on."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
