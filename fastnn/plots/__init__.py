"""Figures by matplotlib, which is imported when the first one is drawn (``pip install 'fastnn[plot]'``)."""

from __future__ import annotations

from fastnn.plots.compared_curves import compared_curves
from fastnn.plots.figure import new_figure
from fastnn.plots.image_grid import image_grid
from fastnn.plots.learning_curves import learning_curves

__all__ = ["compared_curves", "image_grid", "learning_curves", "new_figure"]
