"""How the name of a random number, (seed, purpose, step, layer, element), becomes Philox's counter and key.

The key is the seed (64 bits). The counter is the block (64 bits), the step (32 bits), and one word that holds
the purpose (low 8 bits) and the layer (high 24 bits). A block is four words of 32 bits. Sixteen consecutive
blocks serve sixty-four consecutive elements that take one word each: word 0 of all sixteen, then word 1, ...
so that vector lanes run over blocks and elements alike. Elements of two words (float64) go in groups of
thirty-two.

One (seed, purpose, step, layer) is one sequence: draw from it once. A uniform and a normal sequence of the
same name come from the same bits.
"""

from __future__ import annotations

import operator
from enum import IntEnum
from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.formulas.primitives import where
from fastnn.random.philox import MASK32, SHIFT32, philox4x32

LANES = 16
"""Consecutive blocks that serve one group of elements: 64 of one word each, or 32 of two words."""

MAX_SEED = 2**64 - 1
MAX_STEP = 2**32 - 1
MAX_LAYER = 2**24 - 1
MAX_ELEMENT = 2**62 - 1

_LANE = np.uint64(15)
_WORD = np.uint64(4)
_PAIR = np.uint64(5)
_GROUP = np.uint64(6)
_0, _1, _2, _3 = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(3)
_LAYER = np.uint64(8)


class Purpose(IntEnum):
    """What random numbers are drawn for; the values are part of the sequences and never change."""

    WEIGHTS = 0
    SHUFFLE = 1
    DROPOUT = 2
    NOISE = 3
    SPLIT = 4
    DATA = 5


def block(seed: Any, purpose: Any, step: Any, layer: Any, index: Any) -> Any:
    """Return the four words of block ``index`` (all arguments uint64)."""
    return philox4x32(
        index & MASK32, index >> SHIFT32, step, purpose | (layer << _LAYER), seed & MASK32, seed >> SHIFT32
    )


def word(seed: Any, purpose: Any, step: Any, layer: Any, element: Any) -> Any:
    """Return the 32 random bits of an element that takes one word (all arguments uint64)."""
    index = ((element >> _GROUP) << _WORD) | (element & _LANE)
    w0, w1, w2, w3 = block(seed, purpose, step, layer, index)
    which = (element >> _WORD) & _3
    return where(which < _2, where(which == _0, w0, w1), where(which == _2, w2, w3))


def word_pair(seed: Any, purpose: Any, step: Any, layer: Any, element: Any) -> Any:
    """Return the two words of an element that takes two (all arguments uint64)."""
    index = ((element >> _PAIR) << _WORD) | (element & _LANE)
    w0, w1, w2, w3 = block(seed, purpose, step, layer, index)
    first = ((element >> _WORD) & _1) == _0
    return where(first, w0, w2), where(first, w1, w3)


def checked_integer(what: str, value: object, maximum: int) -> int:
    """Return ``value`` as an int in [0, maximum].

    Raises
    ------
    InvalidTypeError
        It is not an integer (a bool or a float is not).
    InvalidValueError
        It is negative or above ``maximum``.
    """
    if isinstance(value, (bool, np.bool_)):
        raise InvalidTypeError(f"{what} must be an integer, got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidTypeError(f"{what} must be an integer, got {value!r}") from None
    if not 0 <= number <= maximum:
        raise InvalidValueError(f"{what} must be between 0 and {maximum}, got {number}")
    return number


def checked_sequence(
    seed: object, purpose: object, step: object, layer: object
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Return the name of a sequence as four uint64, or raise as ``checked_integer`` does."""
    return (
        np.uint64(checked_integer("seed", seed, MAX_SEED)),
        np.uint64(checked_integer("purpose", purpose, 255)),
        np.uint64(checked_integer("step", step, MAX_STEP)),
        np.uint64(checked_integer("layer", layer, MAX_LAYER)),
    )


def checked_range(n: object, first: object) -> tuple[int, int]:
    """Return the number of elements and the first of them, or raise as ``checked_integer`` does."""
    count = checked_integer("n", n, MAX_ELEMENT)
    start = checked_integer("first", first, MAX_ELEMENT)
    if start + count > MAX_ELEMENT + 1:
        raise InvalidValueError(f"first + n must be at most {MAX_ELEMENT + 1}, got {start + count}")
    return count, start


def checked_float_dtype(dtype: object) -> np.dtype[Any]:
    """Return ``dtype`` as a NumPy dtype if it is float32 or float64, else raise InvalidValueError."""
    try:
        kind: np.dtype[Any] = np.dtype(dtype)  # type: ignore[call-overload]
    except TypeError:
        raise InvalidTypeError(f"dtype must be float32 or float64, got {dtype!r}") from None
    if kind not in (np.float32, np.float64):
        raise InvalidValueError(f"dtype must be float32 or float64, got {kind}")
    return kind.newbyteorder("=")
