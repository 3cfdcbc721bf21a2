"""Reads what ``saved.py`` writes: everything is checked before memory is taken for it, and nothing is executed."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastnn.backends import BACKENDS, Backend, get_backend
from fastnn.errors import FastnnError, FileFormatError, InvalidValueError
from fastnn.files import Contents, Reader, read_safetensors
from fastnn.files.safetensors import strict_json
from fastnn.layers import Layer
from fastnn.layers.base import sample_shape
from fastnn.losses import Loss
from fastnn.models.carried import CarriedStates
from fastnn.models.saved import room
from fastnn.models.weight_files import VERSION
from fastnn.models.weights import named_statistics, named_views
from fastnn.optimizers import Optimizer
from fastnn.plan import Plan
from fastnn.training.history import History
from fastnn.training.loop import Counter
from fastnn.training.position import FitState, Position

Array = np.ndarray[Any, Any]
Path = str | os.PathLike[str]

MODEL = frozenset(["name", "dtype", "seed", "backend", "input_shape", "layers", "optimizer", "loss", "metrics"])
TRAINING = frozenset(["step", "epoch", "history", "fit"])
"""Entries of the metadata ``model`` and ``training``."""

_COUNT = 2**53
"""Steps and epochs are fewer."""


def load(make: Callable[..., Any], path: Path, custom_objects: Mapping[str, Any] | None,
         backend: Backend | str | None) -> Any:  # fmt: skip
    """Return the model in a file; see ``Sequential.load``. ``make`` is called as ``Sequential`` is."""
    contents = read_safetensors(path)
    try:
        return _load(make, contents, custom_objects, backend)
    except FileFormatError as error:
        raise FileFormatError(f"{os.fspath(path)}: {error}") from error
    except RecursionError:
        raise FileFormatError(f"{os.fspath(path)}: nested too deeply") from None


def _load(make: Callable[..., Any], contents: Contents, custom_objects: Mapping[str, Any] | None,
          backend: Backend | str | None) -> Any:  # fmt: skip
    metadata = contents.metadata
    if metadata.get("format") != "fastnn":
        raise FileFormatError(
            f"no model of fastnn: its format is {metadata.get('format')!r:.40}; files of weights are for load_weights"
        )
    if metadata.get("version") != VERSION:
        raise FileFormatError(f"of version {metadata.get('version')!r:.40}; this fastnn reads version {VERSION!r}")
    if "sha256" not in metadata:
        raise FileFormatError("damaged: there is no SHA-256")
    tree = _entries(metadata, "model", MODEL)
    training = _entries(metadata, "training", TRAINING)
    reader = Reader(contents.tensors, custom_objects)
    reader.check_custom(tree)
    model = _made(make, reader, tree, backend)
    names = _fill(model, contents, tree["input_shape"])
    _take_training(model, reader, training)
    unknown = sorted(contents.tensors.keys() - names - reader.used)
    if unknown:
        raise FileFormatError(f"it holds tensors that nothing refers to: {', '.join(unknown)!s:.200}")
    return model


def _entries(metadata: Mapping[str, str], name: str, wanted: frozenset[str]) -> dict[str, Any]:
    found = strict_json(metadata.get(name, ""))
    if not isinstance(found, dict) or found.keys() != wanted:
        raise FileFormatError(f"its {name} must have {', '.join(sorted(wanted))}")
    return found


def _made(make: Callable[..., Any], reader: Reader, tree: Mapping[str, Any], backend: Backend | str | None) -> Any:
    """Return the model without weights."""
    layers = reader.read(tree["layers"], "layers", list)
    if not all(isinstance(layer, Layer) for layer in layers):
        raise FileFormatError(f"layers: cannot be {layers!r:.80}")
    chosen = backend if backend is not None else tree["backend"]
    if not isinstance(tree["backend"], str | None):
        raise FileFormatError("backend: must be a name")
    if backend is None and chosen is not None and chosen not in BACKENDS:
        raise InvalidValueError(f"the model in the file ran on the backend {chosen!r:.40}; pass backend= to load it")
    if not isinstance(tree["name"], str) or tree["dtype"] not in ("float32", "float64"):
        raise FileFormatError("name and dtype: must be a string, and float32 or float64")
    if type(tree["seed"]) is not int or not 0 <= tree["seed"] < 2**64:
        raise FileFormatError(f"seed: must be a whole number below 2**64, got {tree['seed']!r:.80}")
    module = None if chosen is None else get_backend(chosen)
    try:
        model = make(layers, dtype=tree["dtype"], seed=tree["seed"], backend=module, name=tree["name"])
    except FastnnError as error:
        raise FileFormatError(f"layers: {error}") from error
    model.optimizer = reader.read(tree["optimizer"], "optimizer", Optimizer | None)
    model.loss = reader.read(tree["loss"], "loss", Loss | None)
    model._metric_requests = reader.read(tree["metrics"], "metrics", list)
    if (model.optimizer is None) != (model.loss is None):
        raise FileFormatError("there must be an optimizer and a loss, or neither")
    return model


def _fill(model: Any, contents: Contents, shape: Any) -> set[str]:
    """Build a model and copy its arrays from a file; return their names."""
    tensors = contents.tensors
    if shape is None:
        return set()
    try:
        found = sample_shape(shape)
        plan = model._make_plan(found, None, room=room(contents.size))
    except (FastnnError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
        raise FileFormatError(f"layers do not fit samples of shape {shape!r:.80}: {error}") from error
    names = _check_tensors(plan, tensors, model.dtype)
    slots = [f"slot{number}" for number in range(len(model.optimizer.rule.slots))] if model.optimizer else []
    if slots and slots[0] in tensors:
        for name in slots:
            _check(name, tensors, (plan.size,), model.dtype)
    else:
        slots = []
    carried = plan.carried_rows and tensors.get("carried")
    # nothing was allocated so far: from here on, memory is what the file's tensors take
    vector, statistics = np.empty(plan.size, model.dtype), np.empty(plan.statistics_size, model.dtype)
    for name, view in (named_views(plan, vector) | named_statistics(plan, statistics)).items():
        view[...] = tensors[name]
    model._plan, model._vector, model._statistics = plan, vector, statistics
    model._carried = CarriedStates()
    if isinstance(carried, np.ndarray):
        _check("carried", tensors, (plan.carried_rows, carried.shape[-1] if carried.ndim else 0), model.dtype)
        model._carried.take(np.array(carried))
        names.add("carried")
    if model.optimizer is not None and (slots or not model.optimizer.rule.slots):
        model._slots = np.array([tensors[name] for name in slots], model.dtype).reshape(len(slots), plan.size)
        model._gradient = np.zeros(plan.size, model.dtype)
    _check_metrics(model)
    return names | set(slots)


def _check_metrics(model: Any) -> None:
    """Raise an error unless what a file says of metrics makes metrics."""
    if model.loss is None:
        return
    try:
        model._metrics()
    except (FastnnError, TypeError, ValueError) as error:
        raise FileFormatError(f"metrics: {error}") from error


def _check_tensors(plan: Plan, tensors: Mapping[str, Array], dtype: np.dtype[Any]) -> set[str]:
    """Return the names of a plan's arrays, all of which are there in their shapes."""
    for p in (*plan.parameters, *plan.statistics):
        _check(p.name, tensors, p.shape, dtype)
    return {p.name for p in (*plan.parameters, *plan.statistics)}


