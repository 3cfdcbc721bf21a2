"""Reads the tutorial's dictionaries and column arrays, or says what is wrong before any work is done.

Shapes: W (units, features), b (units, 1) or (units,), X (features, N), Y and A (outputs, N). Arrays pass
through as they are, whatever their strides; what is computed in is decided by ``common_dtype``.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastnn.backends.protocol import Backend
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.validation import as_numbers

Array = np.ndarray[Any, Any]
Parameters = Mapping[str, Any]

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_LARGEST = {FLOAT32: float(np.finfo(np.float32).max), FLOAT64: float(np.finfo(np.float64).max)}


@functools.lru_cache(maxsize=64)
def layer_names(kinds: str, layers: int) -> tuple[str, ...]:
    """Return ("W1", "b1", "W2", ...) for kinds "Wb" and so on; kinds are separated by spaces if longer."""
    return tuple(f"{kind}{n}" for n in range(1, layers + 1) for kind in kinds.split())


def as_array(name: str, value: Any) -> Array:
    """Return ``value`` as an array of float32, float64 or integers; float16 becomes float32.

    Raises
    ------
    InvalidTypeError
        If it holds anything but real numbers.
    """
    if type(value) is np.ndarray and (value.dtype == FLOAT64 or value.dtype == FLOAT32) and value.flags.aligned:
        return value
    kind = getattr(value, "dtype", None)
    if kind == np.float16:
        return np.asarray(value, FLOAT32)
    if kind == np.bool_:
        return np.asarray(value, np.int8)
    return as_numbers(name, value, FLOAT64)


def readable_alike(a: Any, b: Any) -> bool:
    """Whether two arrays (M, N), N at least 1, can be read together as they are: of one float dtype and one shape."""
    return (
        type(a) is np.ndarray and type(b) is np.ndarray and (a.dtype is FLOAT64 or a.dtype is FLOAT32)
        and b.dtype is a.dtype and a.flags.num & b.flags.num & 0x101 == 0x101  # C-contiguous and aligned
        and len(a.shape) == 2 and a.shape == b.shape and a.size > 0
    )  # fmt: skip


def common_dtype(arrays: Sequence[Array]) -> np.dtype[Any]:
    """Return float32 where every array of floats is float32 and there is one, else float64.

    Integers and booleans follow the others.
    """
    kinds = {a.dtype for a in arrays if a.dtype.kind == "f"}
    return FLOAT32 if kinds == {FLOAT32} else FLOAT64


def read_dictionary(what: str, kinds: str, given: Parameters) -> list[Array]:
    """Return the arrays of a dictionary in the order of layers.

    Parameters
    ----------
    what : str
        What it is called: ``"parameters"``.
    kinds : str
        The kinds of a layer's keys, ``"W b"``.
    given : mapping

    Raises
    ------
    InvalidTypeError
        If it is no mapping.
    InvalidValueError
        If a key is missing or unknown.
    """
    if type(given) is not dict and not isinstance(given, Mapping):
        raise InvalidTypeError(f"{what} must be a dictionary, got {type(given).__name__}")
    each = 1 + kinds.count(" ")
    names = layer_names(kinds, len(given) // each)
    try:
        if names and len(given) == len(names):
            return [as_array(name, given[name]) for name in names]
    except KeyError:
        pass
    ends = [key[len(kind) :] for key in map(str, given) for kind in kinds.split() if key.startswith(kind)]
    numbers = [int(end) for end in ends if end.isdecimal()]
    wanted = layer_names(kinds, max([1, *(n for n in numbers if n <= len(given) + 1)]))
    missing = [name for name in wanted if name not in given]
    unknown = [str(key) for key in given if key not in wanted]
    problem = f"lacks {', '.join(missing)}" if missing else f"holds unknown {', '.join(unknown)}"
    raise InvalidValueError(f"{what} {problem}; wanted are the keys {', '.join(wanted)}")


def check_layers(arrays: Sequence[Array], prefix: str = "") -> tuple[int, ...]:
    """Return the widths of the network that W1, b1, ... describe.

    Raises
    ------
    InvalidValueError
        If a shape does not fit.
    """
    W = arrays[0]
    if W.ndim != 2:
        raise InvalidValueError(f"{prefix}W1 must have shape (units, features), got {W.shape}")
    widths = [W.shape[1]]
    for n in range(len(arrays) // 2):
        W, b = arrays[2 * n], arrays[2 * n + 1]
        if W.ndim != 2 or W.shape[1] != widths[-1]:
            raise InvalidValueError(f"{prefix}W{n + 1} must have shape (units, {widths[-1]}), got {W.shape}")
        units = W.shape[0]
        if b.shape != (units, 1) and b.shape != (units,):
            raise InvalidValueError(f"{prefix}b{n + 1} must have shape ({units}, 1), got {b.shape}")
        widths.append(units)
    if 0 in widths:
        raise InvalidValueError(f"every layer needs at least one unit and the data one feature, got widths {widths}")
    return tuple(widths)


def read_parameters(parameters: Parameters) -> tuple[list[Array], tuple[int, ...]]:
    """Return W1, b1, ..., each b as (units, 1), and the widths of the network.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If a key is missing or unknown, or a shape does not fit.
    """
    arrays = read_dictionary("parameters", "W b", parameters)
    widths = check_layers(arrays)
    return [a if a.ndim == 2 else a[:, None] for a in arrays], widths


def check_columns(name: str, value: Any, rows: int, samples: int | None = None, *, empty: bool = False) -> Array:
    """Return ``value`` as an array of shape (rows, N).

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If it holds no numbers, has another shape, or N is 0 and that is not accepted.
    """
    array = as_array(name, value)
    if array.ndim != 2 or array.shape[0] != rows or (samples is not None and array.shape[1] != samples):
        hint = ""
        if array.ndim == 1:
            hint = f"; one row of samples is {name}[None, :], one sample {name}[:, None]"
        elif array.ndim == 2 and array.shape[1] == rows and samples in (None, array.shape[0]):
            hint = f"; samples are columns: {name}.T has this shape"
        shape = f"({rows}, {'samples' if samples is None else samples})"
        raise InvalidValueError(f"{name} must have shape {shape}, got {array.shape}{hint}")
    if not empty and array.shape[1] == 0:
        raise InvalidValueError(f"{name} holds no samples: shape {array.shape}")
    return array


def check_finite(name: str, array: Array, backend: Backend) -> None:
    """Raise an error that names the first NaN or infinity."""
    if array.dtype.kind == "f":
        largest = _LARGEST[array.dtype]
        at = backend.first_outside(array, -largest, largest)
        if at >= 0:
            raise InvalidValueError(
                f"{name} holds {_element(array, at)}; pass allow_nonfinite=True to compute with it all the same"
            )


def check_probabilities(name: str, array: Array, backend: Backend, allow_nonfinite: bool) -> None:
    """Raise an error that names the first element that is not in [0, 1]."""
    x = array if array.dtype.kind == "f" else array.astype(FLOAT64)
    at = backend.first_outside(x, 0.0, 1.0)
    if at >= 0 and allow_nonfinite:
        at = backend.first_outside(np.where(np.isfinite(x), x, x.dtype.type(0)), 0.0, 1.0)
    if at >= 0:
        raise InvalidValueError(f"{name} must be in [0, 1], got {_element(array, at)}")


def _element(array: Array, position: int) -> str:
    row, column = divmod(position, array.shape[1])
    return f"{array[row, column]} at row {row}, column {column}"
