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
        The first round has at least so many; by default so few that the last round holds fewer than ``factor`` trials.

    Examples
    --------
    >>> rungs(9, 18)
    [Rung(trials=9, epochs=2), Rung(trials=3, epochs=6), Rung(trials=1, epochs=18)]
    """
    positive_whole("trials", trials)
    positive_whole("epochs", epochs)
    if positive_whole("factor", factor) < 2:
        raise InvalidValueError(f"factor must be at least 2, got {factor}")
    least = 1 if min_epochs is None else positive_whole("min_epochs", min_epochs)
    if least > epochs:
        raise InvalidValueError(f"min_epochs must be at most epochs, {epochs}, got {min_epochs}")
    budgets, left = [epochs], trials
    while budgets[0] // factor >= least and left >= factor:
        budgets.insert(0, budgets[0] // factor)
        left //= factor
    found = []
    for budget in budgets:
        found.append(Rung(trials, budget))
        trials = max(1, trials // factor)
    return found
