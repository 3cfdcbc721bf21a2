"""What an optimizer is: a straight-line update rule, and the numbers it needs at each step.

The rule is a formula (see ``fastnn.formulas.primitives``) of a weight, its gradient, a few state slots and
a few scalars, all in the network's dtype; NumPy evaluates it on flat vectors, the Numba backend compiles it
on scalars. The scalars (rates, bias corrections) are computed in float64, for many steps at once, and then
rounded to the network's dtype.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, fields
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastnn.errors import InvalidTypeError, InvalidValueError, unknown_name
from fastnn.registry import Registry

Schedule = Callable[[int], float]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class UpdateRule:
    """The arithmetic of one step for one weight.

    Attributes
    ----------
    name : str
        The name of the rule.
    slots : tuple of float
        Initial value of each state slot (one vector as long as the weights per slot).
    update : callable
        ``update(w, g, slots, scalars) -> (w, slots)``, a formula; ``slots`` and ``scalars`` are tuples in the
        dtype of ``w``.
    scalar_names : tuple of str
        What each entry of ``scalars`` is, in order.
    """

    name: str
    slots: tuple[float, ...]
    update: Callable[..., Any]
    scalar_names: tuple[str, ...]


UPDATE_RULES: Registry[UpdateRule] = Registry("update rule", "fastnn.optimizers")
OPTIMIZERS: Registry[type[Optimizer]] = Registry("optimizer", "fastnn.optimizers")


def number(name: str, value: object) -> float:
    """Return ``value`` as a finite float, or raise an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise InvalidTypeError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise InvalidValueError(f"{name} must be finite, got {value!r}")
    return float(value)


def non_negative(name: str, value: object) -> float:
    """Return ``value`` as a finite float that is at least 0."""
    result = number(name, value)
    if result < 0:
        raise InvalidValueError(f"{name} must be at least 0, got {value!r}")
    return result


def positive(name: str, value: object) -> float:
    """Return ``value`` as a finite float above 0."""
    result = number(name, value)
    if result <= 0:
        raise InvalidValueError(f"{name} must be above 0, got {value!r}")
    return result


def fraction(name: str, value: object) -> float:
    """Return ``value`` as a float in [0, 1)."""
    result = number(name, value)
    if not 0 <= result < 1:
        raise InvalidValueError(f"{name} must be in [0, 1), got {value!r}")
    return result


