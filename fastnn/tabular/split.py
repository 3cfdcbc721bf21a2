"""Rows to train on, to validate on and to test on: at random by a seed, each class by its share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastnn.backends.numpy_backend import random
from fastnn.errors import InvalidValueError
from fastnn.random import Purpose
from fastnn.tabular.table import Array

FEWEST = 10
"""Rows of the smallest table that is split."""


@dataclass(frozen=True)
class Split:
    """Row numbers; each of the three in random order."""

    train: Array
    validation: Array
    test: Array


def check_rows(rows: int) -> None:
    """Raise an error if there are too few rows to learn from."""
    if rows < FEWEST:
        raise InvalidValueError(f"training needs at least {FEWEST} rows, got {rows}")


def split_rows(rows: int, labels: Array | None, test: float, validation: float, seed: int) -> Split:
    """Return which rows do what.

    Parameters
    ----------
    rows : int
    labels : ndarray (rows,) or None
        Classes, each of which is divided by the same shares, as nearly as whole rows allow.
    test : float
        Share of the rows, in (0, 1).
    validation : float
        Share of what is left, in (0, 1).
    seed : int

    Raises
    ------
    InvalidValueError
        If a share is out of range, there are fewer than ten rows, or a part would be empty.
    """
    for name, share in (("test", test), ("validation", validation)):
        if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share < 1:
            raise InvalidValueError(f"the share of rows for {name} must be between 0 and 1, got {share!r}")
    check_rows(rows)
    order = random.permutation(seed, 0, rows, purpose=Purpose.SPLIT)
    rest, held_out = _divided(order, labels, test)
    train, validated = _divided(rest, labels, validation)
    for name, part in (("test", held_out), ("validation", validated), ("train", train)):
        if not len(part):
            raise InvalidValueError(f"{rows} rows leave none to {name} on with these shares")
    return Split(train, validated, held_out)


def _divided(order: Array, labels: Array | None, share: float) -> tuple[Array, Array]:
    """Return a share of the rows taken out evenly along the classes, first what is left."""
    along = order if labels is None else order[np.argsort(labels[order], kind="stable")]
    steps = np.floor(np.arange(len(order) + 1) * share)
    taken = np.zeros(int(order.max()) + 1, bool)
    taken[along[steps[1:] > steps[:-1]]] = True
    return order[~taken[order]], order[taken[order]]
