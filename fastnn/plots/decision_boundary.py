"""Decision boundary of a problem with two features: what a network answers everywhere in the plane."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.optional import load
from fastnn.plots.figure import COLORS, GRAY, MARKERS, legend, light_axes, sized
from fastnn.validation import positive_whole

MARGIN = 0.08
"""Of the samples' range, on each side."""
MOST_CLASSES = len(COLORS)


def decision_boundary(model: Any, x: Any, y: Any = None, *, resolution: int = 200, title: str | None = None,
                      figure: Any = None) -> Any:  # fmt: skip
    """Draw the regions in which a model answers each class, and samples in them.

    Parameters
    ----------
    model : Sequential or estimator
        With ``predict_classes`` or ``predict``. Of two classes the probability shades the regions, if the model has
        ``predict_proba`` or puts out one number, or two, from 0 to 1.
    x : array_like (N, 2)
        Samples; the picture's range is theirs and a margin.
    y : array_like (N,), optional
        Their classes; at most 7. Drawn as points, those that the model gets wrong with a ring.
    resolution : int
        Points along each axis at which the model is asked.
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If samples have other than two features, the model cannot predict, or there are too many classes.
    MissingPackageError
        If matplotlib is not installed.
    """
    samples = np.asarray(x)
    if samples.ndim != 2 or samples.shape[1] != 2 or not len(samples) or samples.dtype.kind not in "iuf":
        raise InvalidValueError(f"decision_boundary takes samples (N, 2), got shape {samples.shape} of {samples.dtype}")
    if not np.isfinite(samples).all():
        raise InvalidValueError("decision_boundary takes finite samples, got NaN or infinity")
    truth = None if y is None else np.asarray(y)
    if truth is not None and truth.shape == (len(samples), 1):
        truth = truth[:, 0]
    if truth is not None and truth.shape != samples.shape[:1]:
        raise InvalidValueError(f"y must hold {len(samples)} classes, got shape {truth.shape}")
    points = positive_whole("resolution", resolution)
    low, high = samples.min(axis=0), samples.max(axis=0)
    margin = np.where(high > low, MARGIN * (high - low), 1.0)
    across, up = (np.linspace(a, b, points) for a, b in zip(low - margin, high + margin))
    plane = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(np.result_type(samples, np.float32))

    found = _answers(model, plane)
    answers = None if truth is None else _answers(model, samples)
    if truth is not None and (truth.dtype.kind in "US") != (found.dtype.kind in "US"):
        raise InvalidTypeError(f"y holds classes as {truth.dtype}, the model answers {found.dtype}")
    classes = np.unique(np.concatenate([np.unique(found), *([] if truth is None else [truth, answers])]))
    if len(classes) > MOST_CLASSES:
        raise InvalidValueError(
            f"decision_boundary draws at most {MOST_CLASSES} classes, got {len(classes)} different answers"
        )
    figure = sized(figure, 5.4, 4.6, title)
    axes = figure.subplots()
    light_axes(axes)
    axes.grid(visible=False)
    _regions(axes, model, plane, np.searchsorted(classes, found), len(classes), across, up)
    for number, name in enumerate(classes if truth is not None else ()):
        own = truth == name
        wrong = own & (answers != truth)
        style = {"marker": MARKERS[number], "color": COLORS[number], "s": 26, "linewidth": 0.7, "zorder": 3}
        axes.scatter(*samples[own & ~wrong].T, edgecolor="white", label=str(name), **style)
        if wrong.any():
            axes.scatter(*samples[wrong].T, edgecolor="black", **style | {"linewidth": 1.4})
    if truth is not None:
        missed = int(np.count_nonzero(answers != truth))
        if missed:
            axes.scatter([], [], marker="o", color="white", edgecolor="black", s=26, linewidth=1.4,
                         label=f"{missed} wrong")  # fmt: skip
        legend(axes, loc="center left", bbox_to_anchor=(1.0, 0.5), title="class", title_fontsize=9)
    else:
        axes.plot(*samples.T, ".", color=GRAY, markersize=3)
    axes.set_xlabel("first feature", color=GRAY, fontsize=9)
    axes.set_ylabel("second feature", color=GRAY, fontsize=9)
    axes.set_xlim(across[0], across[-1])
    axes.set_ylim(up[0], up[-1])
    return figure


def _regions(axes: Any, model: Any, plane: Any, places: Any, n: int, across: Any, up: Any) -> None:
    """Color each point by its class, paler where a probability is near a half, and draw the boundary."""
    to_rgb = load("matplotlib.colors", purpose="a figure").to_rgb
    colors = np.array([to_rgb(COLORS[k]) for k in range(n)])
    strength = np.full(len(plane), 0.3)
    probability = _probability(model, plane) if n == 2 else None
    if probability is not None:
        strength = 0.06 + 0.84 * abs(probability - 0.5)
    shape = (len(up), len(across))
    picture = (1 - strength[:, None] * (1 - colors[places])).reshape(*shape, 3)
    extent = (across[0], across[-1], up[0], up[-1])
    axes.imshow(picture, origin="lower", extent=extent, aspect="auto", interpolation="nearest", zorder=0)
    for number in range(n if n > 2 else n - 1):
        inside = (places == number).reshape(shape).astype(float)
        axes.contour(across, up, inside, levels=[0.5], colors=[GRAY], linewidths=1.0, zorder=2)


def _answers(model: Any, x: Any) -> Any:
    """Return the class (N,) that a model answers for each sample."""
    ask = getattr(model, "predict_classes", None) or getattr(model, "predict", None)
    if ask is None:
        raise InvalidTypeError(f"decision_boundary takes a model with predict, got {type(model).__name__}")
    found = np.asarray(ask(x))
    if found.ndim == 2 and found.shape[1] > 1:
        found = found.argmax(axis=1)
    elif found.ndim == 2:
        found = found[:, 0]
    if found.ndim != 1 or len(found) != len(x):
        raise InvalidValueError(f"decision_boundary takes models of one class a sample, got answers {found.shape}")
    return found


def _probability(model: Any, x: Any) -> Any:
    """Return the probability of the second of two classes (N,); None if the model has none."""
    ask = getattr(model, "predict_proba", None) or (
        getattr(model, "predict", None) if hasattr(model, "predict_classes") else None
    )
    if ask is None:
        return None
    found = np.asarray(ask(x), np.float64)
    if found.ndim != 2 or found.shape[1] > 2 or found.min() < 0 or found.max() > 1:
        return None
    return found[:, -1]
