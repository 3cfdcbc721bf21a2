"""The scans of digits that the demos learn from: scikit-learn's 1,797 of 8 x 8 pixels, split by the generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.backends.numpy_backend import random
from fastnn.optional import load
from fastnn.random import Purpose

Array = np.ndarray[Any, Any]

SCANS = 1797
QUARTER = SCANS // 4
SPLIT = 4
"""Which random split into training and test; the demos say what others give."""


@dataclass(frozen=True)
class Digits:
    """Scans (N, ...) from 0 to 1 and their classes (N,), to train on and to test on."""

    x: Array
    y: Array
    test_x: Array
    test_y: Array


def digits(shape: tuple[int, ...] = (8, 8, 1), *, split: int = SPLIT, test: int = QUARTER) -> Digits:
    """Return the scans, split the same way every time.

    Parameters
    ----------
    shape : tuple of int
        Of a scan: ``(64,)`` pixels row by row, ``(8, 8)`` a sequence of rows, ``(8, 8, 1)`` an image.
    split : int
        Which random split into training and test.
    test : int
        How many scans are held out: a quarter.
    """
    x, y = load("sklearn.datasets", purpose="fastnn demo").load_digits(return_X_y=True)
    x = (x / 16.0).astype(np.float32).reshape(len(x), *shape)
    order = random.permutation(split, 0, len(x), purpose=Purpose.SPLIT)
    train, held_out = order[: len(x) - test], order[len(x) - test :]
    return Digits(x[train], y[train], x[held_out], y[held_out])


def moved(x: Array, y: Array) -> tuple[Array, Array]:
    """Return scans (N, 8, 8, ...) as they are and moved by a pixel up, down, left and right, and their classes.

    Where a scan moves away from an edge, empty pixels move in.
    """
    height, width = x.shape[1:3]
    framed = np.pad(x, [(0, 0), (1, 1), (1, 1), *[(0, 0)] * (x.ndim - 3)])
    corners = ((1, 1), (2, 1), (0, 1), (1, 2), (1, 0))
    copies = [framed[:, top : top + height, left : left + width] for top, left in corners]
    return np.concatenate(copies), np.tile(y, len(copies))
