"""Estimators for scikit-learn: drop-in replacements of its multilayer perceptrons, and any other network.

``MLPClassifier`` and ``MLPRegressor`` take scikit-learn's parameters and have its attributes; a script runs after its
import line is changed. ``NetworkClassifier`` and ``NetworkRegressor`` train whatever layers a function returns;
``CNNClassifier`` and ``SequenceClassifier`` are two such functions.
"""

from __future__ import annotations

from fastnn.optional import require

require("sklearn", purpose="fastnn.estimators")

from fastnn.estimators.cnn import CNNClassifier  # noqa: E402
from fastnn.estimators.mlp_classifier import MLPClassifier  # noqa: E402
from fastnn.estimators.mlp_regressor import MLPRegressor  # noqa: E402
from fastnn.estimators.network import NetworkClassifier, NetworkRegressor  # noqa: E402
from fastnn.estimators.sequence import SequenceClassifier  # noqa: E402

__all__ = [
    "CNNClassifier",
    "MLPClassifier",
    "MLPRegressor",
    "NetworkClassifier",
    "NetworkRegressor",
    "SequenceClassifier",
]
