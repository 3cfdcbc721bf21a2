"""Confusion matrix: which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.optional import load
from fastnn.plots.figure import GRAY, sized

MOST_CLASSES = 100
NUMBERED = 20
"""Up to so many classes each cell has its number."""


def confusion_matrix(y_true: Any, y_pred: Any, *, labels: Sequence[Any] | None = None, normalize: bool = False,
                     title: str | None = None, figure: Any = None) -> Any:  # fmt: skip
    """Draw how often each class was taken for each class.

    A row is a true class and adds up to its samples; its colors are shares of them, so that rare classes are seen as
    well as frequent ones, and follow their square root, so that a few mistakes are seen.

    Parameters
    ----------
    y_true : array_like (N,)
        True classes: numbers or strings.
    y_pred : array_like (N,) or (N, classes)
        Predicted classes; or a probability for each class, of which the greatest counts and whose columns are the
        ``labels``, 0, 1, ... by default.
    labels : sequence, optional
        The classes in the order of rows and columns. By default all that occur, sorted.
    normalize : bool
        Whether cells say shares of their row, in percent, rather than numbers of samples.
    title : str, optional
        By default the share of right answers.
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If shapes do not fit, there are no samples, more than 100 classes, or one that is not among the labels.
    MissingPackageError
        If matplotlib is not installed.
    """
    true, found, classes = _classes(y_true, y_pred, labels)
    n = len(classes)
    counts = np.bincount(true * n + found, minlength=n * n).reshape(n, n)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = int(counts.trace())
    if title is None:
        title = f"{right / len(true):.1%} of {len(true):,} right"
    side = min(10.0, max(3.2, 1.4 + (0.48 if n <= NUMBERED else 0.12) * n))
    figure = sized(figure, side + 0.5, side)
    axes = figure.subplots()
    norm = load("matplotlib.colors", purpose="a figure").PowerNorm(0.5, 0.0, 1.0)
    image = axes.imshow(shares, cmap="Blues", norm=norm)
    axes.set_title(title, fontsize=12, loc="left")
    if n <= NUMBERED:
        for (row, column), share in np.ndenumerate(shares):
            if counts[row, column]:
                text = f"{100 * share:.0f}" if normalize else f"{counts[row, column]}"
                color = "white" if share > 0.35 else "black"
                axes.text(column, row, text, ha="center", va="center", fontsize=9, color=color)
    step = -(-n // 25)
    places = range(0, n, step)
    names = [str(classes[place]) for place in places]
    long = max(map(len, names)) > 3
    axes.set_xticks(places, names, rotation=45 if long else 0, ha="right" if long else "center")
    axes.set_yticks(places, names)
    axes.set_xlabel("predicted class", color=GRAY, fontsize=10)
    axes.set_ylabel("true class", color=GRAY, fontsize=10)
    axes.tick_params(length=0, labelcolor=GRAY, labelsize=9)
    axes.spines[:].set_color("#b0b0b0")
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=25)
    bar.outline.set_visible(False)
    bar.set_ticks([0, 0.1, 0.5, 1], labels=["0", "10 %", "50 %", "100 %"])
    bar.minorticks_off()
    bar.ax.tick_params(length=0, labelcolor=GRAY, labelsize=8)
    bar.set_label("of the true class" + (", in percent" if normalize else ""), color=GRAY, fontsize=8)
    return figure


def _classes(y_true: Any, y_pred: Any, labels: Sequence[Any] | None) -> tuple[Any, Any, Any]:
    """Return the places of true and predicted classes among the classes, and those."""
    true, found = np.asarray(y_true), np.asarray(y_pred)
    if true.ndim == 2 and true.shape[1] == 1:
        true = true[:, 0]
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if true.ndim != 1 or found.ndim not in (1, 2) or len(true) != len(found):
        raise InvalidValueError(
            f"confusion_matrix takes classes (N,) and classes (N,) or probabilities (N, classes), got shapes "
            f"{np.shape(y_true)} and {np.shape(y_pred)}"
        )
    if not len(true):
        raise InvalidValueError("confusion_matrix got no samples")
    if found.ndim == 2:
        names: Any = np.arange(found.shape[1]) if labels is None else np.asarray(labels)
        if names.shape != (found.shape[1],):
            raise InvalidValueError(f"labels must name {found.shape[1]} classes, got {len(names)}")
        found, labels = names[found.argmax(axis=1)], names
    if found.dtype.kind == "f" and (found != np.floor(found)).any():
        raise InvalidValueError(
            "y_pred must hold classes, got numbers that are not whole; of one probability each pass (p > 0.5)"
        )
    if (true.dtype.kind in "US") != (found.dtype.kind in "US"):
        raise InvalidTypeError(f"y_true and y_pred must be classes of one kind, got {true.dtype} and {found.dtype}")
    classes = np.unique(np.concatenate([true, found])) if labels is None else np.asarray(labels)
    known = np.unique(classes)
    if len(classes) > MOST_CLASSES:
        raise InvalidValueError(f"confusion_matrix draws at most {MOST_CLASSES} classes, got {len(classes)}")
    if len(known) < len(classes):
        raise InvalidValueError(f"labels must differ from one another, got {list(classes)}")
    order = classes.argsort(kind="stable")
    places = []
    for name, values in (("y_true", true), ("y_pred", found)):
        other = ~np.isin(values, known)
        if other.any():
            raise InvalidValueError(f"{name} holds {values[other].tolist()[0]!r}, which is not among the labels")
        places.append(order[np.searchsorted(known, values)])
    return places[0], places[1], classes
