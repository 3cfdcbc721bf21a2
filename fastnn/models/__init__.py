"""Models: a list of layers that trains, predicts and keeps all its weights in one flat vector."""

from __future__ import annotations

from fastnn.models.learning_rate_finder import LearningRateSweep, find_learning_rate
from fastnn.models.mlp import MLPBuilder
from fastnn.models.predictor import Predictor
from fastnn.models.saved import load_metadata
from fastnn.models.sequential import Sequential
from fastnn.training.history import History

load = Sequential.load

__all__ = [
    "History",
    "LearningRateSweep",
    "MLPBuilder",
    "Predictor",
    "Sequential",
    "find_learning_rate",
    "load",
    "load_metadata",
]
