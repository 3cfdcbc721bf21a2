"""Schedules of the learning rate: one file each, with Keras' names and arguments where Keras has them.

An optimizer takes one in place of a number: ``Adam(CosineDecay(0.001, decay_steps=10_000))``. ``base.py`` says what
one is; to add one is to add a file that registers its class, and a line below for its public name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastnn.lazy import lazy_names
from fastnn.schedules.base import SCHEDULES, LearningRateSchedule, get

if TYPE_CHECKING:
    from fastnn.schedules.cosine_decay import CosineDecay
    from fastnn.schedules.cosine_decay_restarts import CosineDecayRestarts
    from fastnn.schedules.exponential_decay import ExponentialDecay
    from fastnn.schedules.inverse_time_decay import InverseTimeDecay
    from fastnn.schedules.linear_warmup import LinearWarmup
    from fastnn.schedules.one_cycle import OneCycle
    from fastnn.schedules.piecewise_constant_decay import PiecewiseConstantDecay
    from fastnn.schedules.polynomial_decay import PolynomialDecay
    from fastnn.schedules.step_decay import StepDecay

_HOMES = {
    "CosineDecay": "cosine_decay",
    "CosineDecayRestarts": "cosine_decay_restarts",
    "ExponentialDecay": "exponential_decay",
    "InverseTimeDecay": "inverse_time_decay",
    "LinearWarmup": "linear_warmup",
    "OneCycle": "one_cycle",
    "PiecewiseConstantDecay": "piecewise_constant_decay",
    "PolynomialDecay": "polynomial_decay",
    "StepDecay": "step_decay",
}
"""Public names and the modules that define them: imported when they are first used, as models have no need of them."""

__all__ = [
    "SCHEDULES",
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "LinearWarmup",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "StepDecay",
    "get",
]

__getattr__, __dir__ = lazy_names(globals(), _HOMES)
