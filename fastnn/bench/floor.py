"""The floors under a row's time, from what the machine does in the same turns as the systems.

- Products: the row's multiplications and additions at the rate of ``np.dot`` on two 1024 x 1024 matrices in its dtype
  (sgemm, dgemm). BLAS fuses multiply and add and fastnn may not, so a share of 100 % is beating it at half the
  multiplier's peak on some CPUs.
- Bytes: a function over an array has to read and write it, as copying it does, in parts by as many threads; one row
  through a network has to read all weights, as their product with themselves does (sdot).

A row's floor is the highest of those that it has.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.bench.data import Problem
from fastnn.bench.runner import Runner, repeat
from fastnn.bench.workloads import Workload

SIZE = 1024
"""Side of the matrices."""

FLOPS = 2 * SIZE**3
"""Floating-point operations of one product."""

COPIES = 16
"""Copies a step, so that handing them to the threads is not what is measured."""

LEAST_BYTES = 32 * 1024
"""Fewer are read in so little time that the call is what is measured; a larger array stands for them."""


@dataclass(frozen=True)
class Floor:
    """Work that takes at least a certain part of a row's step.

    Attributes
    ----------
    name : {"products", "bytes"}
    runner : Runner
        Does the work.
    share : float
        (work of a row's step) / (work of a step of ``runner``).
    """

    name: str
    runner: Runner
    share: float


def floors(workload: Workload, problem: Problem, threads: int) -> list[Floor]:
    """Return the floors of a row."""
    found = []
    if workload.flops:
        found.append(Floor("products", matrix_product(workload.dtype), workload.flops / FLOPS))
    if workload.kind == "elementwise":
        found.append(Floor("bytes", copying(problem.X, threads), 1 / COPIES))
    if workload.kind == "predict" and workload.batch == 1:
        size = sum(a.size for arrays in problem.weights for a in arrays)
        read = aligned(max(size, LEAST_BYTES // np.dtype(workload.dtype).itemsize), workload.dtype)
        found.append(Floor("bytes", repeat(lambda: np.dot(read, read)), size / read.size))
    return found


def matrix_product(dtype: str) -> Runner:
    """Return a runner whose step is one product of two ``SIZE`` x ``SIZE`` matrices."""
    rng = np.random.default_rng(7)
    a = rng.random((SIZE, SIZE)).astype(dtype)
    b = rng.random((SIZE, SIZE)).astype(dtype)
    out = np.empty_like(a)
    return repeat(lambda: np.dot(a, b, out=out))


def aligned(size: int, dtype: str) -> Any:
    """Return an array of ones whose first byte begins a line of the cache: others are read half as fast."""
    memory = np.empty(size * np.dtype(dtype).itemsize + 64, np.uint8)
    start = -memory.ctypes.data % 64
    array = memory[start : start + size * np.dtype(dtype).itemsize].view(dtype)
    array[:] = 1.0
    return array


def copying(array: Any, threads: int) -> Runner:
    """Return a runner whose step is ``COPIES`` copies of an array into another one, each thread copying its part."""
    out = np.empty_like(array)
    parts = list(zip(np.array_split(array, threads), np.array_split(out, threads), strict=True))
    pool = ThreadPoolExecutor(threads)

    def copy(part: tuple[Any, Any]) -> None:
        for _ in range(COPIES):
            np.copyto(part[1], part[0])

    return repeat(lambda: list(pool.map(copy, parts)))
