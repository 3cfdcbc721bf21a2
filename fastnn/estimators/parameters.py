"""Checks of an estimator's parameters: all of them, before any work. ``__init__`` stores, ``fit`` checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastnn import optimizers
from fastnn.callbacks.runner import check_callbacks
from fastnn.errors import InvalidTypeError, InvalidValueError, unknown_name
from fastnn.optimizers import Optimizer
from fastnn.validation import float_dtype

SOLVERS = ("adam", "sgd", "lbfgs")
RATES = ("constant", "invscaling", "adaptive")

Check = Callable[[str, Any], None]


def store(estimator: Any, arguments: Mapping[str, Any]) -> None:
    """Keep the arguments of ``__init__`` as attributes of the same names, untouched, as scikit-learn wants it."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


def real(low: float, high: float = math.inf, *, open_low: bool = False, open_high: bool = False) -> Check:
    """Return the check of a number in an interval."""

    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise InvalidTypeError(f"{name} must be a number, got {value!r}")
        if (
            math.isnan(value) or float(value) < low or float(value) > high
            or (open_low and value == low) or (open_high and value == high)
        ):  # fmt: skip
            left, right = "(" if open_low else "[", ")" if open_high or high == math.inf else "]"
            raise InvalidValueError(f"{name} must be in {left}{low}, {high}{right}, got {value!r}")

    return check


def whole(low: int, *extra: Any) -> Check:
    """Return the check of a whole number of at least ``low``; ``extra`` values are taken too."""

    def check(name: str, value: Any) -> None:
        if any(value is e or (isinstance(value, type(e)) and value == e) for e in extra):
            return
        others = "".join(f" or {e!r}" for e in extra)
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise InvalidTypeError(f"{name} must be a whole number{others}, got {value!r}")
        if value < low:
            raise InvalidValueError(f"{name} must be at least {low}{others}, got {value!r}")

    return check


def flag(name: str, value: Any) -> None:
    """Check True or False."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidTypeError(f"{name} must be True or False, got {value!r}")


def _solver(name: str, value: Any) -> None:
    if isinstance(value, str):
        if value not in SOLVERS and value not in optimizers.OPTIMIZERS:
            raise unknown_name(name, value, {*SOLVERS, *optimizers.OPTIMIZERS})
    elif not isinstance(value, Optimizer):
        raise InvalidTypeError(f"{name} must be a name or an Optimizer, got {value!r}")


def _rate(name: str, value: Any) -> None:
    if callable(value):
        return
    if not isinstance(value, str):
        raise InvalidTypeError(f"{name} must be one of {', '.join(RATES)} or a schedule, got {value!r}")
    if value not in RATES:
        raise unknown_name(name, value, RATES)


def _verbose(name: str, value: Any) -> None:
    if not isinstance(value, bool | np.bool_) and (not isinstance(value, Integral) or value < 0):
        raise InvalidTypeError(f"{name} must be True, False or a whole number of at least 0, got {value!r}")


def _random_state(name: str, value: Any) -> None:
    if isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) < 2**32:
        return  # what scikit-learn would make a generator of
    from sklearn.utils import check_random_state

    try:
        check_random_state(value)
    except ValueError as error:
        raise InvalidValueError(f"{name} must be None, a whole number or a RandomState: {error}") from None


def _dtype(name: str, value: Any) -> None:
    if value is not None:
        float_dtype(value)


def _class_weight(name: str, value: Any) -> None:
    if value is None or value == "balanced":
        return
    if not isinstance(value, Mapping | Sequence) or isinstance(value, str):
        raise InvalidValueError(f"{name} must be None, 'balanced', a dict or a list of dicts, got {value!r}")


TRAINING: dict[str, Check] = {
    "solver": _solver,
    "batch_size": whole(1, "auto"),
    "learning_rate": _rate,
    "learning_rate_init": real(0, open_low=True),
    "power_t": real(0),
    "max_iter": whole(1),
    "shuffle": flag,
    "random_state": _random_state,
    "tol": real(0),
    "verbose": _verbose,
    "warm_start": flag,
    "momentum": real(0, 1, open_high=True),
    "nesterovs_momentum": flag,
    "early_stopping": flag,
    "validation_fraction": real(0, 1, open_high=True),
    "beta_1": real(0, 1, open_high=True),
    "beta_2": real(0, 1, open_high=True),
    "epsilon": real(0, open_low=True),
    "n_iter_no_change": whole(1, math.inf),
    "max_fun": whole(1),
    "callbacks": lambda _, value: void(check_callbacks(value)),
    "dtype": _dtype,
    "class_weight": _class_weight,
}
"""Checks of what says how any network is trained; ``loss`` and ``backend`` are checked where they are resolved."""

LAYERS: dict[str, Check] = {
    "alpha": real(0),
    "l1": real(0),
    "batch_normalization": flag,
}
"""Checks of what makes up a multilayer perceptron; sizes, activations and dropout go together (``hidden.py``)."""


def void(value: Any) -> None:
    """Take a value and return nothing."""


def check_parameters(estimator: Any, checks: Mapping[str, Check]) -> None:
    """Check the parameters that the estimator has.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        The message names the parameter, what was got and what is accepted.
    """
    for name, value in estimator.get_params(deep=False).items():
        if name in checks:
            checks[name](name, value)
