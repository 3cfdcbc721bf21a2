"""Arrays of random numbers, by compiled loops: the formulas of ``fastnn.random`` on one counter at a time.

The array functions have the names, arguments and bits of ``numpy_backend/random.py``. Kernels that need
single numbers call ``uniform_f32``, ``uniform_f64``, ``normal_f64``, ``bernoulli`` or ``permuted`` with
uint64 arguments; those that need a run of them ``word_group``, which gets 64 words out of 16 blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.backends.numba_backend._jit import defined, entry, inner, types
from fastnn.backends.numba_backend._memory import view, wide_vectors
from fastnn.backends.numba_backend._ops import call_op, op
from fastnn.backends.numba_backend.orthogonal import orthonormal_columns
from fastnn.backends.numba_backend.single_source import cast, share, share_module
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
from fastnn.random.permutation import checked_slice, key_head, permute_cell
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


@defined(uniform_formulas.exact_float32)
def _exact_float32(typing: Any, integer: Any) -> Any:
    return cast((types.int32, types.float32), integer)  # one instruction; from uint64 ten on AVX2


@defined(uniform_formulas.exact_float64)
def _exact_float64(typing: Any, integer: Any) -> Any:
    return cast((types.int32, types.float64), integer)


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


_SEED, _PURPOSE, _STEP, _LAYER, _FIRST, _COUNT, _OUT, _WORDS = range(8)
"""Words of a job: what an op below is told. ``_WORDS`` is the address of room for ``4 * GROUP`` bytes."""


def make_fill_uniform_f32() -> Callable[..., None]:
    """Fill a vector with float32 uniform in [0, 1)."""

    def fill_uniform_f32(job_at, unused1, unused2, unused3, unused4):
        job, signed = view(np.uint64(0), job_at, 8), view(0, job_at, 8)
        first, n = signed[_FIRST], signed[_COUNT]
        words = view(np.uint32(0), signed[_WORDS], GROUP)
        done = 0
        while done < n:
            group, skip, count = _part(first, done, n, GROUP)
            word_group(job[_SEED], job[_PURPOSE], job[_STEP], job[_LAYER], group, words)
            w = view(np.uint32(0), signed[_WORDS] + 4 * skip, count)
            part = view(np.float32(0), signed[_OUT] + 4 * done, count)
            for t in range(count):
                part[t] = float32_from_word(np.uint64(w[t]))
            done += count

    return fill_uniform_f32


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


def make_fill_from_pairs(dtype: Any, number: Callable[..., Any]) -> Callable[..., None]:
    """Fill a vector with what ``number(high, low)`` makes of pairs of words: a float64, rounded to ``dtype``."""
    size = dtype().itemsize

    def fill_from_pairs(job_at, unused1, unused2, unused3, unused4):
        job, signed = view(np.uint64(0), job_at, 8), view(0, job_at, 8)
        first, n = signed[_FIRST], signed[_COUNT]
        low_at = signed[_WORDS] + 4 * PAIR_GROUP
        high, low = view(np.uint32(0), signed[_WORDS], PAIR_GROUP), view(np.uint32(0), low_at, PAIR_GROUP)
        done = 0
        while done < n:
            group, skip, count = _part(first, done, n, PAIR_GROUP)
            word_pair_group(job[_SEED], job[_PURPOSE], job[_STEP], job[_LAYER], group, high, low)
            h, l = view(np.uint32(0), signed[_WORDS] + 4 * skip, count), view(np.uint32(0), low_at + 4 * skip, count)
            part = view(dtype(0), signed[_OUT] + size * done, count)
            for t in range(count):
                part[t] = number(np.uint64(h[t]), np.uint64(l[t]))
            done += count

    return fill_from_pairs


def _fill(make: Callable[..., Any], sequence: tuple[Any, ...], first: int, out: NDArray[Any], *static: Any) -> None:
    """Let the op that ``make(*static)`` returns fill a contiguous vector."""
    words = np.empty(GROUP, np.uint32)
    job = np.array([*sequence, first, len(out), out.ctypes.data, words.ctypes.data], np.uint64)
    call_op(make, *static)(job.ctypes.data, 0, 0, 0, 0)


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


HEAD, KEY = 4, 12
"""Words of a permutation's key; behind them in a job stand the first element, how many, where to, and the sequence. In
Python the words behind the key's head would take 10 us, as long as a shuffle of 800 samples."""


def make_fill_permutation() -> Callable[..., None]:
    """Fill an int64 vector with a run of a permutation, whose key is completed first."""

    def fill_permutation(job_at, unused1, unused2, unused3, unused4):
        wide_vectors()
        key, more = view(np.uint64(0), job_at, KEY), view(0, job_at + 8 * KEY, 3)
        sequence = view(np.uint64(0), job_at + 8 * (KEY + 3), 4)
        for i in range(2):
            words = block(sequence[0], sequence[1], sequence[2], sequence[3], np.uint64(2) * key[0] + np.uint64(i))
            key[HEAD + 4 * i], key[HEAD + 4 * i + 1] = words[0], words[1]
            key[HEAD + 4 * i + 2], key[HEAD + 4 * i + 3] = words[2], words[3]
        permutation_into(key, more[0], view(0, more[2], more[1]))

    return fill_permutation


def ask_for_permutation() -> None:
    """Let what ``permutation`` calls be compiled with other ops; see ``_ops.together``."""
    op(make_fill_permutation)


def uniform(seed: int, purpose: int, step: int, layer: int, n: int, dtype: Any, first: int = 0) -> NDArray[Any]:
    """Return numbers uniform in [0, 1); see ``numpy_backend.random.uniform``."""
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out: NDArray[Any] = np.empty(count, checked_float_dtype(dtype))
    if out.dtype == np.float32:
        _fill(make_fill_uniform_f32, sequence, start, out)
    else:
        _fill(make_fill_from_pairs, sequence, start, out, np.float64, float64_from_words)
    return out


def normal(seed: int, purpose: int, step: int, layer: int, n: int, dtype: Any, first: int = 0) -> NDArray[Any]:
    """Return standard normal numbers; see ``numpy_backend.random.normal``."""
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out: NDArray[Any] = np.empty(count, checked_float_dtype(dtype))
    _fill(make_fill_from_pairs, sequence, start, out, out.dtype.type, normal_from_words)
    return out


def truncated_normal(
    seed: int, purpose: int, step: int, layer: int, n: int, dtype: Any, first: int = 0
) -> NDArray[Any]:
    """Return normal numbers within (-2, 2); see ``numpy_backend.random.truncated_normal``."""
    sequence = checked_sequence(seed, purpose, step, layer)
    count, start = checked_range(n, first)
    out: NDArray[Any] = np.empty(count, checked_float_dtype(dtype))
    _fill(make_fill_from_pairs, sequence, start, out, out.dtype.type, truncated_normal_from_words)
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
    sequence = checked_sequence(seed, purpose, step, layer)
    out = np.empty(length, np.int64)
    unknown = (0,) * (KEY - HEAD)
    job = np.array([*key_head(size), *unknown, start, length, out.ctypes.data, *sequence], np.uint64)
    call_op(make_fill_permutation)(job.ctypes.data, 0, 0, 0, 0)
    return out
