"""Spaces of hyperparameters: by name, a list of values or a range; grids of points and random points in them."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.backends.numpy_backend import random
from fastnn.errors import InvalidTypeError, InvalidValueError
from fastnn.formulas import exp, log
from fastnn.random import Purpose
from fastnn.validation import positive_whole

Point = dict[str, Any]

_FIRST_LAYER = 1
"""Of the generator's layers, 0 serves the seeds of trials and those from here on the parameters, one each."""


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones if both are ints.

    Parameters
    ----------
    low, high : int or float
    log : bool
        Whether equal factors are equally likely, rather than equal steps; ``low`` must be above 0.
    steps : int, optional
        Points of it in a grid.

    Examples
    --------
    >>> Range(1e-4, 1e-1, log=True, steps=4).grid()
    [0.0001, 0.001, 0.01, 0.1]
    """

    low: float
    high: float
    log: bool = False
    steps: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high)):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InvalidTypeError(f"{name} of a Range must be a number, got {value!r}")
            if not math.isfinite(value):
                raise InvalidValueError(f"{name} of a Range must be finite, got {value!r}")
        if not self.low < self.high:
            raise InvalidValueError(f"low of a Range must be below high, got {self.low!r} and {self.high!r}")
        if self.log and self.low <= 0:
            raise InvalidValueError(f"low of a logarithmic Range must be above 0, got {self.low!r}")
        if self.steps is not None and positive_whole("steps of a Range", self.steps) < 2:
            raise InvalidValueError(f"steps of a Range must be at least 2, got {self.steps!r}")

    @property
    def whole(self) -> bool:
        """Whether the numbers are ints."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, share: float) -> float:
        """Return the number at a share in [0, 1) of the range."""
        if self.whole:
            if not self.log:
                return min(int(self.high), int(self.low) + int(share * (int(self.high) - int(self.low) + 1)))
            return min(int(self.high), max(int(self.low), math.floor(self._between(share, self.high + 1))))
        return min(float(self.high), max(float(self.low), self._between(share, self.high)))

    def _between(self, share: float, high: float) -> float:
        if not self.log:
            return float(self.low + share * (high - self.low))
        low_log, high_log = (float(log(np.float64(end))) for end in (self.low, high))
        return _rounded(float(exp(np.float64(low_log + share * (high_log - low_log)))))

    def grid(self) -> list[float]:
        """Return ``steps`` numbers from low to high at equal steps, or equal factors; whole ones without repetition."""
        if self.steps is None:
            raise InvalidValueError(f"a grid needs the number of points of {self!r}: Range(..., steps=5), or a list")
        shares = [i / (self.steps - 1) for i in range(1, self.steps - 1)]
        found = [float(self.low), *(self._between(share, self.high) for share in shares), float(self.high)]
        return list(dict.fromkeys(math.floor(v + 0.5) for v in found)) if self.whole else found


def _rounded(value: float) -> float:
    """Return a number of a logarithmic range with 6 digits: as people read it, and as files say it."""
    return float(f"{value:.6g}")


Space = Mapping[str, Sequence[Any] | Range]


def checked_space(space: Any) -> dict[str, list[Any] | Range]:
    """Return a space with its lists as lists of plain values, or raise an error that names the parameter."""
    if not isinstance(space, Mapping) or not space:
        raise InvalidTypeError(f"a space maps names to lists of values or Range(low, high), got {space!r}")
    found: dict[str, list[Any] | Range] = {}
    for name, values in space.items():
        if not isinstance(name, str):
            raise InvalidTypeError(f"names in a space are strings, got {name!r}")
        if isinstance(values, Range):
            found[name] = values
            continue
        if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray):
            raise InvalidTypeError(f"{name} in a space must be a list of values or a Range, got {values!r}")
        if len(values) == 0:
            raise InvalidValueError(f"{name} in a space lists no value")
        found[name] = [_plain(name, value) for value in values]
    return found


def _plain(name: str, value: Any) -> Any:
    """Return a value as JSON knows it, so that a file of results says exactly what was tried."""
    if isinstance(value, np.generic):
        value = value.item()
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        raise InvalidTypeError(
            f"values in a space are numbers, strings, booleans, None or lists of them, got {value!r} for {name}; "
            "let the builder turn a name into it"
        ) from None


def grid_points(space: dict[str, list[Any] | Range]) -> list[Point]:
    """Return every combination, the last parameter changing fastest."""
    columns = [values.grid() if isinstance(values, Range) else values for values in space.values()]
    return [dict(zip(space, point)) for point in itertools.product(*columns)]


def random_point(space: dict[str, list[Any] | Range], seed: int, trial: int) -> Point:
    """Return the point of a trial; it depends on the seed, the trial's number and each parameter's position alone."""
    point: Point = {}
    for position, (name, values) in enumerate(space.items()):
        drawn = random.uniform(seed, Purpose.DATA, trial, _FIRST_LAYER + position, 1, np.float64)
        share = float(drawn[0])
        point[name] = values.at(share) if isinstance(values, Range) else values[int(share * len(values))]
    return point


def trial_seed(seed: int, trial: int) -> int:
    """Return the seed of a trial's model: 53 bits, so that every JSON reader gets it right."""
    drawn = random.uniform(seed, Purpose.DATA, trial, 0, 1, np.float64)
    return int(drawn[0] * 2.0**53)


def suggest(trial: Any, space: Space) -> Point:
    """Return a point of a space as an Optuna trial suggests it.

    Parameters
    ----------
    trial : optuna.trial.Trial
    space : mapping
        As ``search`` takes it; lists inside lists become Optuna's categories by their text.
    """
    point: Point = {}
    for name, values in checked_space(space).items():
        if isinstance(values, Range):
            ask = trial.suggest_int if values.whole else trial.suggest_float
            point[name] = ask(name, values.low, values.high, log=values.log)
        elif any(isinstance(value, list) for value in values):
            texts = {json.dumps(value): value for value in values}
            point[name] = texts[trial.suggest_categorical(name, list(texts))]
        else:
            point[name] = trial.suggest_categorical(name, values)
    return point


__all__ = ["Point", "Range", "Space", "checked_space", "grid_points", "random_point", "suggest", "trial_seed"]
