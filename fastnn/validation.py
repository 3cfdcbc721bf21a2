"""Turns what users pass into arrays the engine can read, or says what is wrong before any work is done.

Nothing is copied that need not be: float32, float64 and integer arrays of any strides go through as they are, and
checks for NaN look at a few rows at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.losses import Loss

Array = np.ndarray[Any, Any]

Finite = Callable[[Array], bool]

_CHECKED_AT_ONCE = 1 << 18
"""Elements looked at in one go when searching for NaN or infinity."""

LARGE = 1 << 18
"""Elements from which a backend is asked whether all are finite: NumPy takes 20 us for so many."""


def as_numbers(name: str, value: Any, dtype: np.dtype[Any]) -> Array:
    """Return ``value`` as an array of float32, float64 or integers; other numbers are converted to ``dtype``.

    Raises
    ------
    InvalidTypeError
        If it holds anything but real numbers.
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(f"{name} must be an array of numbers: {error}") from None
    if array.dtype == object or array.dtype.kind not in "buif":
        raise InvalidTypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    native = array.dtype.newbyteorder("=")
    if array.dtype.kind in "bf" and native not in (np.float32, np.float64):
        return array.astype(dtype)
    if array.dtype != native or not array.flags.aligned:
        return array.astype(native)
    return array


