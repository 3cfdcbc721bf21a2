"""Weight penalties: l1 * abs(w) + l2 * w**2, summed over the elements of a parameter.

One formula pair serves L1, L2 and both: straight-line (see ``fastnn.formulas.primitives``), evaluated by
NumPy on vectors and compiled by the Numba backend on scalars. As in Keras there is no factor 1/2 on the
square, and the derivative of abs(w) at 0 is 0. The sum over elements follows rule 4 of the contract
(``fastnn.contract``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.errors import InvalidTypeError, InvalidValueError, unknown_name
from fastnn.formulas.primitives import like, where


def penalty(w: Any, l1: Any, l2: Any) -> Any:
    """Return ``l1 * abs(w) + l2 * w**2``."""
    return l1 * abs(w) + l2 * (w * w)


def gradient(w: Any, l1: Any, l2: Any) -> Any:
    """Return ``l1 * sign(w) + 2 * l2 * w``; the sign of 0 is 0."""
    sign = where(w > like(w, 0.0), like(w, 1.0), where(w < like(w, 0.0), like(w, -1.0), like(w, 0.0)))
    return l1 * sign + (like(w, 2.0) * l2) * w


@dataclass(frozen=True)
class Regularizer:
    """The two factors of the penalty.

    Attributes
    ----------
    l1, l2 : float
        Factors of the absolute and of the squared weight, at least 0.

    Raises
    ------
    InvalidValueError, InvalidTypeError
        If a factor is negative, not finite, or no number.
    """

    l1: float = 0.0
    l2: float = 0.0

    def __post_init__(self) -> None:
        for name in ("l1", "l2"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
                raise InvalidTypeError(f"{name} must be a number, got {value!r}")
            if not (math.isfinite(value) and value >= 0):
                raise InvalidValueError(f"{name} must be finite and at least 0, got {value!r}")
            object.__setattr__(self, name, float(value))


def L1(l1: float = 0.01) -> Regularizer:
    """Return the penalty ``l1 * abs(w)``."""
    return Regularizer(l1=l1)


def L2(l2: float = 0.01) -> Regularizer:
    """Return the penalty ``l2 * w**2``."""
    return Regularizer(l2=l2)


def L1L2(l1: float = 0.0, l2: float = 0.0) -> Regularizer:
    """Return the penalty ``l1 * abs(w) + l2 * w**2``."""
    return Regularizer(l1=l1, l2=l2)


NAMED = {"l1": L1(), "l2": L2(), "l1_l2": L1L2(0.01, 0.01)}
"""What a name stands for, with the factors Keras gives it."""


def get(regularizer: str | Regularizer | None) -> Regularizer | None:
    """Return the regularizer that ``regularizer`` names; ``None`` stays ``None``.

    Raises
    ------
    UnknownNameError
        If no regularizer has that name.
    InvalidTypeError
        If it is neither a name, a ``Regularizer`` nor ``None``.

    Examples
    --------
    >>> get("l2")
    Regularizer(l1=0.0, l2=0.01)
    """
    if regularizer is None or isinstance(regularizer, Regularizer):
        return regularizer
    if isinstance(regularizer, str):
        if regularizer not in NAMED:
            raise unknown_name("regularizer", regularizer, NAMED)
        return NAMED[regularizer]
    raise InvalidTypeError(f"a regularizer is a name, L1, L2, L1L2 or None, got {regularizer!r}")
