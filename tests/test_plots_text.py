"""Learning curves as text: exact characters of small cases, sizes, encodings, and the callbacks that draw."""

from __future__ import annotations

import io
import os
import sys
import types

import numpy as np
import pytest

from fastnn.errors import InvalidTypeError, InvalidValueError, UnavailableError
from fastnn.layers import Dense
from fastnn.models import Sequential
from fastnn.plots import LivePlot, TextPlot, live_plot, text_curves
from fastnn.plots.text_curves import _spans
from fastnn.training.history import History


def history(loss, **others):
    found = History()
    for epoch, value in enumerate(loss):
        found.append(epoch, {"loss": value} | {name: values[epoch] for name, values in others.items()})
    return found


SMALL = history([4.0, 2.0, 1.0, 1.0], val_loss=[4.0, 3.0, 2.0, 3.0])

BRAILLE = """\
loss  ⠒ 1  validation o 3  ^ best epoch 3: 2
4 │o⠢o⡀o
  │   ⠈⠒⠤o o o o         o o o
  │       ⠉⠢⠤⣀⡀  o o o o
1 │           ⠈⠉⠑⠒⠢⠤⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀
  └─────────────────^─────────
   1                         4"""

ASCII = """\
loss  * 1  validation o 3  ^ best epoch 3: 2
4 |o*o o
  |   ***o o o o         o o o
  |       *******o o o o
1 |              *************
  +-----------------^---------
   1                         4"""


def test_braille():
    assert text_curves(SMALL, width=30, height=4, ascii=False) == BRAILLE


def test_ascii():
    found = text_curves(SMALL, width=30, height=4, ascii=True)
    found.encode("ascii")
    assert found == ASCII


def test_a_vertical_line_of_dots():
    """A panel of 4 lines of 4 dots: from the first dot of the first line to the last of the last."""
    text = text_curves(history([1.0, 0.0]), width=30, height=4, ascii=False).splitlines()
    assert text[1].startswith("1 │⠉⠒") and text[4].endswith("⠤⣀")
    steep = text_curves(history([1.0] * 100 + [0.0] * 100), width=30, height=4, ascii=False).splitlines()
    assert "⢸" in steep[2] or "⡇" in steep[2]  # no gap where it falls


def test_more_epochs_than_columns_keep_their_extremes():
    assert _spans([1.0, 5.0, 2.0, 3.0], 2) == [(5.0, 1.0), (3.0, 2.0)]
    assert _spans([0.0, 4.0], 5) == [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0)]
    assert _spans([float("nan"), 1.0], 2) == [None, (1.0, 1.0)]
    assert _spans([2.0], 9) == [(2.0, 2.0)]


def test_special_cases():
    assert "(no finite value)" in text_curves(history([float("nan")] * 3), width=40)
    constant = text_curves(history([2.0, 2.0]), width=30, height=5, ascii=True).splitlines()
    assert [line.startswith("2 |***") for line in constant[1:6]] == [False, False, True, False, False]
    one = text_curves(history([2.0], val_loss=[1.0]), width=30, height=4, ascii=True).splitlines()
    assert one[1:] == ["2 |*", "  |", "  |", "1 |o", "  +^" + 26 * "-", "   1"]
    rated = text_curves(history([2.0, 1.0], lr=[0.1, 0.01]), ["lr"], width=30, ascii=True)
    assert rated.startswith("lr  0.01\n") and "^" not in rated
    both = text_curves(history([2.0, 1.0], mae=[3.0, 4.0], val_loss=[1.0, 2.0]), width=40, height=4)
    assert [part.split()[0] for part in both.split("\n\n")] == ["loss", "mae"]


def test_size_and_encoding_are_the_terminals(monkeypatch):
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((61, 20)))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
    lines = text_curves(SMALL).splitlines()
    assert max(map(len, lines[1:])) == 60 and len(lines) == 1 + 12 + 2
    "".join(lines).encode("ascii")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    assert "⠒" in text_curves(SMALL)


def test_by_the_method(capsys):
    text = SMALL.plot_text(width=30, height=4, ascii=False)
    assert text == BRAILLE and capsys.readouterr().out == BRAILLE + "\n"
    assert SMALL.plot_text(None, width=30, height=4, ascii=True) == ASCII and capsys.readouterr().out == ""


