"""Whether an array is finite: what is looked at before a training, at the pace of memory.

The counterpart of ``numpy_backend/finite.py``. An array is looked at where it lies, as *runs* of elements at equal
distances: threads take some runs at a time, and none does any more once one has found what is not finite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.backends.numba_backend import _launch, walker
from fastnn.backends.numba_backend._atomic import CACHE_LINE, atomic_add, atomic_load, atomic_store
from fastnn.backends.numba_backend._columns import float_dtype
from fastnn.backends.numba_backend._jit import inner
from fastnn.backends.numba_backend._memory import view, wide_vectors
from fastnn.backends.numba_backend._ops import call_op, op
from fastnn.backends.numba_backend._prefetch import fetch_line

Array = np.ndarray[Any, Any]

PARALLEL_FROM = 1 << 18
"""Elements from which a launch pays: some 15 us of one core."""

RUN_BYTES = 1 << 11
"""Length of a run of an array that lies in one piece; the next one is asked for ahead (188 MB on one core: 14.8 to 11.6
ms, and as long with runs of 4 KB)."""

TOGETHER = 1 << 16
"""Elements that a thread takes at a time."""

AT_ONCE = 1 << 26
"""Elements of one call, between which Ctrl-C takes effect: some 20 ms, more where they come from a disk."""

EXPONENTS_F32, LESS_F32, SIGNS_F32 = 0x7F8000007F800000, 0x7F7FFFFF7F7FFFFF, -0x7FFFFFFF80000000
EXPONENTS_F64, LESS_F64, SIGNS_F64 = 0x7FF0000000000000, 0x7FEFFFFFFFFFFFFF, -0x8000000000000000
"""In a word of two float32 or one float64: the bits of exponents, what is less by 1, and the bits of signs."""

_AT, _RUNS, _LENGTH, _BETWEEN, _STRIDE, _AT_A_TIME, _NEXT, _FOUND = 0, 1, 2, 3, 4, 5, 8, 16
JOB = 24
"""Words of a job. Those that threads write lie on cache lines of their own: the next run, and whether all is done."""


@inner
def has_nonfinite(zero, size, at, n, stride):
    """Return whether one of ``n`` elements of ``size`` bytes, ``stride`` bytes apart, is NaN or infinite.

    The bits of the exponent are all 1 in these, and in no others: taken from a number that is less by 1, they leave
    something negative. Side by side, elements of any size are looked at as words of 8 bytes.
    """
    rest, wrong = n, 0
    if stride == size:
        words = n * size // 8
        rest = n - words * 8 // size
        exponent = EXPONENTS_F32 if size == 4 else EXPONENTS_F64
        less = LESS_F32 if size == 4 else LESS_F64
        values = view(0, at, words)
        for i in range(words):
            wrong |= less - (values[i] & exponent)
        wrong &= SIGNS_F32 if size == 4 else SIGNS_F64
    for i in range(n - rest, n):
        value = view(zero, at + i * stride, 1)[0]
        if value - value != 0:  # a difference of NaN or infinities is NaN
            wrong = 1
    return wrong != 0


def make_find_nonfinite(dtype: Any) -> Callable[..., None]:
    """Look at runs of a job's array that nobody has taken; the first argument is the job's address."""

    size = dtype().itemsize

    def find_nonfinite(job_at, worker, workers, unused1, unused2):
        wide_vectors()
        zero, job = dtype(0), view(0, job_at, JOB)
        runs, together = job[_RUNS], job[_AT_A_TIME]
        while atomic_load(job_at + 8 * _FOUND) == 0:
            first = atomic_add(job_at + 8 * _NEXT, together)
            if first >= runs:
                return
            for run in range(first, min(first + together, runs)):
                if job[_STRIDE] == size:
                    ahead = job[_AT] + (run + 1) * job[_BETWEEN]
                    for byte in range(0, job[_LENGTH] * size, CACHE_LINE):
                        fetch_line(ahead + byte, 0)
                if has_nonfinite(zero, size, job[_AT] + run * job[_BETWEEN], job[_LENGTH], job[_STRIDE]):
                    atomic_store(job_at + 8 * _FOUND, 1)
                    return

    return find_nonfinite


def _is_finite(x: Array, runs: int, length: int, between: int, stride: int) -> bool:
    """Return whether ``runs`` runs of ``length`` elements are; bytes between runs, and between elements."""
    if length == 0:
        return True
    together, per_call, at = max(1, TOGETHER // length), max(1, AT_ONCE // length), x.ctypes.data
    workers = _launch.workers() if runs * length >= PARALLEL_FROM else 1
    for first in range(0, runs, per_call):
        job = np.zeros(JOB + 8, np.int64)
        job = job[-job.ctypes.data % 64 // 8 :]
        job[: _AT_A_TIME + 1] = at + first * between, min(per_call, runs - first), length, between, stride, together
        if workers > 1:
            with _launch.LAUNCH:
                walker.launch(op(make_find_nonfinite, x.dtype.type), job.ctypes.data, workers)
        else:
            call_op(make_find_nonfinite, x.dtype.type)(job.ctypes.data, 0, 1, 0, 0)
        if job[_FOUND]:
            return False
    return True


def all_finite(x: Array) -> bool:
    """Return whether no element is NaN or infinite; see ``protocol.Backend``."""
    if x.dtype.kind != "f" or x.size == 0:
        return True
    size = float_dtype(x).itemsize
    if x.flags.f_contiguous:
        x = x.T
    if x.flags.c_contiguous:
        flat, length = x.reshape(-1), RUN_BYTES // size
        whole = x.size // length
        return _is_finite(flat, whole, length, RUN_BYTES, size) and _is_finite(
            flat[whole * length :], 1, x.size - whole * length, 0, size
        )
    if x.ndim == 1:
        return _is_finite(x, 1, x.size, 0, x.strides[0])
    if x.ndim > 2:
        return all(all_finite(part) for part in x)
    if x.strides[0] == size:
        x = x.T
    return _is_finite(x, *x.shape, *x.strides)
