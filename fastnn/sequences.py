"""Sequences of several lengths as one array, padded with a value that ``layers.Masking`` knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError, unknown_name

Array = np.ndarray[Any, Any]


def pad_sequences(sequences: Sequence[Any], maxlen: int | None = None, dtype: Any = "float32", padding: str = "pre",
                  truncating: str = "pre", value: float = 0.0) -> Array:  # fmt: skip
    """Return sequences as one array (N, maxlen, ...), shorter ones padded, longer ones cut.

    Parameters
    ----------
    sequences : sequence of array_like (steps, ...)
        Alike in every axis but the first.
    maxlen : int, optional
        Steps of each; those of the longest by default.
    dtype : numpy dtype
        Keras' default is int32.
    padding, truncating : "pre" or "post"
        At which end.
    value : float
        What padding holds.

    Examples
    --------
    >>> pad_sequences([[1, 2, 3], [4]], padding="post").tolist()
    [[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]]
    """
    for name, end in (("padding", padding), ("truncating", truncating)):
        if end not in ("pre", "post"):
            raise unknown_name(name, end, ("pre", "post"))
    arrays = [np.asarray(sequence) for sequence in sequences]
    if not arrays or any(array.ndim == 0 for array in arrays):
        raise InvalidTypeError("pad_sequences takes at least one sequence, each an array (steps, ...)")
    if len({array.shape[1:] for array in arrays}) > 1:
        shapes = ", ".join(sorted({str(array.shape[1:]) for array in arrays}))
        raise InvalidValueError(f"pad_sequences takes sequences whose steps are alike in shape, got {shapes}")
    steps = max(len(array) for array in arrays) if maxlen is None else maxlen
    if steps < 1:
        raise InvalidValueError(f"maxlen must be at least 1, got {steps}")
    out = np.full((len(arrays), steps, *arrays[0].shape[1:]), value, dtype)
    for row, array in zip(out, arrays, strict=True):
        kept = array[-steps:] if truncating == "pre" else array[:steps]
        if padding == "pre":
            row[steps - len(kept) :] = kept
        else:
            row[: len(kept)] = kept
    return out


def mask_beyond(x: Any, lengths: Any, value: float = 0.0) -> Array:
    """Return a copy of sequences with ``value`` in the steps from each one's length on.

    Parameters
    ----------
    x : array_like (N, steps, ...)
    lengths : array_like (N,) of whole numbers
        At most ``steps``.
    value : float

    Raises
    ------
    InvalidTypeError, InvalidValueError
        Lengths are not whole numbers, not one for each sequence, negative, or beyond the data.

    Examples
    --------
    >>> mask_beyond([[[1.0], [2.0]], [[3.0], [4.0]]], [2, 1], -1.0)[:, :, 0].tolist()
    [[1.0, 2.0], [3.0, -1.0]]
    """
    out, counts = np.array(x), np.asarray(lengths)
    if counts.dtype.kind not in "iu":
        raise InvalidTypeError(f"lengths must be whole numbers, got dtype {counts.dtype}")
    if out.ndim < 2:
        raise InvalidValueError(f"sequences must have shape (samples, steps, ...), got {out.shape}")
    if counts.shape != (len(out),):
        raise InvalidValueError(f"lengths must have shape ({len(out)},), one for each sequence, got {counts.shape}")
    wrong = np.flatnonzero((counts < 0) | (counts > out.shape[1]))
    if len(wrong):
        raise InvalidValueError(
            f"lengths must be 0 to {out.shape[1]}, the steps of the data, got {counts[wrong[0]]} for sequence"
            f" {wrong[0]}"
        )
    out[np.arange(out.shape[1]) >= counts[:, None]] = value
    return out