@dataclass
class Optimizer(ABC):
    """Base class of the optimizers.

    Parameters
    ----------
    learning_rate : float or callable
        The rate, at least 0, or a schedule: a function of the number of updates made before (0, 1, ...).
    weight_decay : float, optional
        Decoupled decay: before the step, each weight is multiplied by ``1 - learning_rate * weight_decay``.
    clipvalue : float, optional
        Gradients are kept within ``-clipvalue`` and ``clipvalue``, element by element.
    clipnorm : float, optional
        The gradient of each parameter (``W1``, ``b1``, ...) is scaled down to at most this Euclidean norm.
    global_clipnorm : float, optional
        The gradient of all parameters together is scaled down to at most this norm. At most one of the three
        kinds of clipping can be given.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        If a number is out of range or no number.
    """

    name: ClassVar[str]

    learning_rate: float | Schedule = 0.001
    _: KW_ONLY
    weight_decay: float | None = None
    clipvalue: float | None = None
    clipnorm: float | None = None
    global_clipnorm: float | None = None

    def __post_init__(self) -> None:
        if not callable(self.learning_rate):
            self.learning_rate = non_negative("learning_rate", self.learning_rate)
        if self.weight_decay is not None:
            self.weight_decay = non_negative("weight_decay", self.weight_decay)
        clips = {c: getattr(self, c) for c in ("clipvalue", "clipnorm", "global_clipnorm")}
        given = {c: v for c, v in clips.items() if v is not None}
        if len(given) > 1:
            raise InvalidValueError(f"at most one kind of clipping can be given, got {', '.join(given)}")
        for clip, value in given.items():
            setattr(self, clip, positive(clip, value))

    @property
    @abstractmethod
    def rule(self) -> UpdateRule:
        """The update rule that these settings choose."""

    @abstractmethod
    def _columns(self, steps: Floats, learning_rates: Floats) -> tuple[Floats | float, ...]:
        """Return each scalar of the rule, for all steps at once."""

    def scalars(self, steps: npt.ArrayLike, learning_rates: npt.ArrayLike) -> Floats:
        """Return the scalars of the update rule for the given steps.

        Parameters
        ----------
        steps : array of int, shape (S,)
            Numbers of the steps; the first update of a training is 1.
        learning_rates : array of float, shape (S,)
            The rate at each.

        Returns
        -------
        ndarray of float64, shape (S, n_scalars)
            In the order of ``rule.scalar_names``.
        """
        t = np.asarray(steps, dtype=np.float64)
        rates = np.asarray(learning_rates, dtype=np.float64)
        if t.ndim != 1 or t.shape != rates.shape:
            raise InvalidValueError(
                f"steps and learning_rates must be of one length, got shapes {t.shape} and {rates.shape}"
            )
        columns = self._columns(t, rates)
        table = np.empty((t.size, len(columns)), dtype=np.float64)
        for i, column in enumerate(columns):
            table[:, i] = column
        return table

    def learning_rates(self, steps: npt.ArrayLike) -> Floats:
        """Return the rate at each of the given steps (1-based), from the number or the schedule.

        Raises
        ------
        InvalidValueError
            If the schedule gives a negative or non-finite rate; the message names the step.
        """
        t = np.asarray(steps, dtype=np.int64)
        if not callable(self.learning_rate):
            return np.full(t.shape, non_negative("learning_rate", self.learning_rate))
        schedule = self.learning_rate
        rates = [non_negative(f"the schedule's rate at step {s}", schedule(s - 1)) for s in t.tolist()]
        return np.array(rates, dtype=np.float64)

    def _keep(self, learning_rates: Floats) -> Floats:
        """Return what weight decay leaves of a weight: exactly 1 without decay."""
        return 1.0 - learning_rates * (self.weight_decay or 0.0)

    def config(self) -> dict[str, Any]:
        """Return the name and every argument; ``from_config`` makes an equal optimizer of it."""
        return {"name": self.name} | {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> Optimizer:
        """Return the optimizer that ``config`` describes.

        Raises
        ------
        InvalidValueError
            If the name is missing or unknown, or an argument is unknown or out of range.
        """
        arguments = dict(config)
        if "name" not in arguments:
            raise InvalidValueError(f"an optimizer's config needs a 'name', got {sorted(arguments)}")
        optimizer = OPTIMIZERS[arguments.pop("name")]
        accepted = [f.name for f in fields(optimizer) if f.init]
        for argument in arguments:
            if argument not in accepted:
                raise unknown_name(f"argument of {optimizer.__name__}", argument, accepted)
        return optimizer(**arguments)


def get(optimizer: str | Optimizer | type[Optimizer] | Mapping[str, Any]) -> Optimizer:
    """Return the optimizer that ``optimizer`` names.

    Parameters
    ----------
    optimizer : str, Optimizer, type or mapping
        A registered name or class (made with its defaults), an ``Optimizer`` (returned as it is) or the
        mapping that ``config()`` returns.

    Raises
    ------
    UnknownNameError
        If no optimizer has that name.
    InvalidTypeError
        If it is something else.

    Examples
    --------
    >>> get("adam").learning_rate
    0.001
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        return OPTIMIZERS[optimizer]()
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        return optimizer()
    if isinstance(optimizer, Mapping):
        return Optimizer.from_config(optimizer)
    raise InvalidTypeError(f"an optimizer is a name, an Optimizer or its config, got {optimizer!r}")
