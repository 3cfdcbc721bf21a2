"""A random permutation of 0 .. n-1, each element computable alone: a small block cipher on the indices.

The index is written as (row, column) in a table of ``rows`` x ``columns`` cells, at least n of them. A round
adds to the row a hash of the column, modulo the number of rows, and the next adds to the column a hash of the
row: each is undone by subtracting, so their composition is a bijection of the table. Where a cell past the
last index comes out, it is put in again until an index below n does (cycle walking), which keeps a bijection
of the indices. The table has fewer than sqrt(n) spare cells, so this is rare.

Sources: Black and Rogaway, Ciphers with arbitrary finite domains, CT-RSA 2002 (generalized Feistel, cycle
walking); Mitchell, Stokes, Frank and Holmes, Bandwidth-optimal random shuffling for GPUs, ACM TOPC 2022 (the
use as a shuffle).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.formulas.primitives import where
from fastnn.random.counter import block, checked_integer, checked_sequence
from fastnn.random.philox import MASK32, SHIFT32, next_round_key

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_0, _1 = np.uint64(0), np.uint64(1)

MAX_SIZE = 2**62
"""Indices of the longest permutation: a row and a column fit 32 bits each."""

TWO_PASSES = 1024
"""Up to this many indices the cipher is applied twice: on a table of 6 to 8 cells the permutations of one
pass of twelve rounds are visibly unequal in frequency (chi-square over all 720 of n = 6), those of two passes
are not."""


def table_shape(n: int) -> tuple[int, int]:
    """Return (rows, b) of the table for ``n`` indices: ``rows`` x 2^b cells, 2^b at most sqrt(n) or 2.

    2^b is even for n > 1, and adding an odd number modulo an even one is an odd permutation of a row: odd and
    even permutations of the table both occur.
    """
    b = max(1, (n - 1).bit_length() // 2) if n > 1 else 0
    return max(1, -(-n // 2**b)), b


def permutation_key(seed: object, step: object, n: int, purpose: object, layer: object) -> Any:
    """Return what ``permute_cell`` needs, as 12 uint64: n, rows, b, number of passes, two blocks of words."""
    sequence = checked_sequence(seed, purpose, step, layer)
    words = [w for i in range(2) for w in block(*sequence, np.uint64(2 * n + i))]
    return np.array([*key_head(n), *words], dtype=np.uint64)


def key_head(n: int) -> tuple[int, int, int, int]:
    """Return what of the key depends on ``n`` alone: n, rows, b, number of passes."""
    return n, *table_shape(n), 2 if n <= TWO_PASSES else 1


def checked_slice(n: object, first: object, count: object) -> tuple[int, int, int]:
    """Return n, first and count as ints (count: the rest if None), or raise as ``checked_integer`` does."""
    size = checked_integer("n", n, MAX_SIZE)
    start = checked_integer("first", first, size)
    return size, start, size - start if count is None else checked_integer("count", count, size - start)


def _hash(x: Any, k0: Any, k1: Any) -> Any:
    """Return 32 bits that depend on all bits of ``x`` and of the two key words."""
    p = ((x ^ k0) & MASK32) * _MULTIPLIER_0
    p = (((p >> SHIFT32) ^ p) & MASK32 ^ k1) * _MULTIPLIER_1
    return ((p >> SHIFT32) ^ p) & MASK32


def _two_rounds(row: Any, column: Any, rows: Any, columns: Any, k0: Any, k1: Any, k2: Any, k3: Any) -> Any:
    """Return the cell after one round on the row and one on the column."""
    row = row + ((_hash(column, k0, k1) * (rows & MASK32)) >> SHIFT32)
    row = row - where(row >= rows, rows, _0)
    column = (column + ((_hash(row, k2, k3) * (columns & MASK32)) >> SHIFT32)) & (columns - _1)
    return row, column


def _four_rounds(row: Any, column: Any, rows: Any, columns: Any, k0: Any, k1: Any, k2: Any, k3: Any) -> Any:
    """Return the cell after four rounds, and the key of the rounds that follow."""
    row, column = _two_rounds(row, column, rows, columns, k0, k1, k2, k3)
    k0, k1 = next_round_key(k0, k1)
    k2, k3 = next_round_key(k2, k3)
    row, column = _two_rounds(row, column, rows, columns, k0, k1, k2, k3)
    k0, k1 = next_round_key(k0, k1)
    k2, k3 = next_round_key(k2, k3)
    return row, column, k0, k1, k2, k3


def permute_cell(index: Any, rows: Any, b: Any, k0: Any, k1: Any, k2: Any, k3: Any) -> Any:
    """Return where one pass of twelve rounds sends the table's cell ``index`` (all arguments uint64)."""
    columns = _1 << b
    row = index >> b
    column = index & (columns - _1)
    row, column, k0, k1, k2, k3 = _four_rounds(row, column, rows, columns, k0, k1, k2, k3)
    row, column, k0, k1, k2, k3 = _four_rounds(row, column, rows, columns, k0, k1, k2, k3)
    row, column, k0, k1, k2, k3 = _four_rounds(row, column, rows, columns, k0, k1, k2, k3)
    return (row << b) | column
