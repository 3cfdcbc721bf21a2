"""Initializers: how the parameters of a layer start, under Keras' names.

``base.py`` says what an ``Initializer`` is. Names resolve through ``get``; to add one is to add a file that
registers its class, and a line below for its public name.
"""

from __future__ import annotations

from fastnn.initializers.base import INITIALIZERS, Initializer, get
from fastnn.initializers.constant import Constant, Ones, Zeros
from fastnn.initializers.glorot import GlorotNormal, GlorotUniform
from fastnn.initializers.he import HeNormal, HeUniform
from fastnn.initializers.lecun import LeCunNormal, LeCunUniform
from fastnn.initializers.orthogonal import Orthogonal
from fastnn.initializers.random_normal import RandomNormal
from fastnn.initializers.random_uniform import RandomUniform
from fastnn.initializers.truncated_normal import TruncatedNormal
from fastnn.initializers.variance_scaling import VarianceScaling

__all__ = [
    "INITIALIZERS",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LeCunNormal",
    "LeCunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "get",
]
