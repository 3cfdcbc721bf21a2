"""exp, log, tanh and their kin: fastnn's own sequences of IEEE-754 operations, one text for both backends.

Each function takes NumPy arrays or NumPy scalars of float32 or float64 and returns the same kind; Numba code calls
the same functions on scalars once ``backends/numba_backend/single_source.py`` is imported. The lines may overflow
or make NaN on their way to a right answer, and NumPy warns of that: callers that mind use ``np.errstate``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastnn.formulas import exponential, hyperbolic, logarithm, logistic
from fastnn.formulas.exponential import exp
from fastnn.formulas.hyperbolic import tanh
from fastnn.formulas.logarithm import log, log1p
from fastnn.formulas.logistic import sigmoid

__all__ = ["FORMULAS", "Formula", "exp", "log", "log1p", "sigmoid", "tanh"]


@dataclass(frozen=True)
class Formula:
    """One formula in its two dtypes.

    Attributes
    ----------
    name : str
        Its name here.
    function : callable
        The generic function, which picks by dtype.
    float32, float64 : callable
        The straight-line texts.
    ulp32, ulp64 : float
        Bounds of the error in units in the last place, as documented and tested.
    arity : int
        Number of arguments.
    """

    name: str
    function: Callable[..., Any]
    float32: Callable[..., Any]
    float64: Callable[..., Any]
    ulp32: float
    ulp64: float
    arity: int = 1


FORMULAS: dict[str, Formula] = {
    formula.name: formula
    for formula in (
        Formula("exp", exp, exponential.exp_f32, exponential.exp_f64, 0.56, 1.0),
        Formula("log", log, logarithm.log_f32, logarithm.log_f64, 0.6, 1.0),
        Formula("log1p", log1p, logarithm.log1p_f32, logarithm.log1p_f64, 0.6, 1.0),
        Formula("tanh", tanh, hyperbolic.tanh_f32, hyperbolic.tanh_f64, 0.7, 2.0),
        Formula("sigmoid", sigmoid, logistic.sigmoid_f32, logistic.sigmoid_f64, 0.6, 2.0),
    )
}
