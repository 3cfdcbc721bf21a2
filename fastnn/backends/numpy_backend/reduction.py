"""Sums over samples and over vectors, in the contract's order (rules 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.contract import SAMPLE_BLOCK, SAMPLE_GROUP, VECTOR_LANES, combine_pairwise

Array = np.ndarray[Any, Any]


def sum_samples(term: Callable[[int, int], Array], samples: int, shape: tuple[int, ...], dtype: Any,
                positions: int = 1) -> Array:  # fmt: skip
    """Return the sum of ``term(p, j)`` over positions and samples: in order within blocks, blocks combined pairwise.

    With several positions blocks are groups of ``SAMPLE_GROUP`` samples.

    Parameters
    ----------
    term : callable
        Numbers of a position and a sample to a term, an array of ``shape``.
    samples : int
    shape : tuple of int
    dtype : numpy dtype
    positions : int
        Within a block of samples they run outside, the samples inside.
    """
    sums = []
    block = SAMPLE_BLOCK if positions == 1 else SAMPLE_GROUP
    for first in range(0, samples, block):
        total = np.zeros(shape, dtype)
        for p in range(positions):
            for j in range(first, min(samples, first + block)):
                total += term(p, j)
        sums.append(total)
    return combine_pairwise(sums) if sums else np.zeros(shape, dtype)


@np.errstate(all="ignore")
def sum_row(x: Array) -> Any:
    """Return the sum over samples of one number per sample.

    Parameters
    ----------
    x : ndarray (N,)

    Returns
    -------
    scalar of the dtype of ``x``
    """
    blocks = [x[first : first + SAMPLE_BLOCK] for first in range(0, len(x), SAMPLE_BLOCK)]
    zero = x.dtype.type(0)
    sums = [np.add.accumulate(np.concatenate(([zero], block)))[-1] for block in blocks]
    return combine_pairwise(sums) if sums else zero


@np.errstate(all="ignore")
def sum_sample_groups(x: Array) -> Array:
    """Return the sum over samples, the last axis: in order from +0 within groups of 16, groups combined pairwise.

    Parameters
    ----------
    x : ndarray (..., N)
        Each sample's own sums.
    """
    sums = []
    for first in range(0, x.shape[-1], SAMPLE_GROUP):
        total = np.zeros(x.shape[:-1], x.dtype)
        for j in range(first, min(x.shape[-1], first + SAMPLE_GROUP)):
            total += x[..., j]
        sums.append(total)
    return combine_pairwise(sums) if sums else np.zeros(x.shape[:-1], x.dtype)


@np.errstate(all="ignore")
def sum_vector(x: Array) -> Any:
    """Return the sum of all elements: ``VECTOR_LANES`` partial sums, combined pairwise.

    Parameters
    ----------
    x : ndarray (n,)

    Returns
    -------
    scalar of the dtype of ``x``
    """
    partial = np.zeros(VECTOR_LANES, x.dtype)
    for first in range(0, len(x), VECTOR_LANES):
        part = x[first : first + VECTOR_LANES]
        partial[: len(part)] += part
    return combine_pairwise(list(partial))
