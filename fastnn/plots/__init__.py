"""Figures by matplotlib, which is imported when the first one is drawn (``pip install 'fastnn[plot]'``).

Every function returns the figure, shows nothing by itself, and takes ``figure=`` and ``title=``. ``text_curves`` and
``TextPlot`` draw with characters and need no matplotlib.
"""

from __future__ import annotations

from fastnn.plots.compared_curves import compared_curves
from fastnn.plots.confusion_matrix import confusion_matrix
from fastnn.plots.decision_boundary import decision_boundary
from fastnn.plots.figure import new_figure
from fastnn.plots.heat_map import heat_map
from fastnn.plots.image_grid import image_grid
from fastnn.plots.layer_histograms import activation_histograms, gradient_histograms, gradient_norms
from fastnn.plots.learning_curves import learning_curves
from fastnn.plots.learning_rate_curve import learning_rate_curve
from fastnn.plots.live_plot import LivePlot
from fastnn.plots.parallel_coordinates import parallel_coordinates
from fastnn.plots.predicted_against_true import predicted_against_true
from fastnn.plots.text_curves import text_curves
from fastnn.plots.text_plot import TextPlot
from fastnn.plots.weight_images import weight_images

__all__ = [
    "LivePlot",
    "TextPlot",
    "activation_histograms",
    "compared_curves",
    "confusion_matrix",
    "decision_boundary",
    "gradient_histograms",
    "gradient_norms",
    "heat_map",
    "image_grid",
    "learning_curves",
    "learning_rate_curve",
    "new_figure",
    "parallel_coordinates",
    "predicted_against_true",
    "text_curves",
    "weight_images",
]
