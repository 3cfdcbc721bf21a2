"""What a schedule of learning rates is: a function of the number of updates made, for one or for many at once.

A schedule is given to an optimizer in place of a number. Its rates are float64, made of IEEE-754 operations and
``fastnn.formulas`` alone, so they have the same bits on every machine; and they depend on the step's number only,
so a resumed training takes the same ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, overload

import numpy as np
import numpy.typing as npt

from fastnn import formulas
from fastnn.errors import InvalidTypeError, InvalidValueError, unknown_name
from fastnn.registry import Registry

Floats = npt.NDArray[np.float64]

SCHEDULES: Registry[type[LearningRateSchedule]] = Registry("schedule", "fastnn.schedules")

_BLOCK = 1 << 10
"""Rates computed at once when they are asked for one by one, as optimizers do."""


@dataclass(frozen=True)
class LearningRateSchedule(ABC):
    """Base class of the schedules; arguments are those of Keras where Keras has them, and cannot be changed.

    Examples
    --------
    >>> from fastnn.schedules import StepDecay
    >>> halved = StepDecay(0.1, step_size=100, gamma=0.5)
    >>> halved(250)
    0.025
    >>> halved([0, 100, 200]).tolist()
    [0.1, 0.05, 0.025]
    """

    name: ClassVar[str] = ""

    @abstractmethod
    def rates(self, steps: Floats) -> Floats:
        """Return the rate at each of many steps.

        Parameters
        ----------
        steps : ndarray (S,) of float64
            Whole numbers of updates made before: 0, 1, ...
        """

    @overload
    def __call__(self, step: int) -> float: ...

    @overload
    def __call__(self, step: npt.NDArray[Any] | list[int]) -> Floats: ...

    def __call__(self, step: Any) -> float | Floats:
        """Return the rate after ``step`` updates: a float for a number, an array for an array."""
        if isinstance(step, int):
            number = step // _BLOCK
            # one tuple, so that threads see a number with its own rates
            kept, rates = self.__dict__.get("_kept", (None, ()))
            if kept != number:
                rates = self._checked(np.arange(number * _BLOCK, (number + 1) * _BLOCK)).tolist()
                self.__dict__["_kept"] = (number, rates)
            return float(rates[step - number * _BLOCK])
        steps = np.asarray(step)
        found = self._checked(steps.reshape(-1)).reshape(steps.shape)
        return found if steps.ndim else float(found)

    def _checked(self, steps: npt.NDArray[Any]) -> Floats:
        if not np.issubdtype(steps.dtype, np.number) or (steps.size and not steps.min() >= 0):
            raise InvalidValueError(f"a schedule takes numbers of updates made, 0, 1, ..., got {steps!r}")
        with np.errstate(all="ignore"):  # formulas overflow on their way to right answers
            return self.rates(steps.astype(np.float64))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_kept"}

    def config(self) -> dict[str, Any]:
        """Return the name and every argument as JSON has them; ``from_config`` makes an equal schedule of it."""
        return {"name": self.name} | {f.name: _as_json(getattr(self, f.name)) for f in fields(self)}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> LearningRateSchedule:
        """Return the schedule that ``config`` describes.

        Raises
        ------
        InvalidValueError
            If the name is missing or unknown, or an argument is unknown, missing or out of range.
        """
        if not isinstance(config, Mapping):
            raise InvalidTypeError(f"a schedule's config is a mapping, got {config!r}")
        arguments = dict(config)
        if "name" not in arguments:
            raise InvalidValueError(f"a schedule's config needs a 'name', got {sorted(arguments)}")
        schedule = SCHEDULES[arguments.pop("name")]
        accepted = [f.name for f in fields(schedule)]
        for argument in arguments:
            if argument not in accepted:
                raise unknown_name(f"argument of {schedule.__name__}", argument, accepted)
        try:
            return schedule(**arguments)
        except TypeError as error:
            if isinstance(error, InvalidTypeError):
                raise
            raise InvalidValueError(f"{schedule.__name__}: {error}") from None

    def _set(self, **values: Any) -> None:
        """Write checked arguments over those given; for ``__post_init__`` alone."""
        for name, value in values.items():
            object.__setattr__(self, name, value)


def whole(name: str, value: object) -> int:
    """Return ``value`` as a positive whole number of steps, or raise an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidTypeError(f"{name} must be a whole number of steps, got {value!r}")
    if value < 1:
        raise InvalidValueError(f"{name} must be at least 1, got {value!r}")
    return int(value)


def power(base: float | Floats, exponent: float | Floats) -> Floats:
    """Return base**exponent elementwise in float64, by ``fastnn.formulas.pow``."""
    one, other = np.broadcast_arrays(np.asarray(base, np.float64), np.asarray(exponent, np.float64))
    return np.asarray(formulas.pow(np.ascontiguousarray(one), np.ascontiguousarray(other)), np.float64)


def half_cosine(done: Floats) -> Floats:
    """Return (1 + cos(pi done)) / 2: from 1 at ``done`` = 0 to 0 at 1."""
    return np.asarray((formulas.cos(np.asarray(done * PI)) + 1.0) * 0.5, np.float64)


PI = np.float64.fromhex("0x1.921fb54442d18p+1")


def _as_json(value: Any) -> Any:
    if isinstance(value, LearningRateSchedule):
        return value.config()
    return list(value) if isinstance(value, tuple) else value


def get(schedule: Any) -> LearningRateSchedule:
    """Return the schedule that ``schedule`` is or, as the mapping of ``config()``, describes.

    Raises
    ------
    InvalidTypeError
        If it is something else.
    """
    if isinstance(schedule, LearningRateSchedule):
        return schedule
    if isinstance(schedule, Mapping):
        return LearningRateSchedule.from_config(schedule)
    raise InvalidTypeError(f"a schedule is one of {', '.join(SCHEDULES)} or its config, got {schedule!r}")