def _check(name: str, tensors: Mapping[str, Array], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if name not in tensors:
        raise FileFormatError(f"tensor {name} is missing")
    found = tensors[name]
    if found.shape != shape or found.dtype != dtype:
        raise FileFormatError(f"tensor {name} must be {dtype} of shape {shape}, got {found.dtype} of {found.shape}")


def _take_training(model: Any, reader: Reader, tree: Mapping[str, Any]) -> None:
    """Give a model its counters, its history and the training it was in."""
    model._counter = Counter(_count("step", tree["step"]), _count("epoch", tree["epoch"]))
    history = History()
    columns, history.epoch, history.params = _parts(reader.read(tree["history"], "history", list), (dict, list, dict))
    for name, values in columns.items():
        if not isinstance(name, str) or not isinstance(values, list) or not all(type(v) is float for v in values):
            raise FileFormatError(f"history: {name!r:.80} must be a list of floats")
        history.history[name] = values
    for epoch in history.epoch:
        _count("an epoch of the history", epoch)
    model.history = history
    if tree["fit"] is not None:
        model._fit = _fit_state(model, reader, tree["fit"])


def _parts(values: list[Any], kinds: tuple[type, ...]) -> list[Any]:
    if [type(value) for value in values] != list(kinds):
        raise FileFormatError(f"history: must be {', '.join(kind.__name__ for kind in kinds)}")
    return values


def _count(name: str, value: Any) -> int:
    if type(value) is not int or not 0 <= value < _COUNT:
        raise FileFormatError(f"{name}: must be a whole number, got {value!r:.80}")
    return value


def _fit_state(model: Any, reader: Reader, tree: Any) -> FitState:
    """Return the training that a file was saved in, checked against the model."""
    fields = {field.name: field for field in dataclasses.fields(FitState)}
    if not isinstance(tree, dict) or tree.keys() != fields.keys():
        raise FileFormatError(f"fit: must have {', '.join(fields)}")
    kinds = {"terms": dict, "position": dict, "metrics": list, "callbacks": list, "stop": bool, "settled": bool}
    found = {name: reader.read(tree[name], name, kinds[name]) for name in fields}
    if not all(type(key) is str and type(value) in (str, int, bool) for key, value in found["terms"].items()):
        raise FileFormatError("terms: must be names and plain values")
    place = found["position"]
    if place.keys() != {field.name for field in dataclasses.fields(Position)}:
        raise FileFormatError("position: has other entries")
    _count("epochs", place["epochs"]), _count("steps", place["steps"])
    if type(place["begun"]) is not bool or type(place["total"]) is not float:
        raise FileFormatError("position: begun and total must be a bool and a float")
    values = place["values"]
    if not isinstance(values, dict | None) or not all(type(v) is float for v in (values or {}).values()):
        raise FileFormatError("position: values must be floats by name")
    found["position"] = Position(**place)
    for entry in found["callbacks"]:
        if not isinstance(entry, dict) or [type(entry.get(key)) for key in ("name", "state")] != [str, dict]:
            raise FileFormatError("callbacks: must be names and states")
    _check_metric_states(model, found["metrics"])
    return FitState(**found)


def _check_metric_states(model: Any, states: list[Any]) -> None:
    if not states:
        return
    metrics = model._metrics() if model.loss is not None and model._plan is not None else []
    if len(states) != len(metrics):
        raise FileFormatError(f"metrics: {len(states)} states of {len(metrics)} metrics")
    for metric, state in zip(metrics, states, strict=True):
        fresh = metric.state()
        if not isinstance(state, dict) or state.keys() != fresh.keys():
            raise FileFormatError(f"metrics: the state of {metric.name} must have {', '.join(fresh)}")
        for name, value in state.items():
            if fresh[name] is not None and type(value) is not type(fresh[name]):
                raise FileFormatError(f"metrics: {name} of {metric.name} cannot be {value!r:.80}")
