"""exp, log, tanh and their kin: fastnn's own sequences of IEEE-754 operations, one text for both backends.

Each function takes NumPy arrays or NumPy scalars of float32 or float64 and returns the same kind; Numba
code calls the same functions on scalars once ``tell_numba`` of ``backends/numba_backend/single_source.py`` was called.
The lines may overflow or make NaN on their way to a right answer, and NumPy warns of that: callers use
``np.errstate``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastnn.formulas import (
    error_function,
    exponential,
    hyperbolic,
    logarithm,
    logistic,
    power,
    soft_rectifier,
    trigonometric,
)
from fastnn.formulas.traceable import traceable

__all__ = [
    "FORMULAS",
    "Formula",
    "cos",
    "erf",
    "exp",
    "expm1",
    "log",
    "log1p",
    "log_sigmoid",
    "pow",
    "sigmoid",
    "sin",
    "softplus",
    "tanh",
]


cos = traceable(trigonometric.cos)
erf = traceable(error_function.erf)
exp = traceable(exponential.exp)
expm1 = traceable(exponential.expm1)
log = traceable(logarithm.log)
log1p = traceable(logarithm.log1p)
log_sigmoid = traceable(soft_rectifier.log_sigmoid)
pow = traceable(power.pow)
sigmoid = traceable(logistic.sigmoid)
sin = traceable(trigonometric.sin)
softplus = traceable(soft_rectifier.softplus)
tanh = traceable(hyperbolic.tanh)


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
        Bounds of the error in units in the last place: measured over all inputs in float32 (pow: samples)
        by ``tests/measure_ulp.py``, over millions of samples in float64, and rounded up.
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
        Formula("exp", exp, exponential.exp_f32, exponential.exp_f64, 0.96, 1.0),
        Formula("expm1", expm1, exponential.expm1_f32, exponential.expm1_f64, 0.75, 1.8),
        Formula("log", log, logarithm.log_f32, logarithm.log_f64, 0.52, 0.9),
        Formula("log1p", log1p, logarithm.log1p_f32, logarithm.log1p_f64, 0.52, 0.9),
        Formula("tanh", tanh, hyperbolic.tanh_f32, hyperbolic.tanh_f64, 1.0, 1.4),
        Formula("sigmoid", sigmoid, logistic.sigmoid_f32, logistic.sigmoid_f64, 0.94, 1.5),
        Formula(
            "log_sigmoid",
            log_sigmoid,
            soft_rectifier.log_sigmoid_f32,
            soft_rectifier.log_sigmoid_f64,
            0.56,
            1.4,
        ),
        Formula("softplus", softplus, soft_rectifier.softplus_f32, soft_rectifier.softplus_f64, 0.56, 1.4),
        Formula("erf", erf, error_function.erf_f32, error_function.erf_f64, 0.53, 1.4),
        Formula("sin", sin, trigonometric.sin_f32, trigonometric.sin_f64, 0.57, 0.85),
        Formula("cos", cos, trigonometric.cos_f32, trigonometric.cos_f64, 0.57, 0.85),
        Formula("pow", pow, power.pow_f32, power.pow_f64, 0.56, 0.95, arity=2),
    )
}
