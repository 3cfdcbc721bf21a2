"""A model as a file, and back.

``save`` writes everything that a model is: layers and their settings, weights, statistics, carried states, loss,
metrics, the optimizer and its state, the counts of steps and epochs that name random numbers, history, and where a
``fit`` stands. The tensors are called ``W1``, ``b1``, ``mean2``, ``slot0`` (a state slot of the optimizer, as long as
all weights together), ``carried``; the rest is JSON in the metadata ``model`` and ``training``.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastnn.backends import backend_name
from fastnn.errors import FileFormatError, InvalidTypeError, InvalidValueError
from fastnn.files import Writer, read_safetensors, safetensors_parts, write_durably
from fastnn.files.safetensors import strict_json, to_json
from fastnn.models.weight_files import VERSION, named_arrays
from fastnn.training.position import Position

Array = np.ndarray[Any, Any]
Path = str | os.PathLike[str]

_USER = "user"
"""Under which a file's metadata hold what users add to it."""


def room(size: int) -> int:
    """Return how many entries the tables of a plan may have that a file of ``size`` bytes asks for."""
    return (1 << 24) + 8 * size


def save(model: Any, path: Path, notes: Mapping[str, Any] | None = None) -> None:
    """Write a model to a file; see ``Sequential.save``."""
    user = user_metadata(notes)
    with model._lock:
        writer = Writer()
        tree = _model_tree(model, writer)
        training = _training_tree(model, writer)
        tensors = {**_tensors(model), **writer.arrays}
        metadata = {"format": "fastnn", "version": VERSION, "model": to_json(tree), "training": to_json(training)}
        metadata |= user
        parts = safetensors_parts(tensors, metadata)
        size = sum(memoryview(part).nbytes for part in parts)
        _check_room(model, size)
        write_durably(path, parts)


def _check_room(model: Any, size: int) -> None:
    """Raise an error if a reader would refuse a file of ``size`` bytes for the tables that the model's plan needs."""
    plan = model._plan
    if plan is None or 16 * sum(tensor.rows for tensor in plan.tensors) <= room(size):
        return  # far from it; else count as readers do
    try:
        model._make_plan(plan.inputs.shape, None, room=room(size))
    except InvalidValueError as error:
        raise InvalidValueError(
            f"{model!r} asks for too much in a file of {size} bytes: {error}; use save_weights, and load_weights into"
            " a model made by code"
        ) from None


def user_metadata(notes: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what users add to a file, as its metadata hold it."""
    if notes is None:
        return {}
    try:
        text = to_json(dict(notes))
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(f"metadata must be a mapping of names to what JSON can say: {error}") from None
    return {_USER: text}


def load_metadata(path: Path) -> dict[str, Any]:
    """Return the metadata that ``Sequential.save`` was given; empty if there are none.

    Raises
    ------
    FileFormatError
        If the file is damaged, or no model of fastnn.
    """
    contents = read_safetensors(path)
    if contents.metadata.get("format") != "fastnn" or "sha256" not in contents.metadata:
        raise FileFormatError(f"{os.fspath(path)}: no model of fastnn")
    found = strict_json(contents.metadata.get(_USER, "{}"))
    if not isinstance(found, dict):
        raise FileFormatError(f"{os.fspath(path)}: its metadata must map names to values")
    return found


def _tensors(model: Any) -> dict[str, Array]:
    """Return all arrays of a model by their names in the file."""
    found = named_arrays(model)
    if model._slots is not None:
        found |= {f"slot{number}": slot for number, slot in enumerate(model._slots)}
    if model._carried.values is not None and model._carried.in_use:
        found["carried"] = model._carried.values
    return found


def _model_tree(model: Any, writer: Writer) -> dict[str, Any]:
    plan = model._plan
    return {
        "name": str(model.name),
        "dtype": model.dtype.name,
        "seed": model.seed,
        "backend": None if model._backend is None else backend_name(model._backend),
        "input_shape": None if plan is None else list(plan.inputs.shape),
        "layers": [writer.write(layer, f"layers.{number}") for number, layer in enumerate(model.layers)],
        "optimizer": writer.write(model.optimizer, "optimizer"),
        "loss": writer.write(model.loss, "loss"),
        "metrics": [writer.write(metric, f"metrics.{n}") for n, metric in enumerate(model._metric_requests)],
    }


def _training_tree(model: Any, writer: Writer) -> dict[str, Any]:
    history = model.history
    fit = None if model._fit is None else model._fit.state()
    return {
        "step": model._counter.step,
        "epoch": model._counter.epoch,
        "history": writer.write([history.history, history.epoch, history.params], "history"),
        "fit": None if fit is None else {
            field.name: writer.write(vars(value) if isinstance(value := getattr(fit, field.name), Position) else value,
                                     field.name)
            for field in dataclasses.fields(fit)
        },
    }  # fmt: skip
