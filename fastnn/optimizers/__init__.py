"""Optimizers: one file each, with the update rule as a formula and the class with Keras' name and defaults.

``base.py`` says what an ``UpdateRule`` and an ``Optimizer`` are. Names resolve through ``get``; to add an
optimizer is to add a file that registers its rule and its class, and a line below for its public name.
"""

from __future__ import annotations

from fastnn.optimizers.adadelta import Adadelta
from fastnn.optimizers.adagrad import Adagrad
from fastnn.optimizers.adam import Adam, AdamW
from fastnn.optimizers.base import OPTIMIZERS, UPDATE_RULES, Optimizer, Schedule, UpdateRule, get
from fastnn.optimizers.nadam import Nadam
from fastnn.optimizers.rmsprop import RMSprop
from fastnn.optimizers.rprop import RPROP
from fastnn.optimizers.sgd import SGD

__all__ = [
    "OPTIMIZERS",
    "RPROP",
    "SGD",
    "UPDATE_RULES",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "UpdateRule",
    "get",
]
