"""Searches for hyperparameters: ``search`` runs them, ``Range`` and lists say over what; ``suggest`` asks Optuna."""

from __future__ import annotations

from fastnn.models.mlp import MLPBuilder, mlp_for
from fastnn.search.halving import Rung, rungs
from fastnn.search.results import SearchResults
from fastnn.search.search import STRATEGIES, search
from fastnn.search.space import Range, suggest

__all__ = ["STRATEGIES", "MLPBuilder", "Range", "Rung", "SearchResults", "mlp_for", "rungs", "search", "suggest"]
