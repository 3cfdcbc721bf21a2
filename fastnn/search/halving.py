"""Successive halving: many trials for a few epochs, the best share for more, until one budget is full.

Source: Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter optimization, AISTATS 2016.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastnn.errors import InvalidValueError
from fastnn.validation import positive_whole


@dataclass(frozen=True)
class Rung:
    """One round: so many trials, trained up to so many epochs."""

    trials: int
    epochs: int


def rungs(trials: int, epochs: int, factor: int = 3, min_epochs: int | None = None) -> list[Rung]:
    """Return the rounds of a search.

    Parameters
    ----------
    trials : int
        Of the first round; each later one keeps a ``factor``-th part, at least one.
    epochs : int
        Of the last round.
    factor : int
        By which epochs grow and trials shrink.
    min_epochs : int, optional
        Of the first round; by default so few that the last round holds one to ``factor`` trials.

    Examples
    --------
    >>> rungs(9, 18)
    [Rung(trials=9, epochs=2), Rung(trials=3, epochs=6), Rung(trials=1, epochs=18)]
    """
    positive_whole("trials", trials)
    positive_whole("epochs", epochs)
    if positive_whole("factor", factor) < 2:
        raise InvalidValueError(f"factor must be at least 2, got {factor}")
    if min_epochs is None:
        first = epochs
        left = trials
        while left >= factor and first // factor >= 1:
            left, first = left // factor, first // factor
    else:
        first = positive_whole("min_epochs", min_epochs)
        if first > epochs:
            raise InvalidValueError(f"min_epochs must be at most epochs, {epochs}, got {min_epochs}")
    found = [Rung(trials, first)]
    while found[-1].epochs < epochs:
        last = found[-1]
        found.append(Rung(max(1, last.trials // factor), min(epochs, last.epochs * factor)))
    return found
