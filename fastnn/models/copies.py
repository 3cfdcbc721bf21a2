"""Copies of a model, by ``copy.deepcopy`` or ``pickle`` (as scikit-learn and joblib do): all but locks and workspaces.

A pickle runs code when it is read: for files that come from others there are ``save`` and ``load``.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np

from fastnn.backends import BACKENDS, backend_name, get_backend
from fastnn.models.executors import Executors
from fastnn.models.few_rows import FewRows


def state_of(model: Any) -> dict[str, Any]:
    """Return what a copy of a model is made from."""
    with model._lock:
        state = dict(vars(model))
    plan, backend = state.pop("_plan"), state.pop("_backend")
    for rebuilt in ("_lock", "_executors", "_few", "_gradient"):
        del state[rebuilt]
    if state["_fit"] is not None:
        state["_fit"] = state["_fit"].state()
    state["built for"] = None if plan is None else plan.inputs.shape
    state["backend"] = None if backend is None else backend_name(backend)
    return state


def restore(model: Any, state: dict[str, Any]) -> None:
    """Give a new model the state of another."""
    state = dict(state)
    shape, backend = state.pop("built for"), state.pop("backend")
    vars(model).update(state)
    model._lock = threading.RLock()
    model._executors = Executors()
    model._few = FewRows()
    model._backend = None if backend is None else _backend(backend)
    model._plan = None if shape is None else model._make_plan(shape, None)
    model._gradient = None if model._slots is None else np.zeros(model._plan.size, model.dtype)


def _backend(name: str) -> Any:
    """Return a backend by its name or, if it is a user's module, by the module's."""
    return get_backend(name if name in BACKENDS else importlib.import_module(name))  # type: ignore[arg-type]
