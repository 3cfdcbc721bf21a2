"""Weights of a Keras model, by the names of its layers, into a model of the same layers here.

Keras need not be installed: arrays come from a mapping, or from a file that Keras wrote. In Keras ``{layer.name:
layer.get_weights() for layer in model.layers}`` gives the mapping.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.exchange.keras_files import read_keras_file
from fastnn.exchange.leaves import Leaf, leaves
from fastnn.layers import LAYERS
from fastnn.plan.plan import Parameter
from fastnn.validation import as_numbers

if TYPE_CHECKING:
    from fastnn.models import Sequential

Array = np.ndarray[Any, Any]
Shapes = Mapping[str, tuple[int, ...]]

KERAS_NAMES = {"prelu": "p_re_lu"}
"""Names of kinds where Keras' are others."""


def load_keras_weights(model: Sequential, source: Mapping[str, Sequence[Any]] | str | os.PathLike[str]) -> None:
    """Set the weights of a model to those of a Keras model of the same layers; all are checked before one is written.

    Parameters
    ----------
    model : Sequential
        Built, with the layers of the Keras model in the same order; layers without weights may differ.
    source : mapping or path
        Name of a Keras layer to its arrays, laid out as by Keras' ``get_weights``: kernels (inputs, units), the LSTM's
        gates i, f, c, o, the GRU's bias (2, 3 * units) of ``reset_after=True``. Or a file: ``.weights.h5``, ``.h5`` and
        ``.keras`` (these need h5py), or ``.npz`` of arrays named ``layer/0``, ``layer/1``, ...

    Raises
    ------
    InvalidValueError, InvalidTypeError
        If names, numbers of arrays or shapes do not fit; the message names the layer.
    NotBuiltError
        If the model has no weights yet: call ``build`` first.
    MissingPackageError
        If a file needs h5py and it is not installed.

    Notes
    -----
    If all names are Keras' own (``dense``, ``dense_7``, ``conv2d``), each kind is matched by itself, in the order of
    the numbers. Otherwise layers are matched in the order of the mapping, and a name that is Keras' own must be of the
    layer's kind.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import Sequential
    >>> from fastnn.layers import Dense
    >>> model = Sequential([Dense(2)], backend="numpy")
    >>> model.build(3)
    >>> load_keras_weights(model, {"dense_4": [np.ones((3, 2)), np.zeros(2)]})
    >>> model.predict(np.ones((1, 3)))
    array([[3., 3.]], dtype=float32)
    """
    wanted = [leaf for leaf in leaves(model) if leaf.parameters]
    if not isinstance(source, Mapping):
        source = read_keras_file(source)
    given = {name: list(arrays) for name, arrays in source.items() if len(arrays)}
    if not all(isinstance(name, str) for name in given):
        raise InvalidTypeError(f"layers are named by strings, got {sorted(map(repr, given))}")
    shapes = [array.shape for array in model.get_weights()]
    places = {p.name: shapes[number] for number, p in enumerate(p for leaf in wanted for p in leaf.parameters)}
    found: list[Any] = []
    for leaf, name in zip(wanted, _matched(wanted, list(given)), strict=True):
        found += _checked(leaf, name, given[name], places, model.dtype)
    model.set_weights(found)


def _matched(wanted: list[Leaf], names: list[str]) -> list[str]:
    """Return the name that belongs to each layer."""
    if len(names) != len(wanted):
        raise InvalidValueError(
            f"the model has {len(wanted)} layers with weights ({_listed(leaf.label for leaf in wanted)}), got "
            f"{len(names)}: {_listed(names)}"
        )
    kinds = {KERAS_NAMES.get(kind, kind) for kind in LAYERS}
    own = [_stem(name) if _stem(name) in kinds else None for name in names]
    mine = [KERAS_NAMES.get(leaf.layer.kind, leaf.layer.kind) for leaf in wanted]
    if None in own:
        for leaf, name, kind, theirs in zip(wanted, names, mine, own, strict=True):
            if theirs not in (None, kind):
                raise InvalidValueError(f"{leaf.label} meets {name!r}, a {theirs}; layers are matched in order")
        return names
    for kind in sorted({*mine, *map(str, own)}):
        if mine.count(kind) != own.count(kind):
            raise InvalidValueError(
                f"the model has {mine.count(kind)} layers of kind {kind!r}, got {own.count(kind)} among "
                f"{_listed(names)}"
            )
    by_kind = {kind: iter(sorted((n for n in names if _stem(n) == kind), key=_number)) for kind in mine}
    return [next(by_kind[kind]) for kind in mine]


def _stem(name: str) -> str:
    return re.sub(r"_\d+$", "", name)


def _number(name: str) -> int:
    found = re.search(r"_(\d+)$", name)
    return int(found[1]) if found else 0


def _listed(names: Any) -> str:
    return ", ".join(names) or "none"


def _checked(leaf: Leaf, name: str, arrays: list[Any], shapes: Shapes, dtype: Any) -> list[Array]:
    """Return a layer's arrays one for each of its parameters, or raise an error that names it."""
    where = f"{name!r} for {leaf.label}"
    numbers = [as_numbers(f"array {k} of {where}", array, dtype) for k, array in enumerate(arrays)]
    found = list(_halves(leaf.parameters, numbers, shapes))
    wanted = [shapes[p.name] for p in leaf.parameters]
    got = [array.shape for array in found]
    if got != wanted:
        hint = ""
        if leaf.layer.kind == "gru" and len(got) == len(wanted) - 1 and got[-1] == wanted[-1]:
            hint = "; a bias of one row is that of reset_after=False, which GRU here does not have"
        raise InvalidValueError(
            f"{where} must hold arrays of shapes {_listed(map(str, wanted))}, got "
            f"{_listed(str(array.shape) for array in numbers)}{hint}"
        )
    return found


def _halves(parameters: list[Parameter], arrays: list[Array], shapes: Shapes) -> Iterator[Array]:
    """Yield the arrays; both rows of a GRU's bias by themselves."""
    place = 0
    for array in arrays:
        pair = parameters[place : place + 2]
        if len(pair) == 2 and pair[1].name.startswith("bU") and array.shape == (2, *shapes[pair[0].name]):
            yield from array
            place += 2
        else:
            yield array
            place += 1
