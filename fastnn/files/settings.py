"""Settings as JSON, and back: numbers, lists, arrays by name, and what the registries know.

Whatever is not plain JSON is an object with a single key that says what it is::

    {"float": "nan"}   {"tuple": [...]}   {"dict": [[key, value], ...]}   {"scalar": ["float64", 0.5]}
    {"array": "callbacks.0.weights"}   {"layer": ["dense", {"units": 3, ...}]}   {"activation": ["elu", 0.5]}
    {"custom": ["activation", "name", ...]}

Reading looks names up in registries and calls the constructors found there with checked JSON; what a registry does not
know is the caller's to pass, by name. Floats are written so that they are read back to the bit.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastnn.activations import Activation
from fastnn.errors import FastnnError, FileFormatError, InvalidTypeError, InvalidValueError
from fastnn.initializers import INITIALIZERS, Initializer
from fastnn.layers import LAYERS, Layer
from fastnn.layers.activation import FunctionActivation, registered_activation, resolve_activation
from fastnn.layers.activation import is_registered as is_registered_activation
from fastnn.losses import Loss
from fastnn.metrics import METRICS, FunctionMetric, Metric
from fastnn.optimizers import OPTIMIZERS, Optimizer
from fastnn.registry import Registry
from fastnn.regularizers import Regularizer
from fastnn.schedules import SCHEDULES, LearningRateSchedule
from fastnn.training.loss import FunctionLoss, is_registered, registered_loss, resolve_loss

Array = np.ndarray[Any, Any]

REGISTERED: dict[str, tuple[type[Any], Registry[Any]]] = {
    "layer": (Layer, LAYERS),
    "initializer": (Initializer, INITIALIZERS),
    "optimizer": (Optimizer, OPTIMIZERS),
    "metric": (Metric, METRICS),
    "schedule": (LearningRateSchedule, SCHEDULES),
}
"""Kinds of things that are a registered class and its settings."""

_SCALARS = ("float64", "float32", "int64", "int32", "uint64", "uint32", "bool")


def settings_of(value: Any) -> dict[str, Any]:
    """Return the arguments that make an equal object: ``config()``, a dataclass's fields, or the constructor's."""
    if isinstance(value, Layer):
        return value.config()
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
    names = list(inspect.signature(type(value)).parameters)
    missing = [name for name in names if not hasattr(value, name)]
    if missing:
        raise InvalidTypeError(f"{type(value).__name__} must keep its argument {missing[0]!r} under that name")
    return {name: getattr(value, name) for name in names}


class Writer:
    """Turns values into JSON.

    Attributes
    ----------
    arrays : dict of ndarray
        What the JSON refers to by name; copies.
    custom : dict
        What a reader must be given, by name.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self.custom: dict[str, Any] = {}

    def write(self, value: Any, where: str) -> Any:
        """Return the JSON of a value.

        Parameters
        ----------
        value : object
        where : str
            What it is, for arrays' names and errors: ``"layers.2.activation"``.

        Raises
        ------
        InvalidTypeError
            If there is something in it that has no form in a file.
        InvalidValueError
            If two custom functions have one name.
        """
        if value is None or isinstance(value, bool | str) or type(value) is int:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, list):
            return [self.write(item, f"{where}.{place}") for place, item in enumerate(value)]
        if isinstance(value, tuple):
            return {"tuple": [self.write(item, f"{where}.{place}") for place, item in enumerate(value)]}
        if type(value) is dict:
            return {"dict": [[self.write(k, where), self.write(v, f"{where}.{k}")] for k, v in value.items()]}
        if isinstance(value, np.generic) and value.dtype.name in _SCALARS:
            return {"scalar": [value.dtype.name, self.write(value.item(), where)]}
        if isinstance(value, np.ndarray):
            self.arrays[where] = value.copy()
            return {"array": where}
        return self._write_object(value, where)

    def _write_object(self, value: Any, where: str) -> Any:
        if isinstance(value, Regularizer):
            return {"regularizer": [value.l1, value.l2]}
        if isinstance(value, Activation):
            if is_registered_activation(value):
                return {"activation": [value.name, value.alpha]}
            return self._custom("activation", value.name, value.function if isinstance(value, FunctionActivation)
                                else value)  # fmt: skip
        if isinstance(value, Loss):
            if is_registered(value):
                return {"loss": [value.name, value.delta]}
            return self._custom("loss", value.name, value.function if isinstance(value, FunctionLoss) else value)
        if isinstance(value, FunctionMetric):
            return self._custom("metric", _name(value.function), value.function, [value.name])
        for kind, (base, registry) in REGISTERED.items():
            if isinstance(value, base):
                return self._write_registered(kind, registry, value, where)
        if isinstance(value, type) and issubclass(value, Metric):
            name = _registered_name(METRICS, value)
            return {"metric class": name} if name else self._custom("metric", value.__name__, value)
        if callable(value):
            return self._custom("function", _name(value), value)
        raise InvalidTypeError(f"a file cannot hold {where}: {value!r} of type {type(value).__name__}")

    def _write_registered(self, kind: str, registry: Registry[Any], value: Any, where: str) -> Any:
        settings = {k: self.write(v, f"{where}.{k}") for k, v in settings_of(value).items()}
        shown = [value.name] if isinstance(value, Metric) and value.name != type(value).name else []
        name = _registered_name(registry, type(value))
        if name is not None:
            return {kind: [name, settings, *shown]}
        return self._custom(kind, type(value).__name__, type(value), [settings, *shown])

    def _custom(self, kind: str, name: str, what: Any, rest: list[Any] | None = None) -> Any:
        if self.custom.setdefault(name, what) is not what:
            raise InvalidValueError(f"a file names custom functions, and two different ones are called {name!r}")
        return {"custom": [kind, name, *(rest or [])]}


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _registered_name(registry: Registry[Any], cls: type[Any]) -> str | None:
    return next((name for name in registry if registry[name] is cls), None)


