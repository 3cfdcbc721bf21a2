"""fastnn: neural networks on the CPU at BLAS-class speed, with every bit of the result defined.

Names are imported when they are first used: ``import fastnn`` costs little more than NumPy, and Numba is
loaded only by the backend that needs it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastnn.backends import Backend, get_backend, set_backend, use_backend
    from fastnn.comparison.compare import compare
    from fastnn.layers import Activation, Dense, Layer
    from fastnn.models import Sequential, load
    from fastnn.training.history import History
    from fastnn.tutorial import (
        backward_propagation,
        compute_cost,
        forward_propagation,
        gradient_descent,
        initialize_parameters,
        sigmoid,
        update_parameters,
    )

    __version__: str

_HOMES: dict[str, str] = {
    **dict.fromkeys(
        (
            "backward_propagation",
            "compute_cost",
            "forward_propagation",
            "gradient_descent",
            "initialize_parameters",
            "sigmoid",
            "update_parameters",
        ),
        "fastnn.tutorial",
    ),
    **dict.fromkeys(("Backend", "get_backend", "set_backend", "use_backend"), "fastnn.backends"),
    **dict.fromkeys(("Activation", "Dense", "Layer"), "fastnn.layers"),
    "History": "fastnn.training.history",
    "Sequential": "fastnn.models",
    "load": "fastnn.models",
    "compare": "fastnn.comparison.compare",
}
"""Public names and the modules that define them."""

_MODULES = (
    "activations",
    "backends",
    "callbacks",
    "errors",
    "estimators",
    "formulas",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "random",
    "regularizers",
    "schedules",
    "search",
)

__all__ = [
    "Activation",
    "Backend",
    "Dense",
    "History",
    "Layer",
    "Sequential",
    "__version__",
    "activations",
    "backends",
    "backward_propagation",
    "callbacks",
    "compare",
    "compute_cost",
    "errors",
    "formulas",
    "forward_propagation",
    "get_backend",
    "gradient_descent",
    "initialize_parameters",
    "initializers",
    "layers",
    "load",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "random",
    "regularizers",
    "schedules",
    "search",
    "set_backend",
    "sigmoid",
    "update_parameters",
    "use_backend",
]


def _version() -> str:
    from importlib import metadata  # costs as much as the rest of this file

    try:
        return metadata.version("fastnn")
    except metadata.PackageNotFoundError:
        return "0+unknown"


def __getattr__(name: str) -> Any:
    value: Any
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"fastnn.{name}")
    elif name == "__version__":
        value = _version()
    else:
        raise AttributeError(f"module 'fastnn' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
