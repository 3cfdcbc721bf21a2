"""Arrays of random numbers, by compiled loops: the formulas of ``fastnn.random`` on one counter at a time.

The array functions have the names, arguments and bits of ``numpy_backend/random.py``. Kernels that need
single numbers call ``uniform_f32``, ``uniform_f64``, ``normal_f64``, ``bernoulli`` or ``permuted`` with
uint64 arguments; those that need a run of them ``word_group``, which gets 64 words out of 16 blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from fastnn.backends.numba_backend._jit import entry, inner
from fastnn.backends.numba_backend.orthogonal import orthonormal_columns
from fastnn.backends.numba_backend.single_source import JIT_OPTIONS, share, share_module
from fastnn.random import counter, philox
from fastnn.random import normal as normal_formulas
from fastnn.random import permutation as permutation_formulas
from fastnn.random import uniform as uniform_formulas
from fastnn.random.bernoulli import bernoulli, bernoulli_threshold
from fastnn.random.counter import (
    LANES,
    Purpose,
    block,
    checked_float_dtype,
    checked_integer,
    checked_range,
    checked_sequence,
    word,
)
from fastnn.random.normal import normal_f64, normal_from_words, truncated_normal_from_words
from fastnn.random.permutation import checked_slice, permutation_key, permute_cell
from fastnn.random.uniform import float32_from_word, float64_from_words, uniform_f32, uniform_f64

__all__ = [
    "bernoulli",
    "bernoulli_mask",
    "normal",
    "normal_f64",
    "orthogonal",
    "permutation",
    "permutation_into",
    "permuted",
    "truncated_normal",
    "uniform",
    "uniform_f32",
    "uniform_f64",
    "word",
    "word_group",
    "word_pair_group",
]

GROUP = 4 * LANES
"""Elements of one word that a group of blocks serves."""

PAIR_GROUP = 2 * LANES
"""Elements of two words that a group of blocks serves."""


def _twin(function: Callable[..., Any]) -> Callable[[Any], Any]:
    return overload(function, jit_options=JIT_OPTIONS, strict=False)  # type: ignore[no-any-return]


@_twin(uniform_formulas.exact_float32)
def _exact_float32(integer: Any) -> Any:
    return lambda integer: np.float32(np.int32(integer))  # one instruction; from uint64 ten on AVX2


@_twin(uniform_formulas.exact_float64)
def _exact_float64(integer: Any) -> Any:
    return lambda integer: np.float64(np.int32(integer))


share(bernoulli)
for _words in (counter.block, counter.word, counter.word_pair):
    share(_words)
for _floats in (float32_from_word, float64_from_words, uniform_f32, uniform_f64):
    share(_floats)  # exact_float32 and exact_float64 have the twins above
for _module in (philox, normal_formulas, permutation_formulas):
    share_module(_module)


@inner
def word_group(seed: Any, purpose: Any, step: Any, layer: Any, group: Any, out: Any) -> None:
    """Fill a uint32 array of GROUP with the words of elements GROUP * group and on (arguments uint64)."""
    for t in range(LANES):
        index = (np.uint64(group) << np.uint64(4)) | np.uint64(t)
        w0, w1, w2, w3 = block(seed, purpose, step, layer, index)
        out[t] = np.uint32(w0)
        out[t + LANES] = np.uint32(w1)
        out[t + 2 * LANES] = np.uint32(w2)
        out[t + 3 * LANES] = np.uint32(w3)


@inner
def word_pair_group(seed: Any, purpose: Any, step: Any, layer: Any, group: Any, high: Any, low: Any) -> None:
    """Fill two uint32 arrays of PAIR_GROUP with the word pairs of elements PAIR_GROUP * group and on."""
    for t in range(LANES):
        index = (np.uint64(group) << np.uint64(4)) | np.uint64(t)
        w0, w1, w2, w3 = block(seed, purpose, step, layer, index)
        high[t] = np.uint32(w0)
        low[t] = np.uint32(w1)
        high[t + LANES] = np.uint32(w2)
        low[t + LANES] = np.uint32(w3)


@inner
def _part(first: Any, done: Any, n: Any, size: Any) -> Any:
    """Return the group of element first + done, where in the group it is, and how many to take from there."""
    element = first + done
    skip = element % size
    return np.uint64(element // size), skip, min(size - skip, n - done)


@entry
def _fill_uniform_f32(seed: Any, purpose: Any, step: Any, layer: Any, first: Any, out: Any) -> None:
    words = np.empty(GROUP, np.uint32)
    done = 0
    while done < out.shape[0]:
        group, skip, count = _part(first, done, out.shape[0], GROUP)
        word_group(seed, purpose, step, layer, group, words)
        w = words[skip : skip + count]
        part = out[done : done + count]
        for t in range(count):
            part[t] = float32_from_word(np.uint64(w[t]))
        done += count


@entry
def _fill_bernoulli(seed: Any, purpose: Any, step: Any, layer: Any, first: Any, threshold: Any, out: Any) -> None:
    words = np.empty(GROUP, np.uint32)
    done = 0
    while done < out.shape[0]:
        group, skip, count = _part(first, done, out.shape[0], GROUP)
        word_group(seed, purpose, step, layer, group, words)
        w = words[skip : skip + count]
        part = out[done : done + count]
        for t in range(count):
            part[t] = np.uint64(w[t]) < threshold
        done += count


@entry
def _fill_uniform_f64(seed: Any, purpose: Any, step: Any, layer: Any, first: Any, out: Any) -> None:
    high = np.empty(PAIR_GROUP, np.uint32)
    low = np.empty(PAIR_GROUP, np.uint32)
    done = 0
    while done < out.shape[0]:
        group, skip, count = _part(first, done, out.shape[0], PAIR_GROUP)
        word_pair_group(seed, purpose, step, layer, group, high, low)
        h = high[skip : skip + count]
        l = low[skip : skip + count]
        part = out[done : done + count]
        for t in range(count):
            part[t] = float64_from_words(np.uint64(h[t]), np.uint64(l[t]))
        done += count


@entry
def _fill_normal(seed: Any, purpose: Any, step: Any, layer: Any, first: Any, truncated: Any, out: Any) -> None:
    high = np.empty(PAIR_GROUP, np.uint32)
    low = np.empty(PAIR_GROUP, np.uint32)
    done = 0
    while done < out.shape[0]:
        group, skip, count = _part(first, done, out.shape[0], PAIR_GROUP)
        word_pair_group(seed, purpose, step, layer, group, high, low)
        h = high[skip : skip + count]
        l = low[skip : skip + count]
        part = out[done : done + count]
        if truncated:
            for t in range(count):
                part[t] = truncated_normal_from_words(np.uint64(h[t]), np.uint64(l[t]))
        else:
            for t in range(count):
                part[t] = normal_from_words(np.uint64(h[t]), np.uint64(l[t]))
        done += count


@inner
def permuted(key: Any, index: Any) -> Any:
    """Return where the permutation of ``permutation_key`` sends one uint64 index."""
    while True:
        index = permute_cell(index, key[1], key[2], key[4], key[5], key[6], key[7])
        if key[3] == np.uint64(2):
            index = permute_cell(index, key[1], key[2], key[8], key[9], key[10], key[11])
        if index < key[0]:
            return index


@inner
def permutation_into(key: Any, first: Any, out: Any) -> None:
    """Fill an int64 array with elements first, first + 1, ... of the permutation of ``permutation_key``."""
    n, rows, b = key[0], key[1], key[2]
    k0, k1, k2, k3 = key[4], key[5], key[6], key[7]
    for t in range(out.shape[0]):
        out[t] = np.int64(permute_cell(np.uint64(first + t), rows, b, k0, k1, k2, k3))
    if key[3] == np.uint64(2):
        k0, k1, k2, k3 = key[8], key[9], key[10], key[11]
        for t in range(out.shape[0]):
            out[t] = np.int64(permute_cell(np.uint64(out[t]), rows, b, k0, k1, k2, k3))
    for t in range(out.shape[0]):
        if np.uint64(out[t]) >= n:
            out[t] = np.int64(permuted(key, np.uint64(out[t])))


@entry
def _fill_permutation(key: Any, first: Any, out: Any) -> None:
    permutation_into(key, first, out)


def uniform(seed: int, purpose: int, step: int, layer: int, n: int, dtype: Any, first: int = 0) -> NDArray[Any]:
    """Return numbers uniform in [0, 1); see ``numpy_backend.random.uniform``."""
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out: NDArray[Any] = np.empty(count, checked_float_dtype(dtype))
    fill = _fill_uniform_f32 if out.dtype == np.float32 else _fill_uniform_f64
    fill(*sequence, start, out)
    return out


def normal(seed: int, purpose: int, step: int, layer: int, n: int, dtype: Any, first: int = 0) -> NDArray[Any]:
    """Return standard normal numbers; see ``numpy_backend.random.normal``."""
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out: NDArray[Any] = np.empty(count, checked_float_dtype(dtype))
    _fill_normal(*sequence, start, False, out)
    return out


def truncated_normal(
    seed: int, purpose: int, step: int, layer: int, n: int, dtype: Any, first: int = 0
) -> NDArray[Any]:
    """Return normal numbers within (-2, 2); see ``numpy_backend.random.truncated_normal``."""
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out: NDArray[Any] = np.empty(count, checked_float_dtype(dtype))
    _fill_normal(*sequence, start, True, out)
    return out


def orthogonal(seed: int, purpose: int, step: int, layer: int, rows: int, columns: int) -> NDArray[np.float64]:
    """Return a random matrix whose shorter side is orthonormal; see ``numpy_backend.random.orthogonal``."""
    height, width = checked_integer("rows", rows, 2**31), checked_integer("columns", columns, 2**31)
    long, short = max(height, width), min(height, width)
    x = normal(seed, purpose, step, layer, short * long, np.float64).reshape(short, long)
    q = orthonormal_columns(x)
    return np.ascontiguousarray(q if height >= width else q.T)


def bernoulli_mask(
    seed: int, purpose: int, step: int, layer: int, n: int, rate: float, first: int = 0
) -> NDArray[np.bool_]:
    """Return booleans, True with probability ``rate``; see ``numpy_backend.random.bernoulli_mask``."""
    threshold = bernoulli_threshold(rate)
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out = np.empty(count, np.bool_)
    _fill_bernoulli(*sequence, start, threshold, out)
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
    """Return a part of a random permutation of 0 .. n-1; see ``numpy_backend.random.permutation``."""
    size, start, length = checked_slice(n, first, count)
    key = permutation_key(seed, step, size, purpose, layer)
    out = np.empty(length, np.int64)
    _fill_permutation(key, start, out)
    return out
