"""Models: a list of layers that trains, predicts and keeps all its weights in one flat vector."""

from __future__ import annotations

from fastnn.models.sequential import Sequential
from fastnn.training.history import History

load = Sequential.load

__all__ = ["History", "Sequential", "load"]
