"""Arrays of random numbers, by NumPy: the formulas of ``fastnn.random`` on arrays of counters.

Every function takes the name of a sequence (seed, purpose, step, layer) and a range of its elements, ``n`` of
them from ``first`` on; any split of the range gives the same numbers. Limits: seed below 2^64, step below
2^32, layer below 2^24, elements below 2^62.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.backends.numpy_backend.orthogonal import orthonormal_columns
from fastnn.random.bernoulli import bernoulli_threshold
from fastnn.random.counter import (
    LANES,
    Purpose,
    block,
    checked_float_dtype,
    checked_integer,
    checked_range,
    checked_sequence,
)
from fastnn.random.normal import normal_from_words, truncated_normal_from_words
from fastnn.random.permutation import checked_slice, permutation_key, permute_cell
from fastnn.random.uniform import float32_from_word, float64_from_words

__all__ = ["bernoulli_mask", "normal", "orthogonal", "permutation", "truncated_normal", "uniform"]

Sequence4 = tuple[np.uint64, np.uint64, np.uint64, np.uint64]

_CHUNK = 1024
"""Groups of 16 blocks computed at a time: the intermediate arrays (128 KiB each) stay in the cache."""


def _words(sequence: Sequence4, first: int, n: int, per_group: int) -> Iterator[tuple[slice, slice, Any]]:
    """Yield (where in the result, which elements of the chunk, the four words as [groups, 16] arrays)."""
    group = first // per_group
    while n > 0 and group * per_group < first + n:
        groups = min(_CHUNK, -(-(first + n) // per_group) - group)
        index = np.arange(group * LANES, (group + groups) * LANES, dtype=np.uint64).reshape(groups, LANES)
        start, stop = group * per_group, (group + groups) * per_group
        low, high = max(start, first), min(stop, first + n)
        yield slice(low - first, high - first), slice(low - start, high - start), block(*sequence, index)
        group += groups


def _fill_one_word(out: NDArray[Any], sequence: Sequence4, first: int, value: Callable[..., Any]) -> None:
    """Fill ``out`` with ``value(word)`` of consecutive elements that take one word."""
    for target, source, words in _words(sequence, first, len(out), 4 * LANES):
        out[target] = value(np.stack(words, axis=1)).reshape(-1)[source]


def _fill_two_words(out: NDArray[Any], sequence: Sequence4, first: int, value: Callable[..., Any]) -> None:
    """Fill ``out`` with ``value(word, word)`` of consecutive elements that take two words."""
    for target, source, (w0, w1, w2, w3) in _words(sequence, first, len(out), 2 * LANES):
        out[target] = value(np.stack((w0, w2), axis=1), np.stack((w1, w3), axis=1)).reshape(-1)[source]


def uniform(seed: int, purpose: int, step: int, layer: int, n: int, dtype: Any, first: int = 0) -> NDArray[Any]:
    """Return numbers uniform in [0, 1): multiples of 2^-24 in float32, of 2^-53 in float64.

    Parameters
    ----------
    seed, purpose, step, layer : int
        The sequence (see ``fastnn.random.counter`` for the limits).
    n : int
        How many elements.
    dtype : float32 or float64
    first : int
        The first element.

    Returns
    -------
    array, shape (n,)

    Raises
    ------
    InvalidTypeError
        An argument is not an integer.
    InvalidValueError
        An argument is negative or above its limit, or the dtype is another.
    """
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out: NDArray[Any] = np.empty(count, checked_float_dtype(dtype))
    if out.dtype == np.float32:
        _fill_one_word(out, sequence, start, float32_from_word)
    else:
        _fill_two_words(out, sequence, start, float64_from_words)
    return out


def normal(seed: int, purpose: int, step: int, layer: int, n: int, dtype: Any, first: int = 0) -> NDArray[Any]:
    """Return standard normal numbers, arguments as ``uniform``.

    Computed in float64 and rounded once to ``dtype``.
    """
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out: NDArray[Any] = np.empty(count, checked_float_dtype(dtype))
    _fill_two_words(out, sequence, start, normal_from_words)
    return out


def truncated_normal(
    seed: int, purpose: int, step: int, layer: int, n: int, dtype: Any, first: int = 0
) -> NDArray[Any]:
    """Return standard normal numbers conditioned on being within (-2, 2); arguments as ``uniform``.

    Their standard deviation is 0.8796. Computed in float64 and rounded once to ``dtype``.
    """
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out: NDArray[Any] = np.empty(count, checked_float_dtype(dtype))
    _fill_two_words(out, sequence, start, truncated_normal_from_words)
    return out


def orthogonal(seed: int, purpose: int, step: int, layer: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Return a random matrix whose shorter side is orthonormal, uniform over all such matrices.

    Parameters
    ----------
    seed, purpose, step, layer : int
        The sequence, as in ``uniform``.
    rows, columns : int
        With rows >= columns the columns are orthonormal, else the rows.

    Returns
    -------
    float64 array, shape (rows, columns)
    """
    height, width = checked_integer("rows", rows, 2**31), checked_integer("columns", columns, 2**31)
    long, short = max(height, width), min(height, width)
    x = normal(seed, purpose, step, layer, short * long, np.float64).reshape(short, long)
    q = orthonormal_columns(x)
    return np.ascontiguousarray(q if height >= width else q.T)


def bernoulli_mask(
    seed: int, purpose: int, step: int, layer: int, n: int, rate: float, first: int = 0
) -> NDArray[np.bool_]:
    """Return booleans that are True with probability ``rate`` (rounded down to a multiple of 2^-32).

    Arguments as ``uniform``; ``rate`` outside [0, 1] raises InvalidValueError.
    """
    threshold = bernoulli_threshold(rate)
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out = np.empty(count, np.bool_)
    _fill_one_word(out, sequence, start, lambda word: word < threshold)
    return out


def permutation(
    seed: int,
    step: int,
    n: int,
    first: int = 0,
    count: int | None = None,
    purpose: int = Purpose.SHUFFLE,
    layer: int = 0,
) -> NDArray[np.int64]:
    """Return elements ``first`` .. ``first + count - 1`` of a random permutation of 0 .. n-1.

    Parameters
    ----------
    seed, step, purpose, layer : int
        Which permutation; another step (epoch) gives an independent one.
    n : int
        Its length, at most 2^62; 0 gives an empty array.
    first, count : int
        The part wanted, inside 0 .. n; all of it by default. Each element is computed alone.

    Returns
    -------
    int64 array, shape (count,)

    Raises
    ------
    InvalidTypeError, InvalidValueError
        As ``uniform``; also where the part does not lie inside the permutation.
    """
    size, start, length = checked_slice(n, first, count)
    key = permutation_key(seed, step, size, purpose, layer)
    out = np.empty(length, np.int64)
    for at in range(0, length, _CHUNK * LANES):
        stop = min(length, at + _CHUNK * LANES)
        out[at:stop] = _permuted(key, np.arange(start + at, start + stop, dtype=np.uint64))
    return out


def _permuted(key: NDArray[np.uint64], index: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return where the permutation of ``permutation_key`` sends each index."""
    n, rows, b, passes, *words = key
    index = permute_cell(index, rows, b, *words[:4])
    if passes == 2:
        index = permute_cell(index, rows, b, *words[4:])
    outside = np.flatnonzero(index >= n)
    if outside.size:
        index[outside] = _permuted(key, index[outside])
    return index
