"""Weights and statistics alone, as files: by name, without what a training needs beside them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.files import read_safetensors, safetensors_parts, write_durably

Array = np.ndarray[Any, Any]
Path = str | os.PathLike[str]

VERSION = "1"
"""Of the layout of files; a reader refuses others."""


def save_weights(model: Any, path: Path) -> None:
    """Write weights and statistics alone; see ``Sequential.save_weights``."""
    with model._lock:
        model._built_plan()
        metadata = {"format": "fastnn weights", "version": VERSION}
        write_durably(path, safetensors_parts(named_arrays(model), metadata))


def named_arrays(model: Any) -> dict[str, Array]:
    """Return views of a model's weights and statistics by name; none of a model that is not built."""
    return {} if model._plan is None else {**model.weights, **model.statistics}


def load_weights(model: Any, path: Path) -> None:
    """Copy weights and statistics from a file into a model; see ``Sequential.load_weights``."""
    contents = read_safetensors(path)
    plan = model._built_plan()
    wanted = {p.name: p for p in (*plan.parameters, *plan.statistics)}
    missing = [name for name in wanted if name not in contents.tensors]
    if missing:
        held = ", ".join(contents.tensors)
        raise InvalidValueError(f"{os.fspath(path)} has no tensor {', '.join(missing)}; it holds {held:.200}")
    for name, p in wanted.items():
        found = contents.tensors[name]
        if found.shape != p.shape or found.dtype.kind != "f":
            raise InvalidValueError(
                f"{os.fspath(path)}: {name} must be floats of shape {p.shape}, got {found.dtype} of {found.shape}"
            )
    if contents.metadata.get("format") != "fastnn":  # whose other tensors are the training's
        more = [name for name in contents.tensors if name not in wanted]
        if more:
            raise InvalidValueError(f"{os.fspath(path)} has tensors that the model has not: {', '.join(more):.200}")
    with model._lock:
        for name, view in named_arrays(model).items():
            view[...] = contents.tensors[name]
