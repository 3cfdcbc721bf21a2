"""Metrics: numbers about predictions that people read and training does not use.

``base.py`` says what a ``Metric`` is; names resolve through ``resolve``. To add a metric is to add a file
that registers its class, and a line below for its public name.
"""

from __future__ import annotations

from fastnn.metrics.accuracy import BinaryAccuracy, CategoricalAccuracy, SparseCategoricalAccuracy
from fastnn.metrics.auc import AUC
from fastnn.metrics.base import METRICS, MeanOverSamples, Metric
from fastnn.metrics.errors import MeanAbsoluteError, MeanSquaredError
from fastnn.metrics.function import FunctionMetric
from fastnn.metrics.r2_score import R2Score
from fastnn.metrics.resolve import resolve
from fastnn.metrics.top_k import SparseTopKCategoricalAccuracy, TopKCategoricalAccuracy

__all__ = [
    "AUC",
    "METRICS",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "FunctionMetric",
    "MeanAbsoluteError",
    "MeanOverSamples",
    "MeanSquaredError",
    "Metric",
    "R2Score",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "resolve",
]