class Reader:
    """Turns JSON of ``Writer`` into values.

    Parameters
    ----------
    arrays : mapping of ndarray
        What the file holds; those that are referred to are noted in ``used``.
    custom : mapping
        Functions and classes by name.
    """

    def __init__(self, arrays: Mapping[str, Array], custom: Mapping[str, Any] | None = None) -> None:
        self._arrays = arrays
        self._custom = dict(custom or {})
        self.used: set[str] = set()
        self._readers: dict[str, Callable[[Any], Any]] = {
            "float": lambda text: {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[text],
            "tuple": lambda items: tuple(self._read(item) for item in _list(items)),
            "dict": self._read_dict,
            "scalar": self._read_scalar,
            "array": self._read_array,
            "regularizer": lambda factors: Regularizer(*factors),
            "activation": lambda entry: registered_activation(*entry),
            "loss": lambda entry: registered_loss(*entry),
            "metric class": lambda name: METRICS[name],
            "custom": lambda entry: self._read_custom(*entry),
            **{kind: self._registered_reader(registry) for kind, (_, registry) in REGISTERED.items()},
        }

    def read(self, tree: Any, what: str, kind: Any = object) -> Any:
        """Return the value of a JSON tree.

        Parameters
        ----------
        tree : object
        what : str
            What it is, for errors.
        kind : type or tuple of types
            What it must be.

        Raises
        ------
        FileFormatError
            If it means nothing, or something else.
        InvalidValueError
            If it needs custom functions that were not passed; the message names all of them.
        """
        self.check_custom(tree)
        try:
            value = self._read(tree)
        except RecursionError:
            raise FileFormatError(f"{what}: nested too deeply") from None
        except FileFormatError:
            raise
        except (FastnnError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            names = sorted({name for _, name in customs(tree)})
            if names:
                raise InvalidValueError(f"{what}, with custom_objects for {', '.join(names)}: {error}") from error
            raise FileFormatError(f"{what}: {error}") from error
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise FileFormatError(f"{what}: cannot be {value!r:.80}")
        return value

    def check_custom(self, tree: Any) -> None:
        """Raise an error that names all that is missing of what a tree needs."""
        missing = sorted({f"{name!r} ({kind})" for kind, name in customs(tree) if name not in self._custom})
        if missing:
            raise InvalidValueError(
                f"the model in the file needs custom_objects={{name: function}} with {', '.join(missing)}"
            )

    def _read(self, tree: Any) -> Any:
        if isinstance(tree, list):
            return [self._read(item) for item in tree]
        if not isinstance(tree, dict):
            return tree
        if len(tree) != 1:
            raise FileFormatError(f"an object with one key was expected, got {list(tree)!r:.80}")
        ((tag, entry),) = tree.items()
        if tag not in self._readers:
            raise FileFormatError(f"unknown kind of value: {tag!r:.40}")
        return self._readers[tag](entry)

    def _read_dict(self, items: Any) -> dict[Any, Any]:
        found = {self._read(key): self._read(value) for key, value in _list(items)}
        if len(found) != len(items):
            raise FileFormatError("a key stands twice in a dict")
        return found

    def _read_scalar(self, entry: Any) -> Any:
        dtype, value = entry
        if dtype not in _SCALARS:
            raise FileFormatError(f"unknown kind of number: {dtype!r:.40}")
        return np.dtype(dtype).type(self._read(value))

    def _read_array(self, name: Any) -> Array:
        if name in self.used:
            raise FileFormatError(f"array {name!r:.80} is referred to twice")
        self.used.add(name)
        return np.array(self._arrays[name])

    def _registered_reader(self, registry: Registry[Any]) -> Callable[[Any], Any]:
        def read(entry: Any) -> Any:
            name, settings, *shown = entry
            return self._made(registry[name], settings, shown)

        return read

    def _made(self, cls: Any, settings: Any, shown: list[Any]) -> Any:
        made = cls(**{name: self._read(value) for name, value in settings.items()})
        if shown:
            made.name = str(shown[0])
        return made

    def _read_custom(self, kind: str, name: str, *rest: Any) -> Any:
        what = self._custom[name]
        if kind == "activation":
            return resolve_activation(what)
        if kind == "loss":
            return resolve_loss(what)
        if isinstance(what, type) and rest:
            return self._made(what, rest[0], [*rest[1:]])
        if kind == "metric" and rest and not isinstance(what, type):
            return FunctionMetric(what, str(rest[0]))
        return what


def customs(tree: Any) -> list[tuple[str, str]]:
    """Return (kind, name) of all custom things that a JSON tree names."""
    found, left = [], [tree]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            entry = item.get("custom")
            if isinstance(entry, list) and len(entry) > 1 and all(isinstance(part, str) for part in entry[:2]):
                found.append((entry[0], entry[1]))
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
    return found


def _list(items: Any) -> list[Any]:
    if not isinstance(items, list):
        raise FileFormatError(f"a list was expected, got {items!r:.80}")
    return items