def test_what_cannot_be_drawn():
    with pytest.raises(InvalidTypeError, match="text_curves draws the History"):
        text_curves([1.0])
    with pytest.raises(InvalidValueError, match="no epoch"):
        text_curves(History())
    with pytest.raises(InvalidValueError, match="does not hold 'mae' but loss, val_loss"):
        text_curves(SMALL, ["mae"])
    with pytest.raises(InvalidValueError, match="width must be at least 30, got 10"):
        text_curves(SMALL, width=10)
    with pytest.raises(InvalidValueError, match="height must be at least 4, got 3"):
        text_curves(SMALL, height=3)


# --- callbacks ------------------------------------------------------------------------------------


def fitted(epochs, *callbacks):
    model = Sequential([Dense(1)], backend="numpy")
    model.compile("sgd", "mse")
    model.fit(np.eye(3), [1.0, 2.0, 3.0], epochs=epochs, verbose=0, callbacks=list(callbacks))
    return model


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_text_plot_prints_at_the_end(capsys):
    model = fitted(4, TextPlot(width=40, height=5))
    assert capsys.readouterr().out == text_curves(model.history, width=40, height=5) + "\n"
    fitted(0, TextPlot())
    fitted(3, TextPlot(live=True, width=40))  # no terminal
    out = capsys.readouterr().out
    assert out.count("best epoch") == 1 and "\x1b" not in out


def test_text_plot_draws_over_itself(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    model = fitted(3, TextPlot(live=True, seconds=0, width=40, height=5))
    first, *others = terminal.getvalue().split("\x1b[8F\x1b[J")  # a head, 5 lines, axis and epochs
    assert "best epoch 1" in first and len(others) == 3
    assert others[-1] == others[-2] == text_curves(model.history, width=40, height=5) + "\n"


def test_text_plot_draws_no_more_than_a_screen_can_take_back(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((60, 6)))
    model = fitted(2, TextPlot(live=True, seconds=0))
    *_, before, last = terminal.getvalue().split("\x1b[5F\x1b[J")
    assert before.count("\n") == 5 and last == text_curves(model.history) + "\n" and last.count("\n") == 8


def test_text_plot_arguments():
    with pytest.raises(InvalidTypeError, match="live must be True or False, got 1"):
        TextPlot(1)
    with pytest.raises(InvalidTypeError, match="takes names, width, height and ascii, got colour"):
        TextPlot(colour="red")
    with pytest.raises(InvalidValueError, match="seconds must be at least 0"):
        TextPlot(seconds=-1)


class Notebook:
    """What IPython's display does as far as LivePlot sees it."""

    def __init__(self):
        self.shown = []

    def display(self, data, *, raw, metadata, display_id):
        assert raw and display_id
        self.shown.append([data])
        return types.SimpleNamespace(update=lambda data, raw, metadata: self.shown[-1].append(data))


@pytest.fixture
def notebook(monkeypatch):
    found = Notebook()
    monkeypatch.setattr(live_plot, "in_notebook", lambda: True)
    monkeypatch.setitem(sys.modules, "IPython.display", types.SimpleNamespace(display=found.display))
    return found


def test_live_plot_updates_one_output(notebook):
    pytest.importorskip("matplotlib")
    plot = LivePlot(0, title="T", logarithmic=True)
    fitted(3, plot)
    ((*pictures,),) = notebook.shown
    assert len(pictures) == 3
    assert all(data["image/png"].startswith(b"\x89PNG") for data in pictures)
    assert len({data["image/png"] for data in pictures}) == 3
    assert pictures[-1]["text/plain"].startswith("<History of 3 epochs")
    fitted(2, plot)  # another training, another output
    assert [len(output) for output in notebook.shown] == [3, 2]


def test_live_plot_always_draws_the_last_epoch(notebook):
    pytest.importorskip("matplotlib")
    fitted(5, LivePlot(1000))
    ((first, last),) = notebook.shown
    assert "of 1 epochs" in first["text/plain"] and "of 5 epochs" in last["text/plain"]
    fitted(0, LivePlot())
    assert len(notebook.shown) == 1


def test_live_plot_outside_of_a_notebook():
    pytest.importorskip("matplotlib")
    model = Sequential([Dense(1)], backend="numpy")
    model.compile("sgd", "mse")
    model.build(3)
    before = model.parameters.copy()
    with pytest.raises(UnavailableError, match=r"in a terminal use fastnn\.plots\.TextPlot"):
        model.fit(np.eye(3), [1.0, 2.0, 3.0], verbose=0, callbacks=[LivePlot()])
    assert (model.parameters == before).all()