def check_finite(name: str, array: Array, finite: Finite | None = None) -> None:
    """Raise an error that names the first NaN or infinity of ``array``.

    ``finite`` says whether a large array is: what a backend does faster than NumPy.
    """
    if array.dtype.kind != "f" or array.size == 0:
        return
    if finite is not None and array.size >= LARGE and finite(array):
        return
    rows = max(1, _CHECKED_AT_ONCE // max(1, array[0].size))
    for first in range(0, len(array), rows):
        each = np.isfinite(array[first : first + rows])
        if not each.all():
            at = tuple(int(i) for i in np.argwhere(~each)[0])
            at = (at[0] + first, *at[1:])
            where = f"row {at[0]}" + (f", column {at[1]}" if len(at) > 1 else "")
            raise InvalidValueError(
                f"{name} holds {array[at]} at {where}; pass allow_nonfinite=True to compute with it all the same"
            )


def check_samples(name: str, x: Any, shape: tuple[int, ...] | None, dtype: np.dtype[Any], *, allow_empty: bool = False,
                  allow_nonfinite: bool = False,
                  finite: Finite | None = None) -> tuple[Array, tuple[int, ...]]:  # fmt: skip
    """Return ``x`` as an array of shape (N, features), and the shape of a sample.

    Parameters
    ----------
    name : str
        What the argument is called.
    x : array_like (N, ...)
    shape : tuple of int or None
        The shape of a sample wanted; None for any.
    dtype : numpy dtype
        The network's, for what has to be converted.
    allow_empty, allow_nonfinite : bool
    finite : callable, optional
        As of ``check_finite``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
    """
    array = as_numbers(name, x, dtype)
    rank = 1 if shape is None else len(shape)
    if array.ndim < 2 or (shape is not None and array.ndim != rank + 1):
        wanted = "(samples, features)" if rank == 1 else f"(samples, {', '.join(map(str, shape or ()))})"
        hint = "; a single sample is x[None, :], a single feature x[:, None]" if array.ndim == 1 else ""
        raise InvalidValueError(f"{name} must have shape {wanted}, got {array.shape}{hint}")
    if shape is not None and array.shape[1:] != shape:
        wanted = f"{shape[0]} features" if rank == 1 else f"samples of shape {shape}"
        raise InvalidValueError(f"{name} must have {wanted}, got shape {array.shape}")
    if 0 in array.shape[1:]:
        least = "one feature" if array.ndim == 2 else "one value along every axis of a sample"
        raise InvalidValueError(f"{name} must have at least {least}, got shape {array.shape}")
    if not allow_empty and len(array) == 0:
        raise InvalidValueError(f"{name} holds no samples: shape {array.shape}")
    found = array.shape[1:]
    if array.ndim > 2:
        array = array.reshape(len(array), math.prod(found))  # a view where samples lie in one piece
    if not allow_nonfinite:
        check_finite(name, array, finite)
    return array, found


def check_targets(name: str, y: Any, samples: int, shape: tuple[int, ...], loss: Loss, dtype: np.dtype[Any], *,
                  allow_nonfinite: bool = False, finite: Finite | None = None) -> Array:  # fmt: skip
    """Return targets the loss accepts: (N, outputs) numbers, or labels as int64, (N,) or (N, positions).

    Parameters
    ----------
    name : str
    y : array_like
    samples : int
    shape : tuple of int
        Of a prediction; its last axis are classes.
    loss : Loss
    dtype : numpy dtype
    allow_nonfinite : bool
    finite : callable, optional
        As of ``check_finite``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
    """
    array = as_numbers(name, y, dtype)
    if array.ndim == 0 or len(array) != samples:
        raise InvalidValueError(f"{name} must hold one row per sample: {samples} samples, got shape {array.shape}")
    outputs = math.prod(shape)
    if len(shape) > 1:
        wanted = (samples, *shape[:-1]) if loss.labels else (samples, *shape)
        if array.shape == (*wanted, 1) and (loss.labels or shape[-1] != 1):
            array = array.reshape(wanted)
        if not loss.labels and shape[-1] == 1 and array.shape == wanted[:-1]:
            array = array.reshape(wanted)
        if array.shape != wanted:
            raise InvalidValueError(f"{name} must have shape {wanted} for {loss.name}, got {array.shape}")
        array = array.reshape(samples, -1)
    if loss.labels:
        return _labels(name, array, shape, loss)
    if array.ndim == 1 and outputs == 1:
        array = array[:, None]
    if array.shape != (samples, outputs):
        hint = ""
        if (array.ndim == 1 or array.shape[1:] == (1,)) and loss.name.startswith("categorical"):
            hint = f"; for integer labels use the loss sparse_{loss.name}"
        raise InvalidValueError(f"{name} must have shape ({samples}, {outputs}), got {array.shape}{hint}")
    probabilities = "crossentropy" in loss.name or loss.name == "kl_divergence"
    if probabilities and array.size and array.min() >= 0 and array.max() <= 1:
        return array  # finite as well: comparisons with NaN, which min and max hand on, are false
    if not allow_nonfinite:
        check_finite(name, array, finite)
    if probabilities:
        with np.errstate(invalid="ignore"):
            outside = (array < 0) | (array > 1)
        if outside.any():
            i, j = (int(k) for k in np.argwhere(outside)[0])
            raise InvalidValueError(
                f"{name} must be probabilities in [0, 1] for {loss.name}, got {array[i, j]} at row {i}, column {j}"
            )
    return array


def _labels(name: str, array: Array, shape: tuple[int, ...], loss: Loss) -> Array:
    """Return integer labels in [0, classes) as contiguous int64: a vector, or a row of them for each sample."""
    classes = shape[-1]
    if len(shape) == 1:
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            hint = ""
            if array.ndim == 2 and array.shape[1] == classes:
                hint = f"; for one-hot rows use the loss {loss.name.removeprefix('sparse_')}"
            raise InvalidValueError(
                f"{name} must hold one integer label per sample for {loss.name}, got shape {array.shape}{hint}"
            )
    with np.errstate(invalid="ignore"):
        labels = array.astype(np.int64)
    wrong = np.argwhere((labels != array) | (labels < 0) | (labels >= classes))
    if wrong.size:
        at = tuple(int(i) for i in wrong[0])
        raise InvalidValueError(f"{name} must hold labels 0 to {classes - 1}, got {array[at]} at row {at[0]}")
    return np.ascontiguousarray(labels)


def check_weights(name: str, weight: Any, samples: int, dtype: np.dtype[Any]) -> Array | None:
    """Return sample weights of shape (N,) in the network's dtype, contiguous; None stays None.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If the shape is another, or a weight is negative or not finite.
    """
    if weight is None:
        return None
    array = as_numbers(name, weight, dtype)
    if array.shape != (samples,):
        raise InvalidValueError(f"{name} must have shape ({samples},), got {array.shape}")
    wrong = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
    if wrong.size:
        row = int(wrong[0])
        raise InvalidValueError(f"{name} must hold finite numbers of at least 0, got {array[row]} at row {row}")
    return np.ascontiguousarray(array, dtype)


def class_weights(class_weight: Mapping[int, float] | None, y: Array, shape: tuple[int, ...], weight: Array | None,
                  dtype: np.dtype[Any]) -> Array | None:  # fmt: skip
    """Return sample weights multiplied by each sample's class weight.

    Parameters
    ----------
    class_weight : mapping or None
        Class number to its weight; classes left out weigh 1.
    y : ndarray
        Checked targets: labels, one-hot rows, or one column of 0 and 1.
    shape : tuple of int
        Of a prediction.
    weight : ndarray or None
        Checked sample weights.
    dtype : numpy dtype
    """
    if class_weight is None:
        return weight
    if not isinstance(class_weight, Mapping):
        raise InvalidTypeError(f"class_weight must map class numbers to weights, got {class_weight!r}")
    if len(shape) > 1:
        raise InvalidValueError(
            f"class_weight takes one class a sample, got predictions of shape {shape}: pass sample_weight instead"
        )
    classes = max(shape[0], 2)
    table = np.ones(classes, dtype)
    for label, value in class_weight.items():
        if isinstance(label, bool) or not hasattr(label, "__index__") or not 0 <= label.__index__() < classes:
            raise InvalidValueError(f"class_weight must be keyed by classes 0 to {classes - 1}, got {label!r}")
        if not (np.isfinite(value) and value >= 0):
            raise InvalidValueError(f"class_weight[{label}] must be finite and at least 0, got {value!r}")
        table[label] = value
    if y.ndim == 1:
        labels = y
    elif y.shape[1] == 1:
        labels = (y[:, 0] > 0.5).astype(np.int64)
    else:
        labels = y.argmax(axis=1)
    chosen = table[labels]
    return chosen if weight is None else weight * chosen


def positive_whole(name: str, value: Any, *, zero: bool = False) -> int:
    """Return ``value`` as an int of at least 1 (or 0), or raise an error that names the argument."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise InvalidTypeError(f"{name} must be a whole number, got {value!r}")
    number = int(value.__index__())
    if number < (0 if zero else 1):
        raise InvalidValueError(f"{name} must be at least {0 if zero else 1}, got {value!r}")
    return number


def float_dtype(dtype: Any) -> np.dtype[Any]:
    """Return float32 or float64, however it was named.

    Raises
    ------
    InvalidValueError
    """
    try:
        # NumPy takes None for float64, and a dtype of float64 equals None
        found = np.dtype("O" if dtype is None else dtype)
    except TypeError:
        found = np.dtype("O")
    if found not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise InvalidValueError(f"dtype must be float32 or float64, got {dtype!r}")
    return found
