"""Small gray images side by side: samples, what a network makes of them, the kernels of a convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.plots.figure import GRAY, ORANGE, shown_figure


def image_grid(images: Any, columns: int = 10, *, captions: Sequence[str] = (), marked: Sequence[int] = (),
               rows: Sequence[str] = (), limits: tuple[float, float] | None = None, title: str | None = None,
               figure: Any = None) -> Any:  # fmt: skip
    """Draw images, ``columns`` to a row.

    Parameters
    ----------
    images : array_like (N, height, width) or (N, height, width, 1)
    columns : int
    captions : sequence of str, optional
        Above each image.
    marked : sequence of int
        Images whose caption is in another color.
    rows : sequence of str, optional
        To the left of each row.
    limits : tuple of float, optional
        What is white and what is black; by default the least and the greatest of all.
    title : str, optional
    figure : matplotlib Figure, optional
        Empty; drawn into. By default a new one of pyplot, which notebooks show.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InvalidValueError
        If there are no images or they have another shape.
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
    low, high = (pixels.min(), pixels.max()) if limits is None else limits
    columns = min(columns, len(pixels))
    lines = -(-len(pixels) // columns)
    if figure is None:
        figure = shown_figure()
    figure.set_size_inches(0.9 * columns + (1.2 if rows else 0.0), (1.15 if captions else 0.95) * lines + 0.4)
    panels = figure.subplots(lines, columns, squeeze=False)
    for panel in panels.ravel():
        panel.set_axis_off()
    for number, (panel, image) in enumerate(zip(panels.ravel(), pixels)):
        panel.imshow(image, cmap="gray_r", vmin=low, vmax=high)
        if captions:
            panel.set_title(captions[number], fontsize=9, color=ORANGE if number in marked else GRAY)
    for row, label in zip(panels, rows):
        row[0].text(-0.25, 0.5, label, transform=row[0].transAxes, ha="right", va="center", fontsize=10)
    if title:
        figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    return figure
