"""Copies of all that a training changes in a network: weights and moving statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

Vectors = dict[str, Any]


def copy_vectors(model: Any) -> Vectors:
    """Return copies: ``{"parameters": (P,), "statistics": {name: array}}``."""
    statistics = {name: np.array(value) for name, value in model.statistics.items()}
    return {"parameters": np.array(model.parameters), "statistics": statistics}


def write_vectors(model: Any, vectors: Vectors) -> None:
    """Write copies back, in place."""
    model.parameters[...] = vectors["parameters"]
    for name, value in model.statistics.items():
        value[...] = vectors["statistics"][name]
