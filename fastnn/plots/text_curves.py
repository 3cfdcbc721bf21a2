"""Learning curves out of characters, for a terminal: Braille dots, or plain ASCII where those cannot be shown.

The training is a line, eight Braille dots to a character [1]; the validation a row of ``o``, so that both are told
apart without colors. ``^`` below the panel is the best epoch.

[1] The Unicode Standard, block Braille Patterns: U+2800 plus a bit for each dot.
"""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Sequence

from fastnn.errors import InvalidValueError
from fastnn.plots.learning_curves import RATES, best_epoch, check_history, epochs_of, quantities
from fastnn.training.history import History
from fastnn.validation import positive_whole

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of the dots of a character by row and column."""
LEAST = (30, 4)
"""Characters across and lines of a panel that can be read."""


def text_curves(history: History, names: Sequence[str] | None = None, *, width: int | None = None,
                height: int | None = None, ascii: bool | None = None) -> str:  # fmt: skip
    """Return the learning curves as text, a panel for the loss and one a metric.

    Parameters
    ----------
    history : History
    names : sequence of str, optional
        Which quantities, without ``val_``: ``["loss"]``. By default all.
    width, height : int, optional
        Characters across, at least 30, and lines of a panel's curves, at least 4. By default what the terminal
        has, and as many lines as let all panels be seen at once, at most 12.
    ascii : bool, optional
        Whether to use ASCII alone; by default if the encoding of standard output has no Braille.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If it is no history or holds no epoch, a name is unknown, or the size too small.
    """
    check_history(history, "text_curves")
    chosen = quantities(history) if names is None else list(names)
    for name in chosen:
        if name not in history.history:
            raise InvalidValueError(f"the history does not hold {name!r} but {', '.join(history.history)}")
    terminal = shutil.get_terminal_size()
    across = positive_whole("width", max(terminal.columns - 1, LEAST[0]) if width is None else width)
    fitting = (terminal.lines - 1) // max(1, len(chosen)) - 4
    lines = positive_whole("height", min(12, max(5, fitting)) if height is None else height)
    for what, found, least in zip(("width", "height"), (across, lines), LEAST):
        if found < least:
            raise InvalidValueError(f"{what} must be at least {least}, got {found}")
    plain = not _shows_braille() if ascii is None else ascii
    return "\n\n".join(_panel(history, name, across, lines, plain) for name in chosen)


def _shows_braille() -> bool:
    try:
        "⣿└".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _panel(history: History, name: str, width: int, height: int, plain: bool) -> str:
    """Return one quantity's panel: a line that says what it is, the curves, the epochs."""
    epochs, values = epochs_of(history, name), history.history[name]
    validation = history.history.get(f"val_{name}", [])
    best = best_epoch(history) - len(history.epoch)
    here = name not in RATES and history.epoch[best] + 1 in epochs
    marked = history.epoch[best] + 1 if here else None
    head = f"{name}  {values[-1]:.4g}" if name in RATES else f"{name}  {'*' if plain else '⠒'} {values[-1]:.4g}"
    if validation:
        head += f"  validation o {validation[-1]:.4g}"
    if marked is not None:
        head += f"  ^ best epoch {marked}: {(validation or values)[best]:.4g}"
    finite = [value for value in (*values, *validation) if math.isfinite(value)]
    if not finite:
        return f"{head}\n(no finite value)"
    low, high = min(finite), max(finite)
    labels = {0: f"{high:.3g}", height - 1: f"{low:.3g}"}
    edge = max(map(len, labels.values()))
    columns = width - edge - 2
    first, last = epochs[0], epochs[-1]
    if low == high:  # in the middle
        labels, low, high = {height // 2: f"{low:.3g}"}, low - 1.0, high + 1.0

    def rows(values: Sequence[float], columns: int, lines: int) -> list[tuple[int, int] | None]:
        return [
            None if span is None else tuple(round((high - value) / (high - low) * (lines - 1)) for value in span)  # type: ignore[misc]
            for span in _spans(values, columns)
        ]

    if plain:
        cells = [[" "] * columns for _ in range(height)]
        for column, span in enumerate(rows(values, columns, height)):
            for row in range(span[0], span[1] + 1) if span else ():
                cells[row][column] = "*"
    else:
        cells = _braille(rows(values, 2 * columns, 4 * height), columns, height)
    for column, span in enumerate(rows(validation, columns, height) if validation else ()):
        if span and (column % 2 == 0 or column == columns - 1):
            cells[(span[0] + span[1]) // 2][column] = "o"
    side, corner, floor = ("|", "+", "-") if plain else ("│", "└", "─")
    text = [head]
    text += [f"{labels.get(row, ''):>{edge}} {side}{''.join(line)}".rstrip() for row, line in enumerate(cells)]
    axis = [floor] * columns
    if marked is not None:
        axis[0 if first == last else round((marked - first) / (last - first) * (columns - 1))] = "^"
    text.append(f"{'':>{edge}} {corner}{''.join(axis)}")
    ends = str(first) if first == last else f"{first}{last:>{columns - len(str(first))}}"
    text.append(f"{'':>{edge}}  {ends}")
    return "\n".join(text)


def _spans(values: Sequence[float], columns: int) -> list[tuple[float, float] | None]:
    """Return the greatest and the least value in each of ``columns``; None where there is none.

    With fewer values than columns, straight lines join them.
    """
    count = len(values)
    found: list[tuple[float, float] | None] = []
    for column in range(columns):
        if count > columns:
            inside = list(values[column * count // columns : (column + 1) * count // columns])
        else:
            place = column * (count - 1) / max(1, columns - 1)
            left = min(int(place), max(0, count - 2))
            a, b = values[left], values[min(left + 1, count - 1)]
            share = place - left
            inside = [a if share == 0 else b if share == 1 else a + share * (b - a)]
        inside = [value for value in inside if math.isfinite(value)]
        found.append((max(inside), min(inside)) if inside else None)
    return found if count > 1 else found[:1]


def _braille(spans: Sequence[tuple[int, int] | None], columns: int, height: int) -> list[list[str]]:
    """Return the characters of a line through the given rows of dots, two columns of dots to a character."""
    bits = [[0] * columns for _ in range(height)]
    before = None
    for x, span in enumerate(spans):
        if span is None:
            before = None
            continue
        top, bottom = span
        if before is not None:  # no gap to the column before
            top, bottom = min(top, before[1] + 1), max(bottom, before[0] - 1)
        for y in range(top, bottom + 1):
            bits[y // 4][x // 2] |= DOTS[y % 4][x % 2]
        before = span
    return [[chr(0x2800 + cell) if cell else " " for cell in line] for line in bits]
