"""Weights as pictures: what the units of a dense layer and the filters of a convolution look for."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.models import Sequential
from fastnn.plots.figure import GRAY, light_axes, sized
from fastnn.plots.image_grid import image_grid
from fastnn.validation import positive_whole

Array = np.ndarray[Any, Any]

MOST = 64
COLORS = "RdBu_r"
"""Blue is negative, white is zero, red is positive."""


def weight_images(model: Sequential, layer: int | None = None, *, shape: tuple[int, int] | None = None,
                  most: int = MOST, columns: int = 8, title: str | None = None, figure: Any = None) -> Any:  # fmt: skip
    """Draw a layer's weights: blue is negative, white is zero, red is positive, on one scale.

    A dense layer whose inputs are the pixels of a square image (or of the model's own) gets an image a unit; a
    convolution one a filter, with a row for each channel that it reads; what is no picture gets its matrix.

    Parameters
    ----------
    model : Sequential
        Built.
    layer : int, optional
        Which layer of the model, from 0. By default the first one that has weights.
    shape : tuple of int, optional
        Height and width of the images, where the layer is dense and they are not square.
    most : int
        Units or filters that are drawn at most; the first ones.
    columns : int
        Images in a row, of a single channel.
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If it is no model, the layer has no weights, or its inputs are not of that shape.
    MissingPackageError
        If matplotlib is not installed.
    """
    if not isinstance(model, Sequential):
        raise InvalidTypeError(f"weight_images takes a Sequential, got {type(model).__name__}")
    positive_whole("columns", columns)
    most = positive_whole("most", most)
    place, name, weights = _weights(model, layer)
    kind = type(model.layers[place]).__name__
    shown = min(most, len(weights))
    if title is None:
        part = f": the first {shown} of {len(weights)}" if shown < len(weights) else ""
        title = f"{name}, layer {place + 1} ({kind}){part}"
    images = _images(model, place, weights[:shown], shape)
    if images is None:
        return _matrix(weights[:shown], title, figure)
    channels = images.shape[1]
    if channels == 1:
        return image_grid(images[:, 0], columns, signed=True, title=title, figure=figure)
    rows = [f"channel {number + 1}" for number in range(channels)]
    flat = images.swapaxes(0, 1).reshape(-1, *images.shape[2:])
    return image_grid(flat, shown, rows=rows, signed=True, title=title, figure=figure)


def _weights(model: Sequential, layer: int | None) -> tuple[int, str, Array]:
    """Return the place of the layer, the name of its first array of two or more axes, and that array."""
    owners = {p.name: p.layer for p in model._built_plan().parameters if len(p.shape) > 1}
    with_weights = sorted(set(owners.values()))
    if not with_weights:
        raise InvalidValueError("no layer of the model has weights to draw")
    place = with_weights[0] if layer is None else layer
    if place not in with_weights:
        accepted = ", ".join(map(str, with_weights))
        raise InvalidValueError(f"layer must be one that has weights to draw, {accepted}; got {layer!r}")
    name = next(name for name, owner in owners.items() if owner == place)
    return place, name, np.asarray(model.weights[name])


def _images(model: Sequential, place: int, weights: Array, shape: tuple[int, int] | None) -> Array | None:
    """Return weights as images (units, channels, height, width), or None if they are none."""
    if weights.ndim == 4:
        return weights if weights.shape[1] <= 16 else None
    if weights.ndim != 2:
        return None
    features = weights.shape[1]
    found = shape
    if shape is None:
        found = _picture(model, place, features)
        if found is None:
            return None
    if not isinstance(found, tuple) or len(found) != 2 or found[0] * found[1] != features:
        raise InvalidValueError(f"shape must be (height, width) with {features} pixels in all, got {shape!r}")
    return weights.reshape(len(weights), 1, *found)


def _picture(model: Sequential, place: int, features: int) -> tuple[int, int] | None:
    """Return height and width of the pictures that a layer's inputs are."""
    plan = model._built_plan()
    shapes = (plan.inputs.shape, *plan.layer_shapes[:place])
    for before in reversed(shapes):
        if len(before) == 1 or before[0] * before[1] != features:
            continue
        if len(before) == 2 or before[2] == 1:
            return before[0], before[1]
    side = int(np.sqrt(features))
    return (side, side) if side * side == features and side > 2 else None


def _matrix(weights: Array, title: str, figure: Any) -> Any:
    """Draw weights as one matrix, a row a unit."""
    flat = weights.reshape(len(weights), -1)
    units, features = flat.shape
    figure = sized(figure, min(9.0, 2.6 + 0.25 * features), min(7.0, 1.6 + 0.25 * units), title)
    axes = figure.subplots()
    light_axes(axes)
    axes.grid(visible=False)
    most = float(np.abs(flat).max()) or 1.0
    image = axes.imshow(flat, cmap=COLORS, vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("input", color=GRAY, fontsize=9)
    axes.set_ylabel("unit", color=GRAY, fontsize=9)
    bar = figure.colorbar(image, ax=axes, shrink=0.9, aspect=25)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelcolor=GRAY, labelsize=8)
    return figure
