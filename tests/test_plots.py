"""Learning curves: the right numbers in the right panels, the best epoch marked, matplotlib not before."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from fastnn import optional
from fastnn.errors import InvalidTypeError, InvalidValueError, MissingPackageError
from fastnn.plots import compared_curves, image_grid, learning_curves, new_figure
from fastnn.plots.learning_curves import best_epoch
from fastnn.training.history import History


def history(*rows):
    found = History()
    for epoch, values in enumerate(rows):
        found.append(epoch, values)
    return found


VALIDATED = history(
    {"loss": 3.0, "accuracy": 0.1, "val_loss": 2.0, "val_accuracy": 0.4},
    {"loss": 2.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.6},
    {"loss": 1.0, "accuracy": 0.9, "val_loss": 1.5, "val_accuracy": 0.7},
)


def test_curves(tmp_path):
    pytest.importorskip("matplotlib")
    figure = learning_curves(VALIDATED, title="Title", figure=new_figure())
    loss, accuracy = figure.axes
    assert [axes.get_title("left") for axes in (loss, accuracy)] == ["loss", "accuracy"]
    lines = {line.get_label(): line for line in accuracy.get_lines()}
    assert list(lines["training"].get_xdata()) == [1, 2, 3]
    assert list(lines["training"].get_ydata()) == [0.1, 0.5, 0.9]
    assert list(lines["validation"].get_ydata()) == [0.4, 0.6, 0.7]
    (x,), (y,) = lines["best epoch, 2: 0.6"].get_data()
    assert (x, y) == (2, 0.6)
    assert figure.get_suptitle() == "Title"
    figure.savefig(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_without_validation_by_the_method():
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    only = history({"loss": 2.0}, {"loss": 1.0}, {"loss": float("nan")})
    figure = only.plot()
    assert pyplot.get_fignums()  # of pyplot: notebooks show it
    pyplot.close(figure)
    labels = [line.get_label() for line in figure.axes[0].get_lines()]
    assert "training" in labels and "validation" not in labels and "best epoch, 2: 1" in labels


def test_a_notebook_shows_a_figure_once(monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    from fastnn.plots import figure as module

    monkeypatch.setattr(module, "in_notebook", lambda: True)
    figure = VALIDATED.plot()
    for backend, open_after in (("widget", True), ("module://matplotlib_inline.backend_inline", False)):
        monkeypatch.setattr(pyplot, "get_backend", lambda name=backend: name)
        with pytest.raises(NotImplementedError):  # IPython then draws it as any figure
            figure._ipython_display_()
        assert (figure.number in pyplot.get_fignums()) == open_after


def test_best_epoch():
    assert best_epoch(VALIDATED) == 1
    assert best_epoch(history({"loss": 3.0}, {"loss": 2.0})) == 1
    assert best_epoch(history({"loss": float("nan")})) == 0


def test_what_cannot_be_drawn(monkeypatch):
    with pytest.raises(InvalidTypeError, match="draws the History"):
        learning_curves({"loss": [1.0]})
    with pytest.raises(InvalidValueError, match="no epoch"):
        learning_curves(History())
    with pytest.raises(InvalidTypeError, match="figure must be a matplotlib Figure, got str"):
        learning_curves(VALIDATED, figure="x")
    monkeypatch.setattr(optional, "installed", lambda package: False)
    with pytest.raises(MissingPackageError, match=r"needs matplotlib: pip install 'fastnn\[plot\]'"):
        VALIDATED.plot()
    with pytest.raises(
        MissingPackageError, match=r"x needs sklearn and tqdm: pip install 'fastnn\[progress,sklearn\]'"
    ):
        optional.require("sklearn", "tqdm", purpose="x")
    assert issubclass(MissingPackageError, ImportError)


def test_a_learning_rate_has_its_own_panel():
    pytest.importorskip("matplotlib")
    rated = history({"loss": 2.0, "val_loss": 3.0, "lr": 0.1}, {"loss": 1.0, "val_loss": 2.0, "lr": 0.001})
    loss, rate = learning_curves(rated, logarithmic=True, figure=new_figure()).axes
    assert loss.get_yscale() == rate.get_yscale() == "log" and rate.get_title("left") == "lr"
    (line,) = rate.get_lines()
    assert list(line.get_ydata()) == [0.1, 0.001] and rate.get_legend() is None


def test_a_quantity_that_came_later_has_the_last_epochs():
    pytest.importorskip("matplotlib")
    later = history({"loss": 2.0}, {"loss": 1.0}, {"loss": 3.0, "mae": 5.0})
    _, panel = learning_curves(later, figure=new_figure()).axes
    assert list(panel.get_lines()[0].get_xdata()) == [3]


def test_compared_curves():
    pytest.importorskip("matplotlib")
    other = history({"loss": 4.0, "val_loss": 0.5})
    axes = new_figure().subplots()
    figure = compared_curves({"a": VALIDATED, "b": other}, lines={"goal": 0.7}, logarithmic=True, axes=axes)
    assert figure is axes.figure and axes.get_yscale() == "log" and axes.get_title("left") == "val loss"
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines) == ["a, at last 1.5", "b, at last 0.5", "goal"]
    assert list(lines["a, at last 1.5"].get_xdata()) == [1, 2, 3]
    assert list(lines["a, at last 1.5"].get_ydata()) == [2.0, 1.0, 1.5]
    assert set(lines["goal"].get_ydata()) == {0.7}
    assert len({line.get_color() for line in lines.values()}) == 3
    own = new_figure()
    assert compared_curves({"a": VALIDATED, "b": history({"loss": 1.0})}, title="T", figure=own) is own
    assert own.axes[0].get_lines()[0].get_label() == "a, at last 1" and own.axes[0].get_title("left") == "T"
    with pytest.raises(InvalidValueError, match="'a' does not hold 'mae' but loss, accuracy"):
        compared_curves({"a": VALIDATED}, "mae", axes=axes)
    with pytest.raises(InvalidValueError, match="1 to 14 histories, got 0"):
        compared_curves({}, "loss")
    with pytest.raises(InvalidTypeError, match="mapping of names to histories, got History"):
        compared_curves(VALIDATED)
    with pytest.raises(InvalidValueError, match="no epoch"):
        compared_curves({"a": History()})


def test_fourteen_histories_are_told_apart():
    pytest.importorskip("matplotlib")
    many = {str(number): history({"loss": number}, {"loss": 1.0}) for number in range(14)}
    lines = compared_curves(many, figure=new_figure()).axes[0].get_lines()
    assert len({(line.get_color(), str(line.get_linestyle())) for line in lines}) == 14


def test_image_grid():
    pytest.importorskip("matplotlib")
    images = np.arange(12.0).reshape(3, 2, 2, 1)
    figure = image_grid(images, 2, captions="abc", marked=[1], rows=["first", "second"], title="T", figure=new_figure())
    panels = figure.axes
    assert [len(panel.images) for panel in panels] == [1, 1, 1, 0]
    for panel, image, caption in zip(panels, images, "abc", strict=False):
        assert np.array_equal(panel.images[0].get_array(), image[..., 0])
        assert panel.images[0].get_clim() == (0, 11) and panel.get_title() == caption
    colors = [panel.title.get_color() for panel in panels[:3]]
    assert colors[0] == colors[2] != colors[1]
    assert [panel.texts[0].get_text() for panel in panels[::2]] == ["first", "second"]
    assert figure.get_suptitle() == "T"
    limited = image_grid(images[..., 0], limits=(-1, 1), figure=new_figure())
    assert len(limited.axes) == 3 and limited.axes[0].images[0].get_clim() == (-1, 1)
    for wrong in (np.zeros((2, 2)), np.zeros((0, 2, 2)), np.zeros((1, 2, 2, 3))):
        with pytest.raises(InvalidValueError, match="draws images of shape"):
            image_grid(wrong)
    with pytest.raises(InvalidValueError, match="at most 400 images, got 401"):
        image_grid(np.zeros((401, 2, 2)))
    with pytest.raises(InvalidValueError, match="captions must be one an image, 3, got 1"):
        image_grid(images, captions="a")


def test_signed_images_have_white_zeros():
    pytest.importorskip("matplotlib")
    figure = image_grid(np.array([[[-3.0, 0.0]], [[1.0, 2.0]]]), signed=True, figure=new_figure())
    panels = [axes.images[0] for axes in figure.axes[:2]]
    assert all(image.get_clim() == (-3, 3) for image in panels)
    red, green, blue, _ = panels[0].to_rgba(0.0)
    assert min(red, green, blue) > 0.95
    red, _, blue, _ = panels[0].to_rgba(3.0)
    assert red > 2 * blue


def test_matplotlib_is_imported_when_drawing_only():
    code = "import sys, fastnn.plots, fastnn.models; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
