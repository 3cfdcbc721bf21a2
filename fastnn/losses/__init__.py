"""Losses: one file each, holding the term of one output and its derivative as formulas.

``base.py`` says what a ``Loss`` is, ``keras_names.py`` holds the constructors that Keras users know. Names
resolve through ``get``; to add a loss is to add a file that registers it.
"""

from __future__ import annotations

from fastnn.losses.base import LOSSES, Loss, get
from fastnn.losses.keras_names import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    Poisson,
    SparseCategoricalCrossentropy,
)

__all__ = [
    "LOSSES",
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "get",
]
