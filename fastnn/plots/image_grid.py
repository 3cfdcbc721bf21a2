"""Small images side by side: samples, what a network makes of them, the kernels of a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.plots.figure import GRAY, ORANGE, sized
from fastnn.validation import positive_whole

MOST = 400


def image_grid(images: Any, columns: int = 10, *, captions: Sequence[str] = (), marked: Sequence[int] = (),
               rows: Sequence[str] = (), limits: tuple[float, float] | None = None, signed: bool = False,
               title: str | None = None, figure: Any = None) -> Any:  # fmt: skip
    """Draw images, ``columns`` to a row.

    Parameters
    ----------
    images : array_like (N, height, width) or (N, height, width, 1)
        At most 400.
    columns : int
    captions : sequence of str, optional
        Above each image.
    marked : sequence of int
        Images whose caption is in another color.
    rows : sequence of str, optional
        To the left of each row.
    limits : tuple of float, optional
        What is white and what is black; by default the least and the greatest of all.
    signed : bool
        Whether zero is white, negative blue and positive red, on a scale that is drawn beside; for weights.
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidValueError
        If there are no images, too many, or they have another shape.
    MissingPackageError
        If matplotlib is not installed.
    """
    pixels = np.asarray(images)
    if pixels.ndim == 4 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 3 or pixels.size == 0:
        raise InvalidValueError(
            f"image_grid draws images of shape (N, height, width) or (N, height, width, 1), got {np.shape(images)}"
        )
    if len(pixels) > MOST:
        raise InvalidValueError(f"image_grid draws at most {MOST} images, got {len(pixels)}")
    if captions and len(captions) != len(pixels):
        raise InvalidValueError(f"captions must be one an image, {len(pixels)}, got {len(captions)}")
    columns = min(positive_whole("columns", columns), len(pixels))
    lines = -(-len(pixels) // columns)
    if limits is None:
        low, high = float(pixels.min()), float(pixels.max())
        most = max(abs(low), abs(high)) or 1.0
        limits = (-most, most) if signed else (low, high)
    width = 0.9 * columns + (1.2 if rows else 0.0) + (0.7 if signed else 0.0)
    figure = sized(figure, max(width, 3.6 if title else 0.0), (1.15 if captions else 0.95) * lines, title)
    panels = figure.subplots(lines, columns, squeeze=False)
    for panel in panels.ravel():
        panel.set_axis_off()
    image = None
    for number, (panel, values) in enumerate(zip(panels.ravel(), pixels)):
        image = panel.imshow(values, cmap="RdBu_r" if signed else "gray_r", vmin=limits[0], vmax=limits[1])
        if captions:
            panel.set_title(captions[number], fontsize=9, color=ORANGE if number in marked else GRAY)
    for row, label in zip(panels, rows):
        row[0].text(-0.25, 0.5, label, transform=row[0].transAxes, ha="right", va="center", fontsize=10)
    if signed:
        bar = figure.colorbar(image, ax=panels, shrink=0.9, aspect=25, pad=0.01)
        bar.outline.set_visible(False)
        bar.ax.tick_params(length=0, labelcolor=GRAY, labelsize=8)
    return figure
