"""Arrays out of files that Keras writes: ``.weights.h5``, ``.h5``, ``.keras``, and ``.npz`` by layer and number."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.errors import InvalidValueError
from fastnn.optional import load

Array = np.ndarray[Any, Any]

PURPOSE = "reading Keras' HDF5 files"
NO_WEIGHTS = ("seed_generator",)
"""Groups whose arrays are states of random numbers."""
FIRST = ("vars", "cell", "layer", "forward_layer", "backward_layer")
"""Groups inside a layer's, in the order of ``get_weights``."""


def read_keras_file(path: str | os.PathLike[str]) -> dict[str, list[Array]]:
    """Return the arrays of each layer by its name, in the order of the file.

    Raises
    ------
    InvalidValueError
        If the file is none of those.
    MissingPackageError
        If it needs h5py and that is not installed.
    FileNotFoundError
    """
    name = Path(path)
    if not name.exists():
        raise FileNotFoundError(f"no file {os.fspath(path)!r}")
    try:
        if name.suffix == ".npz":
            return _read_npz(name)
        if name.suffix == ".keras":
            with zipfile.ZipFile(name) as whole:
                return _read_h5(io.BytesIO(whole.read("model.weights.h5")))
        if name.suffix in (".h5", ".hdf5"):
            return _read_h5(name)
    except InvalidValueError:
        raise
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, RuntimeError) as error:
        raise InvalidValueError(f"{os.fspath(path)!r} cannot be read as Keras weights: {error}") from error
    raise InvalidValueError(f"weights come from .weights.h5, .h5, .keras or .npz, got {os.fspath(path)!r}")


def _read_npz(path: Path) -> dict[str, list[Array]]:
    found: dict[str, dict[int, Array]] = {}
    if not zipfile.is_zipfile(path):
        raise zipfile.BadZipFile("it is no .npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        for key in arrays.files:
            layer, _, number = key.rpartition("/")
            if not layer or not number.isdecimal():
                raise InvalidValueError(f"arrays of an .npz are named layer/0, layer/1, ..., got {key!r}")
            found.setdefault(layer, {})[int(number)] = arrays[key]
    return {layer: [by_number[n] for n in sorted(by_number)] for layer, by_number in found.items()}


def _read_h5(file: Any) -> dict[str, list[Array]]:
    with load("h5py", purpose=PURPOSE).File(file, "r") as whole:
        root = whole.get("model_weights", whole)
        names = _texts(root, "layer_names")
        if names is not None:  # Keras 2, and what Keras 3 calls legacy
            weights = {name: _texts(root[name], "weight_names") or [] for name in names}
            return {name: [np.asarray(root[name][weight]) for weight in weights[name]] for name in names}
        for group in ("layers", "_layer_checkpoint_dependencies"):
            if group in root:
                return {name: list(_variables(root[group][name])) for name in root[group]}
    raise InvalidValueError("no layers in it: neither the names that Keras 2 writes nor the groups of Keras 3")


def _texts(group: Any, attribute: str) -> list[str] | None:
    """Return a list of texts that a group holds, whole or in numbered pieces; None without."""
    if attribute in group.attrs:
        pieces = [group.attrs[attribute]]
    else:
        pieces = []
        while f"{attribute}{len(pieces)}" in group.attrs:
            pieces.append(group.attrs[f"{attribute}{len(pieces)}"])
        if not pieces:
            return None
    return [text.decode() if isinstance(text, bytes) else str(text) for piece in pieces for text in piece]


def _variables(group: Any) -> Iterator[Array]:
    """Yield the arrays of a layer: its own by number, then those of the layers inside."""
    for name in sorted(group, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name)):
        if name == "vars":
            yield from (np.asarray(group[name][number]) for number in sorted(group[name], key=int))
        elif name not in NO_WEIGHTS and hasattr(group[name], "keys"):
            yield from _variables(group[name])
